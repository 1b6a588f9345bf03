"""Keys of this server and, as a notary, of others.

Spec: server-server API, "Publishing Keys", "Querying Keys Through Another Server". Nobody has to say who they are.
"""

from typing import Final

import msgspec

from ranvier.federation.notary import KeyNotary
from ranvier.federation.own_keys import OwnKeys
from ranvier.http.request import Request
from ranvier.http.response import Response, json_bytes
from ranvier.http.route import Auth, Route, routes
from ranvier.proto.errors import invalid_param
from ranvier.proto.ids import is_server_name

MAX_SERVERS: Final = 1_000
"""Of one question."""
MAX_KEY_IDS: Final = 100
"""Of one server."""


class Validity(msgspec.Struct):
    """What is asked about one key."""

    minimum_valid_until_ts: int = 0


class KeyQuery(msgspec.Struct):
    """The body of the batch form."""

    server_keys: dict[str, dict[str, Validity]]


class KeysApi:
    """The endpoints below `/_matrix/key/`."""

    def __init__(self, *, own: OwnKeys, notary: KeyNotary) -> None:
        self._own = own
        self._notary = notary

    def routes(self) -> list[Route]:
        """The module's routes."""
        # COMPAT: the forms with a key id were withdrawn in v1.6 of the spec; older servers use them.
        server = ("/_matrix/key/v2/server", "/_matrix/key/v2/server/{key_id}")
        query = ("/_matrix/key/v2/query/{server_name}", "/_matrix/key/v2/query/{server_name}/{key_id}")
        return [
            *routes(
                "GET", server, self.server, auth=Auth.NONE, resource="keys",
                spec="getServerKey", summary="The keys of this server",
            ),
            *routes(
                "GET", query, self.query_one, auth=Auth.NONE, resource="keys", query=Validity,
                spec="perspectivesKeyQuery", summary="The keys of another server, with our signature",
            ),
            *routes(
                "POST", "/_matrix/key/v2/query", self.query_many, auth=Auth.NONE, resource="keys", body=KeyQuery,
                spec="bulkPerspectivesKeyQuery", summary="The same for several servers",
            ),
        ]  # fmt: skip

    async def server(self, request: Request) -> Response:
        """What we publish."""
        return json_bytes(self._own.document())

    async def query_one(self, request: Request) -> Response:
        """About one server."""
        server_name = request.params["server_name"]
        until_ts = request.query(Validity).minimum_valid_until_ts
        _check(server_name)
        return _answer(await self._notary.query({server_name: {}}, valid_until_ts=until_ts))

    async def query_many(self, request: Request) -> Response:
        """About several."""
        asked = request.json(KeyQuery).server_keys
        if len(asked) > MAX_SERVERS or any(len(key_ids) > MAX_KEY_IDS for key_ids in asked.values()):
            raise invalid_param("server_keys: too much is asked at once")
        for server_name in asked:
            _check(server_name)
        wanted = {
            server_name: {key_id: validity.minimum_valid_until_ts for key_id, validity in key_ids.items()}
            for server_name, key_ids in asked.items()
        }
        return _answer(await self._notary.query(wanted))


def _check(server_name: str) -> None:
    if not is_server_name(server_name):
        raise invalid_param("This is not the name of a server")


def _answer(documents: list[bytes]) -> Response:
    return json_bytes(b'{"server_keys":[' + b",".join(documents) + b"]}")
