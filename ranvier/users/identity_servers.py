"""Identity servers, which know whose an address is: asked for a user who has an access token for one.

Spec: identity service API v2 ("Association lookup", "Establishing associations", "Invitation storage"). They are reached
like other servers, at addresses that may be reached, but at the very name that the client gives.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from ranvier.ports import FederationTransport, FederationUnreachable
from ranvier.proto.canonical_json import encode_lenient
from ranvier.proto.errors import MatrixError, invalid_param
from ranvier.proto.ids import is_server_name, is_user_id, split_server_name
from ranvier.proto.signing import SigningKey
from ranvier.proto.unpadded_base64 import encode_base64_urlsafe
from ranvier.proto.x_matrix import x_matrix_header

_TIMEOUT_S: Final = 20.0
_LIMIT_BYTES: Final = 64 << 10
_PORT: Final = 443
_API: Final = "/_matrix/identity/v2"
_NO_SUPPORT: Final = frozenset((400, 404, 501))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredInvite:
    """What an identity server has kept for whoever gets an address."""

    token: str
    display_name: str
    """The address, made unrecognisable."""
    public_keys: list[dict[str, Any]]


class IdentityServers:
    """Asks them."""

    def __init__(self, *, transport: FederationTransport, server_name: str, signing_key: SigningKey) -> None:
        self._transport = transport
        self._server_name = server_name
        self._signing_key = signing_key

    async def bind(
        self, id_server: str, token: str, *, user_id: str, session_id: str, client_secret: str
    ) -> tuple[str, str]:
        """Let it know the user by what was validated there; medium and address. Raises what it says, 502, 504."""
        body = {"sid": session_id, "client_secret": client_secret, "mxid": user_id}
        answer = await self._ask("POST", id_server, "/3pid/bind", body, token=token)
        medium, address = answer.get("medium"), answer.get("address")
        if not isinstance(medium, str) or not isinstance(address, str):
            raise _nonsense()
        return medium, address

    async def unbind(self, id_server: str, *, user_id: str, medium: str, address: str) -> bool:
        """Let it forget the user; whether it can. This server signs for them. Raises what it says, 502, 504."""
        body = {"mxid": user_id, "threepid": {"medium": medium, "address": address}}
        try:
            await self._ask("POST", id_server, "/3pid/unbind", body)
        except MatrixError as error:
            if error.status in _NO_SUPPORT:
                return False
            raise
        return True

    async def lookup(self, id_server: str, token: str, *, medium: str, address: str) -> str | None:
        """Whose it is, as far as the identity server knows. Raises what it says, 502, 504."""
        details = await self._ask("GET", id_server, "/hash_details", None, token=token)
        pepper, algorithms = details.get("lookup_pepper"), details.get("algorithms")
        if not isinstance(pepper, str) or not isinstance(algorithms, list) or "sha256" not in algorithms:
            raise _nonsense()
        text = f"{address} {medium} {pepper}".encode("utf-8", "replace")
        hashed = encode_base64_urlsafe(hashlib.sha256(text).digest())
        body = {"addresses": [hashed], "algorithm": "sha256", "pepper": pepper}
        mappings = (await self._ask("POST", id_server, "/lookup", body, token=token)).get("mappings")
        user_id = mappings.get(hashed) if isinstance(mappings, dict) else None
        return user_id if isinstance(user_id, str) and is_user_id(user_id) else None

    async def store_invite(self, id_server: str, token: str, body: Mapping[str, str]) -> StoredInvite:
        """Keep an invitation until somebody has the address; it writes to them. Raises what it says, 502, 504."""
        answer = await self._ask("POST", id_server, "/store-invite", body, token=token)
        invite_token, name, keys = (answer.get(key) for key in ("token", "display_name", "public_keys"))
        if not isinstance(invite_token, str) or not invite_token or not isinstance(name, str):
            raise _nonsense()
        usable = [key for key in keys if _is_key(key)] if isinstance(keys, list) else []
        if not usable:
            raise _nonsense()
        return StoredInvite(token=invite_token, display_name=name, public_keys=usable)

    async def _ask(
        self, method: str, id_server: str, path: str, body: Mapping[str, Any] | None, *, token: str | None = None
    ) -> dict[str, Any]:
        """With the user's token, or signed by this server."""
        destination = _destination(id_server)
        content = None if body is None else encode_lenient(body)
        headers = {"accept": "application/json"}
        if content is not None:
            headers["content-type"] = "application/json"
        headers["authorization"] = f"Bearer {token}" if token is not None else self._signature(id_server, path, content)
        try:
            answer = await self._transport.request(
                method=method,
                destination=destination,
                target=_API + path,
                headers=headers,
                body=content,
                timeout_s=_TIMEOUT_S,
                limit_bytes=_LIMIT_BYTES,
            )
        except FederationUnreachable as error:
            raise MatrixError(504, "M_UNKNOWN", "The identity server cannot be reached") from error
        try:
            found = orjson.loads(answer.body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise _nonsense()
        if answer.status != 200:
            raise _passed_on(answer.status, found)
        return found

    def _signature(self, id_server: str, path: str, content: bytes | None) -> str:
        return x_matrix_header(
            method="POST",
            uri=_API + path,
            origin=self._server_name,
            destination=id_server,
            content=content,
            key=self._signing_key,
        )


def _destination(id_server: str) -> str:
    """The name with a port, so that nobody looks for a homeserver there. Raises 400 `M_INVALID_PARAM`."""
    if not is_server_name(id_server):
        raise invalid_param("id_server: not the name of a server")
    _, port = split_server_name(id_server)
    return id_server if port is not None else f"{id_server}:{_PORT}"


def _passed_on(status: int, found: Mapping[str, Any]) -> MatrixError:
    """What an identity server refuses is told to the client, but that its token is not one of ours."""
    errcode, error = found.get("errcode"), found.get("error")
    if not isinstance(errcode, str) or not errcode.isascii() or not 400 <= status < 500:
        return _nonsense()
    if status == 401:
        status, errcode = 403, "M_FORBIDDEN"
    return MatrixError(status, errcode[:255], str(error)[:500] if isinstance(error, str) else "")


def _is_key(key: object) -> bool:
    return (
        isinstance(key, dict)
        and isinstance(key.get("public_key"), str)
        and isinstance(key.get("key_validity_url"), str)
    )


def _nonsense() -> MatrixError:
    return MatrixError(502, "M_UNKNOWN", "The identity server has answered in a way that is not understood")
