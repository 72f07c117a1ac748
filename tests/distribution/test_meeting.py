"""Workers wait for one another, and say for whom."""

from __future__ import annotations

import json
import socket
import threading

import pytest

from massivetext_keras.distribution import meeting
from massivetext_keras.distribution.meeting import meet
from massivetext_keras.training import make_strategy
from tests.training.test_multi_worker import free_addresses


def test_all_come_back_together_and_leave_their_ports(tmp_path):
    addresses, met = free_addresses(3), []

    def come(own: int) -> None:
        meet(addresses, own, patience=60)
        met.append(own)

    threads = [threading.Thread(target=come, args=(i,)) for i in range(3)]
    for thread in threads[:2]:
        thread.start()
    threads[0].join(0.5)
    assert not met  # one is missing
    threads[2].start()
    for thread in threads:
        thread.join(60)
    assert sorted(met) == [0, 1, 2]
    for address in addresses:
        socket.create_server(("", int(address.split(":")[1]))).close()


@pytest.mark.parametrize("own", [0, 2])
def test_who_does_not_come_is_named(own):
    addresses = free_addresses(3)
    there = threading.Thread(target=_come, args=(addresses, 1))
    there.start()
    missing = addresses[2 - own]
    with pytest.raises(TimeoutError, match=f"^{missing} did not come within 1 s: "):
        meet(addresses, own, patience=1)
    there.join()


def _come(addresses: list[str], own: int) -> None:
    with pytest.raises(TimeoutError):
        meet(addresses, own, patience=1.5)


def test_who_only_listens_has_not_come():
    addresses = free_addresses(2)
    with (
        socket.create_server(("", int(addresses[1].split(":")[1]))),
        pytest.raises(TimeoutError, match=addresses[1]),
    ):
        meet(addresses, 0, patience=0.5)


def test_strangers_are_not_counted():
    addresses = free_addresses(2)

    def call() -> None:
        for said in (b"GET / HTTP/1.1", b"", b"7\n"):
            with socket.create_connection(addresses[0].split(":"), timeout=5) as line:
                line.sendall(said)

    stranger = threading.Timer(0.2, call)
    stranger.start()
    with pytest.raises(TimeoutError, match=addresses[1]):
        meet(addresses, 0, patience=1.5)
    stranger.join()


def test_a_port_that_is_taken_is_named():
    (address,) = free_addresses(1)
    with (
        socket.create_server(("", int(address.split(":")[1]))),
        pytest.raises(OSError, match=f"{address}, which TF_CONFIG says is this"),
    ):
        meet([address], 0)


def test_a_strategy_of_several_workers_waits_so(monkeypatch):
    addresses = free_addresses(2)
    cluster = {"worker": addresses}
    config = {"cluster": cluster, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    monkeypatch.setattr(meeting, "PATIENCE", 0.5)
    with pytest.raises(TimeoutError, match=addresses[0]):
        make_strategy("multi_worker")
