"""DNS as a test wants it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ranvier.net.resolver import LookupFailed, Service, Services


@dataclass(slots=True)
class FakeResolver:
    """Knows what it is told, and counts what it is asked."""

    hosts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    records: Mapping[str, Sequence[Service]] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()
    """Names about which nobody can say anything."""
    ttl_s: float = 300
    asked: list[str] = field(default_factory=list)

    async def addresses(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        if host not in self.hosts:
            raise LookupFailed(f"no address of {host}")
        return self.hosts[host]

    async def services(self, name: str) -> Services:
        self.asked.append(name)
        if name in self.broken:
            raise LookupFailed(f"no SRV record of {name}")
        return Services(tuple(self.records.get(name, ())), self.ttl_s)

    async def close(self) -> None:
        return
