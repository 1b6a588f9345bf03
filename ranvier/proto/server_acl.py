"""Server ACLs: which servers a room lets take part.

Spec: client-server API, "Server Access Control Lists (ACLs) for rooms"; `m.room.server_acl`. A name is compared without
its port and without regard to case. What is malformed counts as left out: without an `allow` list nobody may take part.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ranvier.proto.events import Event, StateKey
from ranvier.proto.globs import Matcher, compile_glob

SERVER_ACL: Final[StateKey] = ("m.room.server_acl", "")

REMEMBERED: Final = 1000


class ServerAcl:
    """One list; the answers it has given are remembered."""

    __slots__ = ("_allow", "_answers", "_deny", "_ip_literals")

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._ip_literals = content.get("allow_ip_literals") is not False
        self._allow = _Patterns(content.get("allow"))
        self._deny = _Patterns(content.get("deny"))
        self._answers: dict[str, bool] = {}

    def allows(self, server_name: str) -> bool:
        """Whether the server may take part."""
        answer = self._answers.get(server_name)
        if answer is None:
            if len(self._answers) >= REMEMBERED:
                self._answers.clear()
            answer = self._answers[server_name] = self._decide(host_of(server_name))
        return answer

    def _decide(self, host: str) -> bool:
        if not self._ip_literals and is_ip_literal(host):
            return False
        return not self._deny.match(host) and self._allow.match(host)


class _Patterns:
    """Globs; those without wildcards are looked up instead of tried."""

    __slots__ = ("_globs", "_names")

    def __init__(self, patterns: object) -> None:
        texts = [text.lower() for text in _strings(patterns)]
        self._names = frozenset(text for text in texts if not _is_glob(text))
        self._globs: list[Matcher] = [compile_glob(text) for text in dict.fromkeys(texts) if _is_glob(text)]

    def match(self, host: str) -> bool:
        return host in self._names or any(matches(host) for matches in self._globs)


def acl_allows(event: Event | None, server_name: str) -> bool:
    """Whether the room's `m.room.server_acl` event, `None` if it has none, lets the server take part.

    The list is compiled once an event.
    """
    if event is None:
        return True
    if not isinstance(event.parsed, ServerAcl):
        event.parsed = ServerAcl(event.content)
    acl: ServerAcl = event.parsed
    return acl.allows(server_name)


def host_of(server_name: str) -> str:
    """The name without its port, in lower case; also of what is no valid server name."""
    host, colon, port = server_name.rpartition(":")
    if colon and port.isascii() and port.isdigit() and (":" not in host or host.endswith("]")):
        return host.lower()
    return server_name.lower()


def is_ip_literal(host: str) -> bool:
    """Whether a name without port is an IP address; IPv6 stands in brackets."""
    # Resolvers take short and zero-padded forms for addresses too; no DNS name consists of digits alone.
    return ":" in host or host.startswith("[") or host.replace(".", "0").isdecimal()


def _strings(patterns: object) -> Iterable[str]:
    return [pattern for pattern in patterns if isinstance(pattern, str)] if isinstance(patterns, list) else ()


def _is_glob(text: str) -> bool:
    return "*" in text or "?" in text
