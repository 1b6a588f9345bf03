"""The servers of a soak: two Ranviers and a Synapse, each reached by the others through a link that can fail."""

import re
import resource
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from tests.federation_tls.server import FederatingServer, issue
from tests.interop.environment import synapse_python
from tests.interop.synapse import SynapseServer
from tests.services.ports import free_port
from tests.soak.link import Link

QUEUES = {
    "messages to devices of other servers": "SELECT COUNT(*) FROM device_outbox",
    "device lists for other servers": "SELECT COUNT(*) FROM device_list_outbox",
    "events whose ancestors are asked for": "SELECT COUNT(*) FROM inbound_events",
    "messages to devices here": "SELECT COUNT(*) FROM to_device_messages",
    "rooms whose state is not complete": "SELECT COUNT(*) FROM partial_state_rooms",
    "servers that lack something": "SELECT COUNT(*) FROM destinations WHERE acked_pos IS NOT NULL OR retry_last_ts > 0",
}
"""What has to be empty at the end, when everybody has been reached and has fetched what is theirs."""


FILLED_SOON: dict[str, object] = {"event_cache_size": 1000}
"""Bounded caches grow until they are full, and a server that has just been started again has none: where they are full
within two minutes, what grows after that is something else."""

_EXCEPTION = re.compile(r"^[\w.]*(?:Error|Exception|Group)(?:: .*)?$", re.MULTILINE)
_FULL_DISK = ("disk I/O error", "database or disk is full")


class _Linked(FederatingServer):
    """Listens for other servers behind a link."""

    def _default_options(self) -> dict[str, object]:
        options = super()._default_options()
        listeners = options["listeners"]
        assert isinstance(listeners, list)
        inner = free_port()
        self.link = Link(listeners[1]["port"], inner)
        listeners[1]["port"] = inner
        return options


class LinkedRanvier(_Linked):
    """A Ranvier that can be killed, and whose disk can be full."""

    def fill_disk(self) -> None:
        """From now on no file of it can grow by more than 100,000 bytes."""
        largest = max(path.stat().st_size for path in self.folder.glob("homeserver.db*"))
        self._limit_files(largest + 100_000)

    def free_disk(self) -> None:
        """There is space again."""
        self._limit_files(resource.RLIM_INFINITY)

    def _limit_files(self, size_bytes: int) -> None:
        _, hard = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size_bytes, hard))

    def queues(self) -> dict[str, int]:
        """How much is in each queue."""
        with sqlite3.connect(f"file:{self.folder / 'homeserver.db'}?mode=ro", uri=True) as connection:
            return {name: connection.execute(sql).fetchone()[0] for name, sql in QUEUES.items()}

    def failures(self) -> set[str]:
        """The last lines of exceptions in its log, but for those that a full disk explains."""
        return {line for line in _EXCEPTION.findall(self.output()) if not line.endswith(_FULL_DISK)}

    def memory_kib(self) -> int:
        """What is resident."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise ValueError("the kernel does not say")

    def files(self) -> int:
        """How many files and connections are open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))


class LinkedSynapse(_Linked, SynapseServer):
    """The Synapse beside them."""


@dataclass(frozen=True, slots=True)
class Town:
    """The servers."""

    ranviers: tuple[LinkedRanvier, LinkedRanvier]
    synapse: LinkedSynapse

    @property
    def servers(self) -> tuple[LinkedRanvier | LinkedSynapse, ...]:
        return (*self.ranviers, self.synapse)

    def links(self) -> list[Link]:
        return [server.link for server in self.servers]

    def close(self) -> None:
        """The end."""
        for server in self.servers:
            server.close()


def build(folder: Path) -> Town:
    """The servers, not started."""
    certificates = issue(folder)
    first, second = [
        LinkedRanvier(folder / name, certificates, host="localhost", options=dict(FILLED_SOON))
        for name in ("first", "second")
    ]
    synapse = LinkedSynapse(folder / "synapse", certificates, python=synapse_python(), host="localhost")
    return Town((first, second), synapse)
