"""What a server counts, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from massivetext_keras.serving.models.registry import Registry

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)
_ENGINE = {
    "waiting": "requests that wait for a slot",
    "running": "requests that are being written",
    "slots": "requests that can be written at a time",
    "tokens_written": "tokens that were written",
    "cache_in_use": "share of the cache that is in use",
    "steps": "steps of decoding",
    "prefix_hits": "prompts of which the beginning was computed before",
}


class Measuring:
    """Counters and histograms of one server, apart from all others of a process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "massivetext_requests",
            "Requests that were answered.",
            ["endpoint", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "massivetext_request_seconds",
            "From a request's head to the end of its answer.",
            ["endpoint"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.first = Histogram(
            "massivetext_first_token_seconds",
            "From a request to the first text of its answer.",
            ["model"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.tokens = Counter(
            "massivetext_tokens",
            "Tokens that were read and written.",
            ["model", "kind"],
            registry=self.registry,
        )
        self.batches = Histogram(
            "massivetext_batch_rows",
            "Rows of the batches of one-shot signatures.",
            ["model"],
            buckets=_ROWS,
            registry=self.registry,
        )
        self.active = 0

    def watch(self, models: Registry) -> None:
        """Adds what models and their engines tell of themselves."""
        self.registry.register(_Gauges(self, models))

    def text(self) -> bytes:
        """All of it."""
        return generate_latest(self.registry)


class _Gauges:
    """What is asked for when somebody looks."""

    def __init__(self, measuring: Measuring, models: Registry):
        self.measuring, self.models = measuring, models

    def describe(self) -> Iterable[Metric]:
        """None before the models are loaded."""
        return []

    def collect(self) -> Iterator[Metric]:
        yield _gauge(
            "active_requests",
            "Requests that are being answered.",
            [((), float(self.measuring.active))],
        )
        models = self.models.models()
        rows = [((model.name,), float(model.batcher.waiting)) for model in models]
        yield _gauge("queue_rows", "Rows that wait for a batch.", rows, ["model"])
        told = {m.name: m.engine.statistics() for m in models if m.engine is not None}
        for name, text in _ENGINE.items():
            values = [((k,), float(v[name])) for k, v in told.items() if name in v]
            yield _gauge(f"engine_{name}", f"{text.capitalize()}.", values, ["model"])
        versions = [((m.name, str(m.version)), float(m.ready)) for m in models]
        labels = ["model", "version"]
        yield _gauge("model_ready", "Whether it is warmed up.", versions, labels)


def _gauge(name: str, text: str, values: list, labels: Iterable[str] = ()) -> Metric:
    metric = GaugeMetricFamily(f"massivetext_{name}", text, labels=list(labels))
    for given, value in values:
        metric.add_metric(given, value)
    return metric
