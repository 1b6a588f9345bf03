"""`opentracing`: whose requests are followed, and where the traces go."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from ranvier.config.values import Values

_PORT: Final = 4318
_SAMPLERS: Final = ("const", "probabilistic", "ratelimiting")
_KNOWN: Final = frozenset(
    {
        "local_agent",
        "otlp_endpoint",
        "reporter_batch_size",
        "reporter_flush_interval",
        "reporter_queue_size",
        "sampler",
        "service_name",
        "tags",
    }
)
_OF_JAEGER: Final = "opentracing.jaeger_config"


@dataclass(frozen=True, slots=True)
class TracingConfig:
    """`opentracing`, when it is enabled."""

    homeserver_whitelist: tuple[str, ...]
    """Regular expressions for whole server names."""
    force_tracing_for_users: frozenset[str]
    sampler: Literal["const", "probabilistic", "ratelimiting"]
    sampler_param: float
    endpoint: str
    service_name: str
    tags: Mapping[str, str]
    batch_size: int
    queue_size: int
    flush_interval_s: float


def build_tracing(values: Values) -> TracingConfig | None:
    """The section, `None` unless it is enabled; mistakes are noted."""
    if not values.boolean("opentracing.enabled"):
        return None
    jaeger = values.mapping(_OF_JAEGER)
    for name in jaeger.keys() - _KNOWN:
        values.warn(f"{_OF_JAEGER}.{name}", "has no effect here: traces leave by OTLP (docs/tracing.md)")
    sampler = _mapping(values, jaeger, "sampler")
    kind = sampler.get("type", "const")
    if kind not in _SAMPLERS:
        values.error(f"{_OF_JAEGER}.sampler.type", f"expected one of {', '.join(_SAMPLERS)}, got {kind!r}")
    return TracingConfig(
        homeserver_whitelist=values.texts("opentracing.homeserver_whitelist"),
        force_tracing_for_users=frozenset(values.texts("opentracing.force_tracing_for_users")),
        sampler=kind if kind in _SAMPLERS else "const",
        sampler_param=_number(values, sampler, "sampler.param", 1, most=1 if kind == "probabilistic" else None),
        endpoint=_endpoint(values, jaeger),
        service_name=str(jaeger.get("service_name") or values.text_or_none("server_name")),
        tags=_tags(values, jaeger),
        batch_size=max(1, int(_number(values, jaeger, "reporter_batch_size", 512))),
        queue_size=max(1, int(_number(values, jaeger, "reporter_queue_size", 2048))),
        flush_interval_s=max(0.01, _number(values, jaeger, "reporter_flush_interval", 5)),
    )


def _endpoint(values: Values, jaeger: Mapping[str, Any]) -> str:
    """Where OTLP is understood; the agent's host, because its port speaks what nobody speaks any more."""
    endpoint = jaeger.get("otlp_endpoint")
    if endpoint is None:
        host = _mapping(values, jaeger, "local_agent").get("reporting_host", "localhost")
        return f"http://{host}:{_PORT}/v1/traces"
    if not isinstance(endpoint, str) or not endpoint.startswith(("http://", "https://")):
        values.error(f"{_OF_JAEGER}.otlp_endpoint", "expected an http or https URL")
    return str(endpoint)


def _mapping(values: Values, jaeger: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = jaeger.get(name) or {}
    if isinstance(found, dict):
        return found
    values.error(f"{_OF_JAEGER}.{name}", "expected a mapping")
    return {}


def _number(
    values: Values, within: Mapping[str, Any], path: str, default: float, *, most: float | None = None
) -> float:
    found = within.get(path.rpartition(".")[2], default)
    if type(found) in (int, float) and math.isfinite(found) and 0 <= found <= (found if most is None else most):
        return float(found)
    values.error(f"{_OF_JAEGER}.{path}", "expected a number from 0 to 1" if most else "expected a number, zero or more")
    return default


def _tags(values: Values, jaeger: Mapping[str, Any]) -> dict[str, str]:
    """A mapping, or `name=value,name=value`."""
    found = jaeger.get("tags") or {}
    if isinstance(found, str):
        found = dict(tag.strip().split("=", 1) for tag in found.split(",") if "=" in tag)
    if isinstance(found, dict):
        return {str(name): str(value) for name, value in found.items()}
    values.error(f"{_OF_JAEGER}.tags", "expected a mapping")
    return {}
