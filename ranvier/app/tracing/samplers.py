"""Which requests are followed.

Configuration: `opentracing.jaeger_config.sampler`, `opentracing.force_tracing_for_users`.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

from ranvier.config.tracing_sections import TracingConfig

USER: Final = "enduser.id"


def sampler(config: TracingConfig) -> Sampler:
    """What begins with us is decided here; what belongs to a trace is followed as the trace is."""
    if config.sampler == "probabilistic":
        usual: Sampler = TraceIdRatioBased(config.sampler_param)
    elif config.sampler == "ratelimiting":
        usual = SoManyASecond(config.sampler_param)
    else:
        usual = ALWAYS_ON if config.sampler_param else ALWAYS_OFF
    if config.force_tracing_for_users:
        usual = _Forced(usual, config.force_tracing_for_users)
    return ParentBased(usual)


class SoManyASecond(Sampler):
    """At most so many traces a second, on the average; as many at once."""

    def __init__(self, per_second: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._monotonic = monotonic
        self._most = max(1.0, per_second)
        self._left = self._most if per_second else 0.0
        self._looked = monotonic()

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        now = self._monotonic()
        self._left = min(self._most, self._left + (now - self._looked) * self._per_second)
        self._looked = now
        if self._left < 1:
            return SamplingResult(Decision.DROP)
        self._left -= 1
        return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)

    def get_description(self) -> str:
        return f"SoManyASecond{{{self._per_second}}}"


class _Forced(Sampler):
    """Some users always, others as usual."""

    def __init__(self, usual: Sampler, users: frozenset[str]) -> None:
        self._usual = usual
        self._users = users

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        if attributes is not None and attributes.get(USER) in self._users:
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)
        return self._usual.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        return f"Forced{{{self._usual.get_description()}}}"
