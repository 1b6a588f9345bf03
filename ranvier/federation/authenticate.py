"""Which server has sent a request. Spec: server-server API, "Request Authentication"."""

from collections.abc import Callable, Collection, Iterator
from typing import Final

from ranvier.federation.keys import ServerKeys
from ranvier.proto.canonical_json import NotCanonical, decode_lenient, encode_lenient
from ranvier.proto.errors import MatrixError, forbidden
from ranvier.proto.ids import is_server_name
from ranvier.proto.signing import is_signature
from ranvier.proto.x_matrix import MalformedXMatrix, XMatrix, is_x_matrix, parse_x_matrix, request_bytes

MAX_HEADERS: Final = 10
"""A request may be signed with several keys; more headers are not looked at."""


class ServerAuthentication:
    """Checks requests."""

    def __init__(
        self,
        *,
        server_name: str,
        keys: ServerKeys,
        allowed: Collection[str] | None,
        now_ms: Callable[[], int],
        seen: Callable[[str], None],
    ) -> None:
        """`allowed`: the only servers that may ask (`federation_domain_whitelist`); `seen` is told who is alive."""
        self._server_name = server_name
        self._keys = keys
        self._allowed = None if allowed is None else frozenset(allowed)
        self._now_ms = now_ms
        self._seen = seen

    async def authenticate_server(self, *, method: str, target: str, headers: Collection[str], body: bytes) -> str:
        """The server that has signed this request. `target` is path and query as on the wire.

        Raises 401 `M_UNAUTHORIZED`, and 403 `M_FORBIDDEN` for servers that may not ask.
        """
        signatures = self._read(headers)
        origin = signatures[0].origin
        if self._allowed is not None and origin not in self._allowed:
            raise forbidden("This server does not federate with yours")
        key_ids = frozenset(signature.key_id for signature in signatures)
        keys = await self._keys.valid_keys(origin, key_ids, at_ms=self._now_ms(), patient=True)
        known = [signature for signature in signatures if signature.key_id in keys]
        if not known:
            raise _unauthorized("None of the keys that sign the request is known")
        for content in _contents(body):
            message = request_bytes(
                method=method, uri=target, origin=origin, destination=self._server_name, content=content
            )
            if all(is_signature(message, signature.signature, keys[signature.key_id]) for signature in known):
                self._seen(origin)
                return origin
        raise _unauthorized("The signature of the request is wrong")

    def _read(self, headers: Collection[str]) -> list[XMatrix]:
        signatures = []
        try:
            for header in [header for header in headers if is_x_matrix(header)][:MAX_HEADERS]:
                signatures.append(parse_x_matrix(header))
        except MalformedXMatrix as error:
            raise _unauthorized(f"Authorization: {error}") from error
        if not signatures:
            raise _unauthorized("The request is not signed")
        if len({signature.origin for signature in signatures}) > 1 or not is_server_name(signatures[0].origin):
            raise _unauthorized("Authorization: not from one server")
        if any(signature.destination not in (None, self._server_name) for signature in signatures):
            raise _unauthorized("The request is for another server")
        if signatures[0].origin == self._server_name:
            raise _unauthorized("The request claims to be from this server itself")
        return signatures


def _contents(body: bytes) -> Iterator[bytes | None]:
    """The body as it came, which mostly is canonical JSON; then the canonical JSON that it stands for."""
    if not body:
        yield None
        return
    yield body
    try:
        yield encode_lenient(decode_lenient(body))
    except NotCanonical as error:
        raise MatrixError(400, "M_NOT_JSON", "The body is not JSON") from error


def _unauthorized(why: str) -> MatrixError:
    return MatrixError(401, "M_UNAUTHORIZED", why)
