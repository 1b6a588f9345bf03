"""Traces of requests, told to a collector; also from one server to the next."""

import json
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.sampling import Decision

from ranvier.app.tracing.open import OpenTracing
from ranvier.app.tracing.samplers import SoManyASecond
from ranvier.config.load import parse
from ranvier.http.request import Request
from ranvier.http.response import Response
from ranvier.http.route import Auth, Route
from ranvier.ports import FederationAnswer, FederationStream
from tests.conftest import StartHomeserver
from tests.process.collectors import Collector, collecting
from tests.process.refusal import refusal
from tests.services.homeserver import HomeserverProcess

_ALICE = "@alice:test.example"


def _spans(collector: Collector) -> list[Any]:
    return [
        span
        for _, body in list(collector.bodies)
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    ]


def _about(span: Any) -> dict[str, object]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


def _named(collector: Collector, name: str) -> Callable[[], list[Any]]:
    return lambda: [span for span in _spans(collector) if span.name == name]


def _start(start: StartHomeserver, folder: Path, port: int, **opentracing: object) -> HomeserverProcess:
    jaeger = {"otlp_endpoint": f"http://127.0.0.1:{port}/v1/traces", "reporter_flush_interval": 0.05, "tags": "a=b"}
    jaeger.update(opentracing.pop("jaeger", {}))  # type: ignore[call-overload]  # a mapping
    database: dict[str, object] = {"name": "sqlite3", "args": {"database": str(folder / "traced.db")}}
    return start(database, opentracing={"enabled": True, "jaeger_config": jaeger, **opentracing})


def _ask(server: HomeserverProcess, path: str, body: object = None, *, token: str = "") -> dict[str, Any]:
    request = urllib.request.Request(
        f"{server.url}/_matrix/client/v3{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}"} if token else {},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def _register(server: HomeserverProcess, name: str) -> str:
    account = {"username": name, "password": "secret", "auth": {"type": "m.login.dummy"}}
    token: str = _ask(server, "/register", account)["access_token"]
    return token


def test_each_request_is_a_span(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    with collecting() as collector:
        server = _start(start_homeserver, tmp_path, collector.port)
        token = _register(server, "alice")
        _ask(server, "/account/whoami", token=token)
        whoami = _named(collector, "GET /_matrix/client/v3/account/whoami")
        collector.wait(whoami)
        (span,) = whoami()
        about = _about(span)
        assert (about["enduser.id"], about["http.response.status_code"]) == (_ALICE, 200)
        assert str(about["request.id"]).startswith("GET-")
        assert collector.bodies[0][0] == "/v1/traces"
        resource = ExportTraceServiceRequest.FromString(collector.bodies[0][1]).resource_spans[0].resource
        assert {one.key: one.value.string_value for one in resource.attributes}.items() >= {
            "service.name": "test.example",
            "a": "b",
        }.items()
        assert all(token.encode() not in body for _, body in collector.bodies)
        # What waits is sent at the end.
        _ask(server, "/account/whoami", token=token)
        assert server.stop() == 0
        assert len(whoami()) == 2


def test_some_users_always(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    with collecting() as collector:
        jaeger = {"sampler": {"type": "const", "param": 0}}
        server = _start(start_homeserver, tmp_path, collector.port, force_tracing_for_users=[_ALICE], jaeger=jaeger)
        for name in ("bob", "alice", "carol"):
            _ask(server, "/account/whoami", token=_register(server, name))
        assert server.stop() == 0
        assert [_about(span)["enduser.id"] for span in _spans(collector)] == [_ALICE]


def test_a_collector_that_is_not_there(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    with collecting() as collector:
        port = collector.port
    server = _start(start_homeserver, tmp_path, port)
    _ask(server, "/account/whoami", token=_register(server, "alice"))
    assert server.stop() == 0


def test_what_cannot_be(start_homeserver: StartHomeserver, tmp_path: Path) -> None:
    server = _start(start_homeserver, tmp_path, 9)
    server.stop()
    enabled = {"enabled": True}
    for jaeger, problem in (
        ({"sampler": {"type": "remote"}}, "sampler.type: expected one of const, probabilistic, ratelimiting"),
        ({"sampler": {"type": "probabilistic", "param": 2}}, "sampler.param: expected a number from 0 to 1"),
        ({"otlp_endpoint": "here"}, "otlp_endpoint: expected an http or https URL"),
        ({"tags": 5}, "tags: expected a mapping"),
    ):
        server.write_options(opentracing={**enabled, "jaeger_config": jaeger})
        assert problem in refusal(server)
    server.write_options(opentracing=enabled)
    (tmp_path / "opentelemetry.py").write_text("raise ModuleNotFoundError('No module named opentelemetry')")
    assert "pip install 'ranvier[tracing]'" in refusal(server, modules=tmp_path)


def test_so_many_a_second() -> None:
    now = [0.0]
    sampler = SoManyASecond(2, monotonic=lambda: now[0])

    def taken(count: int) -> int:
        return sum(_takes(sampler) for _ in range(count))

    assert taken(5) == 2
    now[0] = 0.5
    assert taken(5) == 1
    now[0] = 100
    assert taken(5) == 2
    assert not _takes(SoManyASecond(0, monotonic=lambda: 0))


def _takes(sampler: SoManyASecond) -> bool:
    return sampler.should_sample(None, 1, "name").decision is Decision.RECORD_AND_SAMPLE


class Wire:
    """A transport that keeps what is told to others."""

    def __init__(self) -> None:
        self.headers: dict[str, Mapping[str, str]] = {}

    async def request(self, *, destination: str, headers: Mapping[str, str], **_: object) -> FederationAnswer:
        self.headers[destination] = headers
        return FederationAnswer(200, {}, b"{}")

    @asynccontextmanager
    async def stream(
        self, *, destination: str, headers: Mapping[str, str], **_: object
    ) -> AsyncIterator[FederationStream]:
        self.headers[destination] = headers
        yield FederationStream(200, {}, _nothing())


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield


async def test_traces_are_shared_with_servers_of_the_whitelist() -> None:
    opentracing = {"enabled": True, "homeserver_whitelist": [r".*\.friends\.test"]}
    with collecting() as collector:
        endpoint = {"otlp_endpoint": f"http://127.0.0.1:{collector.port}/v1/traces"}
        config = parse({"server_name": "test", "opentracing": {**opentracing, "jaeger_config": endpoint}}).tracing
        assert config is not None
        tracing = OpenTracing(config, server_name="test")
        wire = Wire()
        transport = tracing.transport(wire)

        async def call(request: Request) -> Response:
            for name in ("b.friends.test", "b.friends.test.evil.test"):
                about = {"body": None, "timeout_s": 1, "limit_bytes": 1}
                target = "/_matrix/federation/v1/event/$id"
                await transport.request(method="GET", destination=name, target=target, headers={}, **about)  # type: ignore[arg-type]
                async with transport.stream(method="GET", destination=f"s.{name}", target=target, headers={}, **about):  # type: ignore[arg-type]
                    pass
            return Response(b"{}")

        (route,) = tracing.routes([Route(method="GET", path="/a", call=call, auth=Auth.FEDERATION)])
        traces = [f"{number:032x}" for number in (1, 2)]
        for origin, trace in zip(("a.friends.test", "a.enemies.test"), traces, strict=True):
            told = [(b"traceparent", f"00-{trace}-00000000000000ff-01".encode())]
            request = Request(method="GET", path=b"/a", raw_headers=told)
            request.origin = origin
            await route.call(request)
            assert (trace in wire.headers["b.friends.test"]["traceparent"]) == (origin == "a.friends.test")
            assert {name for name, headers in wire.headers.items() if headers} == {"b.friends.test", "s.b.friends.test"}
        await tracing.close()
        spans = _spans(collector)
        assert {span.name for span in spans} == {"GET /a", "GET /_matrix/federation/v1/event"}
        found = {span.trace_id.hex() for span in spans}
        assert traces[0] in found and traces[1] not in found and len(found) == 2


def test_what_of_the_section_has_no_effect_is_said() -> None:
    jaeger = {"logging": True, "local_agent": {"reporting_host": "traces.test"}}
    config = parse({"server_name": "test", "opentracing": {"enabled": True, "jaeger_config": jaeger}})
    assert config.tracing is not None and config.tracing.endpoint == "http://traces.test:4318/v1/traces"
    assert [said for said in config.warnings if "jaeger_config.logging: has no effect here" in said]
