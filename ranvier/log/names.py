"""Names in log configurations that were written for Synapse, and what bears the same purpose here."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

CLASSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "synapse.logging.handlers.PeriodicallyFlushingMemoryHandler": (
            "ranvier.log.flushing.PeriodicallyFlushingMemoryHandler"
        ),
        "synapse.logging.RemoteHandler": "ranvier.log.remote.RemoteHandler",
        "synapse.util.logcontext.LoggingContextFilter": "ranvier.log.record.RequestFilter",
        "synapse.logging.context.LoggingContextFilter": "ranvier.log.record.RequestFilter",
        "synapse.logging.JsonFormatter": "ranvier.log.json_lines.JsonFormatter",
        "synapse.logging.TerseJsonFormatter": "ranvier.log.json_lines.TerseJsonFormatter",
        "synapse.logging.GcpJsonFormatter": "ranvier.log.json_lines.GcpJsonFormatter",
    }
)
LOGGERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "synapse": ("ranvier",),
        "synapse.app": ("ranvier.app",),
        "synapse.config": ("ranvier.config",),
        "synapse.crypto": ("ranvier.federation.keys",),
        "synapse.events": ("ranvier.rooms",),
        "synapse.federation": ("ranvier.federation", "ranvier.net"),
        "synapse.handlers": ("ranvier.users", "ranvier.rooms", "ranvier.sync", "ranvier.e2ee"),
        "synapse.http": ("ranvier.http",),
        "synapse.rest": ("ranvier.api",),
        "synapse.state": ("ranvier.state",),
        "synapse.storage": ("ranvier.store", "ranvier.db"),
    }
)
"""`synapse.access` is not here: requests are logged under that name."""


class UnknownName(Exception):
    """A class of Synapse's that has no counterpart; the text is for the operator."""


def translate(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A `dictConfig` with our classes for Synapse's, and with what it says of Synapse's loggers said of ours too.

    What it says of ours by their own names counts more. Raises `UnknownName`.
    """
    translated = dict(_with_our_classes(settings))
    translated.setdefault("version", 1)
    # A file without the key would silence every logger that exists already, which are all of ours.
    translated.setdefault("disable_existing_loggers", False)
    loggers = translated.get("loggers")
    if isinstance(loggers, dict):
        ours = {name: value for known, value in loggers.items() for name in LOGGERS.get(known, ())}
        translated["loggers"] = {**ours, **loggers}
    return translated


def _with_our_classes(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _our_class(inner) if key in ("class", "()") and isinstance(inner, str) else _with_our_classes(inner)
            for key, inner in value.items()
        }
    return [_with_our_classes(inner) for inner in value] if isinstance(value, list) else value


def _our_class(name: str) -> str:
    ours = CLASSES.get(name, name)
    if ours.startswith("synapse."):
        raise UnknownName(f"{name} is not known here; known are {', '.join(sorted(CLASSES))}")
    return ours
