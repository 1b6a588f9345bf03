"""Requests to other servers as parts of a trace."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ranvier.ports import FederationAnswer, FederationStream, FederationUnreachable, StreamingTransport


class TracedTransport:
    """A transport, each request of which is a span."""

    def __init__(self, transport: StreamingTransport, *, tracer: Tracer, tells: Callable[[str], bool]) -> None:
        """`tells` says which servers learn what trace a request belongs to."""
        self._transport = transport
        self._tracer = tracer
        self._tells = tells
        self._propagator = TraceContextTextMapPropagator()

    async def request(
        self,
        *,
        method: str,
        destination: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout_s: float,
        limit_bytes: int,
    ) -> FederationAnswer:
        with self._tracer.start_as_current_span(
            _name(method, target), kind=SpanKind.CLIENT, attributes={"server.address": destination}
        ) as span:
            answer = await self._transport.request(
                method=method,
                destination=destination,
                target=target,
                headers=self._told(destination, headers, span),
                body=body,
                timeout_s=timeout_s,
                limit_bytes=limit_bytes,
            )
            span.set_attribute("http.response.status_code", answer.status)
            return answer

    @asynccontextmanager
    async def stream(
        self,
        *,
        method: str,
        destination: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout_s: float,
        limit_bytes: int,
    ) -> AsyncIterator[FederationStream]:
        # Not the current span: what reads the stream may go on in another task.
        span = self._tracer.start_span(
            _name(method, target), kind=SpanKind.CLIENT, attributes={"server.address": destination}
        )
        try:
            async with self._transport.stream(
                method=method,
                destination=destination,
                target=target,
                headers=self._told(destination, headers, span),
                body=body,
                timeout_s=timeout_s,
                limit_bytes=limit_bytes,
            ) as stream:
                span.set_attribute("http.response.status_code", stream.status)
                yield stream
        except FederationUnreachable as error:
            span.record_exception(error)
            span.set_status(StatusCode.ERROR)
            raise
        finally:
            span.end()

    def _told(self, destination: str, headers: Mapping[str, str], span: Span) -> Mapping[str, str]:
        if not self._tells(destination):
            return headers
        told = dict(headers)
        self._propagator.inject(told, context=set_span_in_context(span))
        return told


def _name(method: str, target: str) -> str:
    """The beginning of the path, in which there are no ids: `PUT /_matrix/federation/v1/send`."""
    return f"{method} {'/'.join(target.partition('?')[0].split('/')[:5])}"
