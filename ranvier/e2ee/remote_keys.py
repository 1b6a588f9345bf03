"""Devices and keys of users of other servers, as this layer sees them: somebody is asked for them.

Spec: client-server API, `POST /keys/query`, `POST /keys/claim`. What comes back has been checked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ranvier.proto.ids import domain_of

ByUser = dict[str, bytes]
"""JSON by user."""


@dataclass(slots=True)
class QueriedKeys:
    """What other servers say of their users."""

    devices: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """By user and device the `DeviceKeys`, as JSON."""
    masters: ByUser = field(default_factory=dict)
    self_signing: ByUser = field(default_factory=dict)
    failures: dict[str, Any] = field(default_factory=dict)
    """By server, for those that have not answered."""


@dataclass(slots=True)
class RemoteClaims:
    """Keys that other servers have given out."""

    keys: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    """By user, device, and `algorithm:id`, as JSON."""
    failures: dict[str, Any] = field(default_factory=dict)


class RemoteKeys(Protocol):
    """Asks other servers. Raises nothing: who does not answer in time is among the `failures`."""

    async def query(self, wanted: Mapping[str, Sequence[str]], *, timeout_ms: int) -> QueriedKeys:
        """Keys by user of the devices that are wanted, none for all."""
        ...

    async def claim(self, wanted: Mapping[str, Mapping[str, str]], *, timeout_ms: int) -> RemoteClaims:
        """A key by user and device of the algorithm."""
        ...


class NobodyElse:
    """There are no other servers."""

    async def query(self, wanted: Mapping[str, Sequence[str]], *, timeout_ms: int) -> QueriedKeys:
        return QueriedKeys(failures=unreachable(map(domain_of, wanted)))

    async def claim(self, wanted: Mapping[str, Mapping[str, str]], *, timeout_ms: int) -> RemoteClaims:
        return RemoteClaims(failures=unreachable(map(domain_of, wanted)))


def unreachable(server_names: Iterable[str]) -> dict[str, Any]:
    """The `failures` of an answer, for servers that could not be asked."""
    error = {"errcode": "M_UNREACHABLE", "error": "The server could not be reached"}
    return dict.fromkeys(sorted(set(server_names)), error)
