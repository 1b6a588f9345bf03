"""What discovery asks of DNS."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class LookupFailed(Exception):
    """The name has no such records, or nobody could say. The text is for people."""


@dataclass(frozen=True, slots=True)
class Service:
    """One SRV record."""

    priority: int
    weight: int
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Services:
    """The SRV records of a name; none where there is no such name."""

    records: tuple[Service, ...]
    ttl_s: float


class Resolver(Protocol):
    """Names become addresses. Answers are remembered as long as DNS says."""

    async def addresses(self, host: str) -> Sequence[str]:
        """The IP addresses of a DNS name, best first, at least one. Raises `LookupFailed`."""
        ...

    async def services(self, name: str) -> Services:
        """The SRV records of a name. Raises `LookupFailed` if nobody could say whether there are any."""
        ...

    async def close(self) -> None:
        """Let go of sockets and threads."""
        ...
