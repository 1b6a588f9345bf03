"""DNS by c-ares, without threads of ours: the system's servers and its hosts file.

Its sockets are opened at the first question.
"""

import asyncio
import socket
from collections.abc import Sequence
from typing import Final

import aiodns
import pycares

from ranvier.net.resolver import LookupFailed, Service, Services

_TIMEOUT_S: Final = 3.0
_TRIES: Final = 3
_NOTHING_S: Final = 3600.0
_NO_SUCH_RECORD: Final = frozenset({pycares.errno.ARES_ENODATA, pycares.errno.ARES_ENOTFOUND})


class DnsResolver:
    """Implements `Resolver`. The library remembers answers for as long as DNS says, up to an hour."""

    def __init__(self, *, servers: Sequence[str] = ()) -> None:
        """`servers` (`address:port`) are asked instead of the system's."""
        self._servers = servers
        self._channel: aiodns.DNSResolver | None = None

    async def addresses(self, host: str) -> Sequence[str]:
        try:
            answer = await self._open().getaddrinfo(host, family=socket.AF_UNSPEC, type=socket.SOCK_STREAM)
        except aiodns.error.DNSError as error:
            raise LookupFailed(f"no address of {host}: {_reason(error)}") from error
        found = tuple(dict.fromkeys(_text(node.addr[0]) for node in answer.nodes))
        if not found:
            raise LookupFailed(f"no address of {host}")
        return found

    async def services(self, name: str) -> Services:
        try:
            answer = await self._open().query_dns(name, "SRV")
        except aiodns.error.DNSError as error:
            if error.args and error.args[0] in _NO_SUCH_RECORD:
                return Services((), _NOTHING_S)
            raise LookupFailed(f"no SRV record of {name}: {_reason(error)}") from error
        records = [(record.data, record.ttl) for record in answer.answer]
        services = [
            (Service(data.priority, data.weight, data.target, data.port), ttl)
            for data, ttl in records
            if isinstance(data, pycares.SRVRecordData)
        ]
        if not services:
            return Services((), _NOTHING_S)
        return Services(tuple(service for service, _ in services), float(min(ttl for _, ttl in services)))

    async def close(self) -> None:
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    def _open(self) -> aiodns.DNSResolver:
        if self._channel is None:
            self._channel = aiodns.DNSResolver(
                self._servers, loop=asyncio.get_running_loop(), timeout=_TIMEOUT_S, tries=_TRIES
            )
        return self._channel


def _text(address: bytes | str) -> str:
    return address.decode("ascii") if isinstance(address, bytes) else address


def _reason(error: aiodns.error.DNSError) -> str:
    return str(error.args[1]) if len(error.args) > 1 else "DNS failed"
