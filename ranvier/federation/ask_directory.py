"""Asks other servers for the rooms that their aliases name, and for the rooms that they have published.

Spec: server-server API, "Querying for information", "Published Room Directory".
"""

from collections.abc import Awaitable
from typing import Any, Final

from ranvier.federation.client import FederationClient, RemoteError, Unreachable
from ranvier.federation.paths import path
from ranvier.federation.residents import passed_on
from ranvier.federation.told_rooms import told_room
from ranvier.proto.errors import MatrixError, not_found
from ranvier.proto.ids import domain_of, is_room_id, is_server_name
from ranvier.rooms.remote_rooms import DirectoryPage, DirectorySearch

TIMEOUT_S: Final = 20.0
ALIAS_BYTES: Final = 1 << 20
PAGE_BYTES: Final = 10 << 20
SERVERS: Final = 50
LIMIT: Final = 500
DEFAULT_LIMIT: Final = 100


class DirectoryAsking:
    """Asks; `RemoteAliases` and `RemoteDirectories`."""

    def __init__(self, *, client: FederationClient) -> None:
        self._client = client

    async def resolve(self, alias: str) -> tuple[str, list[str]]:
        """The room that an alias of another server names, and servers that are in it. Raises 404, 502."""
        server = domain_of(alias)
        answer = await _asked(
            server,
            self._client.get(
                server,
                path("v1", "query", "directory"),
                query=[("room_alias", alias)],
                timeout_s=TIMEOUT_S,
                limit_bytes=ALIAS_BYTES,
                patient=True,
            ),
        )
        room_id, servers = answer.get("room_id"), answer.get("servers")
        if not isinstance(room_id, str) or not is_room_id(room_id):
            raise not_found("No room has this alias")
        named = [name for name in servers if isinstance(name, str)] if isinstance(servers, list) else []
        return room_id, [name for name in dict.fromkeys(named[:SERVERS]) if is_server_name(name)] or [server]

    async def page(self, server_name: str, search: DirectorySearch) -> DirectoryPage:
        """Part of another server's directory. Raises 502, or the error it answers with."""
        at = path("v1", "publicRooms")
        limit = min(search.limit or DEFAULT_LIMIT, LIMIT)
        wanted: dict[str, Any] = {"limit": limit}
        if search.since is not None:
            wanted["since"] = search.since
        if search.include_all_networks is not None:
            wanted["include_all_networks"] = search.include_all_networks
        if search.third_party_instance_id is not None:
            wanted["third_party_instance_id"] = search.third_party_instance_id
        if search.term is None and search.room_types is None:
            query = [(name, _parameter(value)) for name, value in wanted.items()]
            asking = self._client.get(
                server_name, at, query=query, timeout_s=TIMEOUT_S, limit_bytes=PAGE_BYTES, patient=True
            )
        else:
            wanted["filter"] = _filter(search)
            asking = self._client.post(
                server_name, at, content=wanted, timeout_s=TIMEOUT_S, limit_bytes=PAGE_BYTES, patient=True
            )
        answer = await _asked(server_name, asking)
        chunk, total = answer.get("chunk"), answer.get("total_room_count_estimate")
        rooms = [told_room(room) for room in chunk[:LIMIT]] if isinstance(chunk, list) else []
        known = [room for room in rooms if room is not None]
        return DirectoryPage(
            rooms=known,
            next_batch=_token(answer.get("next_batch")),
            prev_batch=_token(answer.get("prev_batch")),
            total=total if type(total) is int and 0 <= total < 1 << 53 else len(known),
        )


async def _asked(server: str, asking: Awaitable[Any]) -> dict[str, Any]:
    try:
        answer = await asking
    except RemoteError as error:
        raise passed_on(error, server) from error
    except Unreachable as error:
        raise MatrixError(502, "M_UNKNOWN", f"{server} cannot be asked: {error}") from error
    return answer if isinstance(answer, dict) else {}


def _filter(search: DirectorySearch) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    if search.term is not None:
        wanted["generic_search_term"] = search.term
    if search.room_types is not None:
        wanted["room_types"] = list(search.room_types)
    return wanted


def _parameter(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _token(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
