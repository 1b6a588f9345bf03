"""Setting up the log of the process: from a `dictConfig` file, or to standard error.

A log configuration written for Synapse works unchanged (`names`). Logging is the process's, not a server's; only the
command line and what reloads for it call this.
"""

import logging
import logging.config
import re
from typing import Any

import yaml

from ranvier.log.names import UnknownName, translate
from ranvier.log.record import RequestFilter, RequestRecord

PRECISE = "%(asctime)s - %(name)s - %(lineno)d - %(levelname)s - %(request)s - %(message)s"
_DEFAULT: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"precise": {"format": PRECISE}},
    "filters": {"request": {"()": RequestFilter}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "precise", "filters": ["request"]}},
    "root": {"level": "INFO", "handlers": ["console"]},
}
_NAMED = re.compile(r"Unable to configure (handler|formatter|filter|logger) '(.*)'")
_MISTAKES = (ValueError, TypeError, AttributeError, ImportError, KeyError, OSError)
"""What `dictConfig` raises."""


class LogConfigError(Exception):
    """The log configuration cannot be used; the message is for the operator."""


class ProcessLog:
    """The log as it was set up last."""

    def __init__(self) -> None:
        self._settings: dict[str, Any] | None = None

    def set_up(self, path: str | None) -> bool:
        """Use the configuration in a file, or by default write `precise` lines to standard error.

        Says whether it differs from the one in use, which is set up anew all the same (its files may have been moved).
        Raises `LogConfigError`; then everything is logged as before.
        """
        logging.setLogRecordFactory(RequestRecord)
        settings, text = (_DEFAULT, "") if path is None else read_settings(path)
        former = self._settings
        try:
            _apply(settings, former)
        except _MISTAKES as error:
            logging.shutdown()  # What was opened before the mistake was found.
            if former is not None:
                _apply(former, settings)
            raise LogConfigError(_described(path or "", text, error)) from error
        self._settings = settings
        return settings != former


def set_up_log(path: str | None) -> None:
    """As `ProcessLog.set_up`, for a log that is set up once. Raises `LogConfigError`."""
    ProcessLog().set_up(path)


def _apply(settings: dict[str, Any], former: dict[str, Any] | None) -> None:
    """Set up the log. What only the former configuration spoke of is as if nobody had: `dictConfig` would let it be."""
    if former is not None and isinstance(former.get("loggers"), dict):
        for name in former["loggers"]:
            forgotten = logging.getLogger(name)
            forgotten.setLevel(logging.NOTSET)
            forgotten.propagate = True
            forgotten.handlers.clear()
    logging.config.dictConfig(settings)


def read_settings(path: str) -> tuple[dict[str, Any], str]:
    """What a file says in our words, and its text. Raises `LogConfigError`."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        settings = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise LogConfigError(f"{path}{f':{mark.line + 1}' if mark else ''}: {error.problem or error}") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise LogConfigError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if not isinstance(settings, dict):
        raise LogConfigError(f"{path}: expected a mapping")
    try:
        return translate(settings), text
    except UnknownName as error:
        raise LogConfigError(f"{path}: {error}") from error


def _described(path: str, text: str, error: Exception) -> str:
    """The mistake with its file and, where it has a name, its line."""
    named = _NAMED.match(str(error))
    line = None if named is None else _line_of(text, f"{named[1]}s", named[2])
    cause = error.__cause__ or error.__context__
    return f"{path}{'' if line is None else f':{line}'}: {error}{f' ({cause})' if cause else ''}"


def _line_of(text: str, section: str, name: str) -> int | None:
    """Where a file that is YAML speaks of `section.name`."""
    node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    line: int | None = None
    for step in (section, name):
        if not isinstance(node, yaml.MappingNode):
            return None
        found = next(((key, value) for key, value in node.value if key.value == step), None)
        if found is None:
            return None
        key, node = found
        line = key.start_mark.line + 1
    return line
