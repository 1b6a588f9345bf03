"""Prometheus metrics: read from the objects that are there anyway, when somebody asks.

Names that existing dashboards know are used where the meaning is the same (`synapse_*`, `process_*`, `python_*`); the rest
is `ranvier_*`. Nothing on the way of a request knows of labels: plain numbers are added up there, and made into metrics
here. Configuration: `enable_metrics`, listeners of type `metrics`, resource `metrics`.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from ranvier import __version__
from ranvier.app.federation import FederationServices
from ranvier.app.rooms import RoomServices
from ranvier.db.engine import Database
from ranvier.http.request import Request
from ranvier.http.request_counts import BOUNDS_S, RequestCounts
from ranvier.http.response import Response
from ranvier.http.route import Auth, Route, routes
from ranvier.ports import Clock
from ranvier.users.monthly_users import MonthlyUsers

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
LAG_EVERY_S: Final = 1.0
LAG_BOUNDS_S: Final = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class LoopLag:
    """How late the event loop comes to what is due: once a second."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self.buckets = [0] * (len(LAG_BOUNDS_S) + 1)
        self.sum_s = 0.0

    async def run(self) -> None:
        """Measure, until cancelled."""
        while True:
            due_s = self._clock.monotonic() + LAG_EVERY_S
            await self._clock.sleep(LAG_EVERY_S)
            late_s = max(0.0, self._clock.monotonic() - due_s)
            self.buckets[bisect_left(LAG_BOUNDS_S, late_s)] += 1
            self.sum_s += late_s


class Metrics:
    """Everything there is to be told, as text."""

    def __init__(
        self,
        *,
        clock: Clock,
        db: Database,
        rooms: RoomServices,
        federation: FederationServices,
        known_servers: bool,
    ) -> None:
        self.lag = LoopLag(clock=clock)
        self._db = db
        self._rooms = rooms
        self._federation = federation
        self.requests = RequestCounts()
        self._known_servers = known_servers
        self._servers = 0
        self.monthly: MonthlyUsers | None = None
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._registry.register(self)

    def routes(self) -> list[Route]:
        """Where the text is, on listeners with the resource `metrics` and of that type."""
        return routes(
            "GET", ("/_synapse/metrics", "/metrics"), self.text, auth=Auth.NONE, resource="metrics",
            summary="Metrics for Prometheus",
        )  # fmt: skip

    async def text(self, request: Request) -> Response:
        """The metrics now."""
        if self._known_servers:
            self._servers = await self._db.value("SELECT COUNT(*) FROM destinations")
        return Response(generate_latest(self._registry), content_type=CONTENT_TYPE)

    def collect(self) -> Iterator[Metric]:
        """Called by the registry."""
        yield _labelled(GaugeMetricFamily, "synapse_build_info", "Version", {("version",): [((__version__,), 1)]})
        yield from self._of_requests()
        yield from self._of_database()
        yield from self._of_rooms()
        yield from self._of_federation()
        if self.monthly is not None:
            yield from self._of_users(self.monthly)
        yield _histogram(
            "ranvier_event_loop_lag_seconds", "How late the event loop is", LAG_BOUNDS_S, self.lag.buckets,
            self.lag.sum_s,
        )  # fmt: skip
        yield _gauge("ranvier_tasks", "Tasks in the event loop", len(asyncio.all_tasks()))

    def _of_requests(self) -> Iterator[Metric]:
        received = CounterMetricFamily(
            "synapse_http_server_requests_received", "Requests", labels=("method", "servlet")
        )
        responses = CounterMetricFamily("synapse_http_server_responses", "Answers", labels=("method", "code"))
        size = CounterMetricFamily(
            "synapse_http_server_response_size", "Bytes of answers", labels=("method", "servlet", "tag")
        )
        time = HistogramMetricFamily(
            "synapse_http_server_response_time_seconds", "Time until the answer was sent",
            labels=("method", "servlet", "tag", "code"),
        )  # fmt: skip
        by_servlet: dict[tuple[str, str], list[int]] = {}
        by_code: dict[tuple[str, str], int] = {}
        for route, status, counted in self.requests:
            sums = by_servlet.setdefault((route.method, route.path), [0, 0])
            sums[0] += counted.count
            sums[1] += counted.size_bytes
            by_code[route.method, str(status)] = by_code.get((route.method, str(status)), 0) + counted.count
            labels = (route.method, route.path, route.resource, str(status))
            time.add_metric(labels, _cumulative(BOUNDS_S, counted.buckets), counted.time_s)
        for (method, servlet), (count, size_bytes) in by_servlet.items():
            received.add_metric((method, servlet), count)
            size.add_metric((method, servlet, ""), size_bytes)
        for labels_of_code, count in by_code.items():
            responses.add_metric(labels_of_code, count)
        yield from (received, responses, size, time)
        yield _gauge("synapse_http_server_in_flight_requests_count", "Requests being served", self.requests.in_flight)

    def _of_database(self) -> Iterator[Metric]:
        counters = self._db.counters
        yield _counter("ranvier_db_statements", "Statements", counters.statements)
        yield _counter("ranvier_db_write_transactions", "Committed groups of writes", counters.write_transactions)
        yield _counter("ranvier_db_read_transactions", "Read transactions", counters.read_transactions)

    def _of_rooms(self) -> Iterator[Metric]:
        rooms = self._rooms.rooms
        yield _gauge(
            "synapse_event_persisted_position",
            "Position of the stream of events",
            self._rooms.appender.committed_pos,
        )
        sizes = {("events",): len(rooms.cache), ("rooms",): len(rooms)}
        yield _labelled(
            GaugeMetricFamily, "synapse_util_caches_cache_size", "Entries", {("name",): list(sizes.items())}
        )
        resyncs = self._federation.resyncs.counters
        yield _gauge("ranvier_partial_state_rooms", "Rooms of which not everything is known yet", len(rooms.partials))
        for name, text, number in (
            ("attempts", "Attempts to learn a room's full state", resyncs.attempts),
            ("failed_attempts", "Those that failed", resyncs.failed_attempts),
            ("completed", "Rooms that have become full", resyncs.completed),
            ("given_up", "Rooms that were left because nobody told their state", resyncs.given_up),
            ("members", "Members of the rooms that have become full", resyncs.members),
            ("seconds", "Time from joins until the rooms were full", resyncs.seconds),
        ):
            yield _counter(f"ranvier_partial_state_resync_{name}", text, number)

    def _of_users(self, monthly: MonthlyUsers) -> Iterator[Metric]:
        yield _gauge("synapse_admin_mau_current", "Monthly active users", monthly.count)
        yield _gauge("synapse_admin_mau_max", "How many there may be", monthly.config.most)
        yield _gauge(
            "synapse_admin_mau_registered_reserved_users", "Those who are never kept out", monthly.reserved_count
        )
        of_services = GaugeMetricFamily(
            "synapse_admin_mau_current_mau_by_service", "Monthly active users by service", labels=("app_service",)
        )
        for service_id, count in monthly.by_service().items():
            of_services.add_metric((service_id,), count)
        yield of_services

    def _of_federation(self) -> Iterator[Metric]:
        sent = self._federation.sender.counters
        yield _counter("synapse_federation_client_sent_transactions", "Transactions sent", sent.transactions)
        yield _counter("synapse_federation_client_sent_pdu_destinations_count", "Events sent", sent.pdus)
        yield _counter("synapse_federation_client_sent_edus", "Ephemeral messages sent", sent.edus)
        times = self._federation.pdu_times
        for name, text, found in (
            ("sent", "When the newest event was made that the server took last", times.sent_ms),
            ("received", "When the newest event was made that the server sent last", times.received_ms),
        ):
            of_servers = GaugeMetricFamily(f"synapse_federation_last_{name}_pdu_time", text, labels=("server_name",))
            for server, ts in found.items():
                of_servers.add_metric((server,), ts / 1000)
            yield of_servers
        yield _gauge("ranvier_federation_queues", "Servers for which something waits", self._federation.sender.busy)
        if self._known_servers:
            yield _gauge("synapse_federation_known_servers", "Servers that this one sends to", self._servers)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _labelled(
    family: Callable[..., GaugeMetricFamily],
    name: str,
    text: str,
    values: dict[tuple[str, ...], list[tuple[tuple[str, ...], int]]],
) -> Metric:
    ((labels, found),) = values.items()
    metric = family(name, text, labels=labels)
    for of, value in found:
        metric.add_metric(of, value)
    return metric


def _histogram(name: str, text: str, bounds: Iterable[float], buckets: list[int], sum_s: float) -> Metric:
    metric = HistogramMetricFamily(name, text)
    metric.add_metric((), _cumulative(bounds, buckets), sum_s)
    return metric


def _cumulative(bounds: Iterable[float], buckets: list[int]) -> list[tuple[str, float]]:
    total, found = 0, []
    for bound, count in zip([*map(str, bounds), "+Inf"], buckets, strict=True):
        total += count
        found.append((bound, float(total)))
    return found
