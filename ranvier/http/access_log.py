"""One line in the log for each request that was served.

The format and the logger's name (`synapse.access.http.8008`; `request_log_prefix` changes the part before the scheme) are
those that operators' tools already read. The line is put together only if somebody listens.
"""

import logging
import re
import resource
import time
from dataclasses import dataclass, field

from ranvier.usage import Usage

_SECRETS = re.compile(r"((?:access_token|loginToken|token|client_secret)=)[^&]*")
_WHOSE_CPU: int = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)  # macOS knows only the process's
_LINE = (
    "%s - %s - {%s} Processed request: %.3fsec/%.3fsec (%.3fsec, %.3fsec) (%.3fsec/%.3fsec/%d) %sB %s%s "
    '"%s %s HTTP/%s" "%s" [%d dbevts]'
)


@dataclass(slots=True)
class Served:
    """What a line says about one request, filled in as it becomes known."""

    started_s: float
    user_cpu_s: float
    system_cpu_s: float
    answered_s: float = 0.0
    """When the answer was ready to be sent."""
    usage: Usage = field(default_factory=Usage)


class AccessLog:
    """The log of one listener. CPU times are the thread's while the request was served, so they count its neighbours."""

    def __init__(self, *, scheme: str, tag: str, prefix: str = "synapse.access") -> None:
        """Lines go to the logger `<prefix>.<scheme>.<tag>`."""
        self._logger = logging.getLogger(f"{prefix}.{scheme}.{tag}")
        self._tag = tag

    def begin(self) -> Served | None:
        """Start the clocks; `None` if nobody reads this log."""
        if not self._logger.isEnabledFor(logging.INFO):
            return None
        usage = resource.getrusage(_WHOSE_CPU)
        return Served(time.monotonic(), usage.ru_utime, usage.ru_stime)

    def end(
        self,
        served: Served,
        *,
        client_ip: str,
        requester: str,
        size_bytes: int,
        status: int,
        is_gone: bool,
        method: str,
        uri: str,
        http_version: str,
        user_agent: str,
    ) -> None:
        """Write the line. `requester` is empty where there is none; `is_gone` says that the client had left."""
        now = time.monotonic()
        cpu = resource.getrusage(_WHOSE_CPU)
        answered_s = served.answered_s or now
        usage = served.usage
        self._logger.info(
            _LINE,
            client_ip or "-",
            self._tag,
            requester,
            answered_s - served.started_s,
            now - answered_s,
            cpu.ru_utime - served.user_cpu_s,
            cpu.ru_stime - served.system_cpu_s,
            usage.waited_s,
            usage.busy_s,
            usage.transactions,
            size_bytes,
            status,
            "!" if is_gone else "",
            method,
            _shown(_SECRETS.sub(r"\1<redacted>", uri)),
            http_version,
            _shown(user_agent),
            usage.events,
        )


def _shown(text: str) -> str:
    """What a client has sent, without what starts new lines or commands a terminal."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "?" for char in text)
