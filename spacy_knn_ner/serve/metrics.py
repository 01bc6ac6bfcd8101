"""What a service counts, for Prometheus."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from ..components.knn_ner import KnnNer

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Counts requests; what the component has counted stands beside them."""

    def __init__(self, knn: KnnNer) -> None:
        """knn (KnnNer): The component."""
        self._registry = registry = CollectorRegistry()
        registry.register(_OfComponent(knn))
        self._requests = Counter(
            "knn_ner_requests", "Requests.", ["route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "knn_ner_request_seconds",
            "Time that requests took.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )

    def count(self, route: str, status: int, seconds: float) -> None:
        """Count a request.

        route (str): Its path, with names in place of what differs.
        status (int): Of the answer.
        seconds (float): How long it took.
        """
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """Format all metrics."""
        return generate_latest(self._registry)


class _OfComponent(Collector):
    def __init__(self, knn: KnnNer) -> None:
        self._knn = knn

    def collect(self) -> Iterator[Metric]:
        lookups = self._knn.lookups
        tokens, looked_up = lookups.tokens, lookups.looked_up
        yield CounterMetricFamily("knn_ner_tokens", "Tokens.", tokens)
        yield CounterMetricFamily("knn_ner_looked_up", "Tokens looked up.", looked_up)
        entries = GaugeMetricFamily(
            "knn_ner_entries", "Entries in the datastore.", labels=["part"]
        )
        for part, table in self._knn.datastore.tables.items():
            entries.add_metric([part], len(table))
        yield entries
