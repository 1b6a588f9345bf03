"""Setting up the log of the process: from a `dictConfig` file, or to standard error.

A log configuration written for Synapse works unchanged: its classes are replaced by ours of the same purpose.
Logging is the process's, not a server's; only the command line calls this, at the start and again on SIGHUP.
"""

import logging
import logging.config
from collections.abc import Mapping
from typing import Any

import yaml

from ranvier.log.record import RequestFilter, RequestRecord

PRECISE = "%(asctime)s - %(name)s - %(lineno)d - %(levelname)s - %(request)s - %(message)s"
_OURS: Mapping[str, str] = {
    "synapse.logging.handlers.PeriodicallyFlushingMemoryHandler": (
        "ranvier.log.flushing.PeriodicallyFlushingMemoryHandler"
    ),
    "synapse.util.logcontext.LoggingContextFilter": "ranvier.log.record.RequestFilter",
    "synapse.logging.context.LoggingContextFilter": "ranvier.log.record.RequestFilter",
    "synapse.logging.JsonFormatter": "ranvier.log.json_lines.JsonFormatter",
    "synapse.logging.TerseJsonFormatter": "ranvier.log.json_lines.TerseJsonFormatter",
    "synapse.logging.GcpJsonFormatter": "ranvier.log.json_lines.GcpJsonFormatter",
}


class LogConfigError(Exception):
    """The log configuration cannot be used; the message is for the operator."""


def set_up_log(path: str | None) -> None:
    """Use the configuration in a file, or by default write `precise` lines to standard error.

    May be called again; then the file is read anew. Raises `LogConfigError`, and then nothing has changed but what
    `dictConfig` did before it found the mistake.
    """
    logging.setLogRecordFactory(RequestRecord)
    if path is None:
        _set_up_default()
        return
    try:
        with open(path, encoding="utf-8") as file:
            settings = yaml.safe_load(file)
        if not isinstance(settings, dict):
            raise LogConfigError(f"{path}: expected a mapping")
        logging.config.dictConfig(translate(settings))
    except (OSError, yaml.YAMLError, ValueError, TypeError, AttributeError, ImportError) as error:
        cause = error.__cause__ or error.__context__
        raise LogConfigError(f"{path}: {error}{f' ({cause})' if cause else ''}") from error


def _set_up_default() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(PRECISE))
    handler.addFilter(RequestFilter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def translate(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A `dictConfig` with our classes for Synapse's, and with what it says of the logger `synapse` said of ours too."""
    translated = dict(_with_our_classes(settings))
    translated.setdefault("version", 1)
    # A file without the key would silence every logger that exists already, which are all of ours.
    translated.setdefault("disable_existing_loggers", False)
    loggers = translated.get("loggers")
    if isinstance(loggers, dict) and "synapse" in loggers:
        translated["loggers"] = {"ranvier": loggers["synapse"], **loggers}
    return translated


def _with_our_classes(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _OURS.get(inner, inner)
            if key in ("class", "()") and isinstance(inner, str)
            else _with_our_classes(inner)
            for key, inner in value.items()
        }
    return [_with_our_classes(inner) for inner in value] if isinstance(value, list) else value
