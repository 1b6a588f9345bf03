"""Tracing: what each request does, told to a collector by OTLP.

Configuration: `opentracing`. Imported only where it is enabled; then routes and the transport to other servers are wrapped, so
that whoever has no tracing pays nothing for it. Nothing of it is the process's: two servers trace side by side.
"""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import replace

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ranvier import __version__
from ranvier.app.tracing.samplers import USER, sampler
from ranvier.app.tracing.transport import TracedTransport
from ranvier.config.tracing_sections import TracingConfig
from ranvier.http.request import Request
from ranvier.http.response import Response
from ranvier.http.route import Route
from ranvier.ports import StreamingTransport
from ranvier.proto.errors import MatrixError

_EXPORT_S = 3
_CONTEXT = (b"traceparent", b"tracestate")
_STATUS = "http.response.status_code"


class OpenTracing:
    """The traces of one server."""

    def __init__(self, config: TracingConfig, *, server_name: str) -> None:
        resource = {"service.name": config.service_name, "service.version": __version__, "matrix.server": server_name}
        self._provider = TracerProvider(
            sampler=sampler(config),
            resource=Resource.create({**resource, **config.tags}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(
                OTLPSpanExporter(endpoint=config.endpoint, timeout=_EXPORT_S),
                max_queue_size=max(config.queue_size, config.batch_size),
                max_export_batch_size=config.batch_size,
                schedule_delay_millis=round(config.flush_interval_s * 1000),
            )
        )
        self._tracer = self._provider.get_tracer("ranvier", __version__)
        self._propagator = TraceContextTextMapPropagator()
        self._whitelist = [re.compile(pattern) for pattern in config.homeserver_whitelist]

    def routes(self, routes: Iterable[Route]) -> list[Route]:
        """The same routes, each call of which is a span."""
        return [self._traced(route) for route in routes]

    def transport(self, transport: StreamingTransport) -> StreamingTransport:
        """The same transport, each request of which is a span, which servers of the whitelist are told of."""
        return TracedTransport(transport, tracer=self._tracer, tells=self._exchanges_with)

    async def close(self) -> None:
        """Send what is left; a collector that is not there is not waited for long."""
        await asyncio.to_thread(self._provider.shutdown)

    def _traced(self, route: Route) -> Route:
        name = f"{route.method} {route.path}"
        about = {"http.request.method": route.method, "http.route": route.path}

        async def call(request: Request) -> Response:
            attributes = {**about, "request.id": request.request_id, "client.address": request.client_ip}
            if request.has_requester:
                attributes[USER] = request.requester.user_id
            if request.origin:
                attributes["matrix.origin"] = request.origin
            with self._tracer.start_as_current_span(
                name,
                context=self._parent(request),
                kind=SpanKind.SERVER,
                attributes=attributes,
                record_exception=False,
                set_status_on_exception=False,
            ) as span:
                return await _observed(span, route, request)

        return replace(route, call=call)

    def _parent(self, request: Request) -> Context:
        """The trace that another server has begun, if it is one of those with whom traces are shared."""
        if not request.origin or not self._exchanges_with(request.origin):
            return Context()
        carrier = {name.decode(): value.decode("latin-1") for name, value in request.raw_headers if name in _CONTEXT}
        return self._propagator.extract(carrier, context=Context())

    def _exchanges_with(self, server_name: str) -> bool:
        return any(pattern.fullmatch(server_name) for pattern in self._whitelist)


async def _observed(span: Span, route: Route, request: Request) -> Response:
    try:
        response = await route.call(request)
    except MatrixError as error:
        span.set_attribute(_STATUS, error.status)
        span.set_attribute("matrix.errcode", error.errcode)
        raise
    except Exception as error:
        span.record_exception(error)
        span.set_status(StatusCode.ERROR)
        span.set_attribute(_STATUS, 500)
        raise
    span.set_attribute(_STATUS, response.status)
    return response
