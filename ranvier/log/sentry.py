"""What is logged as an error, told to Sentry as well.

Configuration: `sentry`. Imported only where there is a DSN. Like the log it is the process's, not a server's. Nothing is told
but the error, its place in the program and the id of the request: no variables, no bodies, no tokens, nothing of the machine.
"""

import logging
from typing import Any

import sentry_sdk
from sentry_sdk.integrations.atexit import AtexitIntegration
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.excepthook import ExcepthookIntegration
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.utils import BadDsn

from ranvier import __version__
from ranvier.config.operating_sections import SentryConfig
from ranvier.log.setup import LogConfigError

_FLUSH_S = 2


def report_errors(config: SentryConfig, *, server_name: str) -> None:
    """From now on, until the process ends. Raises `LogConfigError` for a DSN that is none."""
    try:
        sentry_sdk.init(
            dsn=config.dsn,
            environment=config.environment,
            release=f"ranvier@{__version__}",
            server_name=server_name,
            # Others would look into requests, modules and the command line, and patch the libraries.
            default_integrations=False,
            auto_enabling_integrations=False,
            integrations=[
                LoggingIntegration(level=None, event_level=logging.ERROR),
                ExcepthookIntegration(),
                DedupeIntegration(),
                AtexitIntegration(callback=_say_nothing),
            ],
            include_local_variables=False,
            send_default_pii=False,
            max_breadcrumbs=0,
            shutdown_timeout=_FLUSH_S,
            before_send=_with_request,
        )
    except BadDsn as error:
        raise LogConfigError(f"option sentry.dsn: {error}") from error


def _with_request(event: Any, hint: dict[str, Any]) -> Any:
    record = hint.get("log_record")
    request = getattr(record, "request", None)
    if request not in {None, "-"}:
        event.setdefault("tags", {})["request"] = request
    return event


def _say_nothing(pending: int, timeout: float) -> None:
    """What it would say at the end goes to the terminal."""
