"""Requests to other servers: signed, bounded in number, and not made to servers that are known to be away.

Spec: server-server API, "Request Authentication"; "API standards".
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import quote, urlencode

from ranvier.federation.decode_answer import decode_answer
from ranvier.federation.lanes import Lanes
from ranvier.federation.remote_error import RemoteError, remote_error
from ranvier.ports import (
    Clock,
    FederationAnswer,
    FederationStream,
    FederationTransport,
    FederationUnreachable,
    StreamingTransport,
)
from ranvier.proto.canonical_json import NotCanonical, encode_lenient
from ranvier.proto.signing import SigningKey
from ranvier.proto.x_matrix import x_matrix_header

DEFAULT_LIMIT_BYTES: Final = 50 << 20
"""Enough for answers that hold many events."""
MAX_CONNECTIONS: Final = 256
PATIENCE_S: Final = 15.0
"""How often a server that is away is tried again because a user asks."""
DEFAULT_RETRY_AFTER_MS: Final = 5_000
MAX_RETRY_AFTER_MS: Final = 3_600_000
FIRST_PAUSE_S: Final = 0.5
_MAX_IMPATIENT: Final = 10_000


class Unreachable(Exception):
    """No answer, or none that can be read; or the server is known to be away, and was not asked."""


class Health(Protocol):
    """Which servers can be reached. One record for each, shared by everything that makes requests."""

    def may_try(self, destination: str) -> bool:
        """Whether a request may be made now; false while the server is left alone after failures."""
        ...

    def succeeded(self, destination: str) -> None:
        """It has answered."""
        ...

    def failed(self, destination: str, retry_after_ms: int | None = None) -> None:
        """It has not, or has said when to come back."""
        ...

    def stumbled(self, destination: str) -> None:
        """It has answered with an error of its own (5xx)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """What is asked again at once, because a user waits for it: what a server that can be reached did not answer well.

    Who cannot be reached is never tried again here: that is one attempt for everybody (`Health`).
    """

    most: int = 3
    """`federation.max_short_retries`."""
    longest_pause_s: float = 2.0
    """`federation.max_short_retry_delay`."""

    def pause_s(self, refusal: RemoteError, retries: int) -> float | None:
        """After how long to try again, having done so so often; `None`: not any more."""
        if retries >= self.most:
            return None
        if refusal.status == 429:
            wanted_s = (DEFAULT_RETRY_AFTER_MS if refusal.retry_after_ms is None else refusal.retry_after_ms) / 1000
            return wanted_s if wanted_s <= self.longest_pause_s else None
        return min(FIRST_PAUSE_S * 2**retries, self.longest_pause_s) if refusal.status >= 500 else None


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    destination: str
    target: str
    body: bytes | None
    signed: bool = True
    records_failure: bool = True
    encoded: Collection[str] = ()


class FederationClient:
    """Makes requests in the name of this server."""

    def __init__(
        self,
        *,
        transport: FederationTransport,
        server_name: str,
        signing_key: SigningKey,
        health: Health,
        clock: Clock,
        timeout_s: float = 60.0,
        allowed: Collection[str] | None = None,
        max_connections: int = MAX_CONNECTIONS,
        retries: Retries | None = None,
    ) -> None:
        """`allowed`: the only servers that may be asked (`federation_domain_whitelist`); `None`: all."""
        self._transport = transport
        self._server_name = server_name
        self._signing_key = signing_key
        self._health = health
        self._clock = clock
        self._timeout_s = timeout_s
        self._allowed = None if allowed is None else frozenset(allowed)
        self._retries = Retries() if retries is None else retries
        self._lanes = Lanes(most=max_connections)
        self._tried_s: dict[str, float] = {}

    async def get(
        self,
        destination: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        timeout_s: float | None = None,
        limit_bytes: int = DEFAULT_LIMIT_BYTES,
        patient: bool = False,
        waited_for: bool = False,
        signed: bool = True,
        records_failure: bool = True,
    ) -> Any:
        """The decoded JSON of the answer. Raises `RemoteError` or `Unreachable`.

        `path` is percent-encoded (`paths.path`). `waited_for`: a user waits for it, so that a server that stumbles is
        asked again; `patient`: the user has chosen this server too, so that it is even tried while it is left alone,
        though not over and over. What clients ask for on their own is not `patient`. `signed=False` is for the keys of servers, which need no signature;
        `records_failure=False` for servers that perhaps do not exist, of which nothing shall be remembered.
        """
        call = _Call("GET", destination, _target(path, query), None, signed, records_failure)
        return await self._ask(call, timeout_s, limit_bytes, patient=patient, waited_for=waited_for)

    @asynccontextmanager
    async def stream(
        self, destination: str, path: str, *, query: Sequence[tuple[str, str]] = (), timeout_s: float, limit_bytes: int
    ) -> AsyncIterator[FederationStream]:
        """As `get`, but the body of the answer in pieces, as it comes in; nobody has looked at it.

        Raises `RemoteError` and `Unreachable`, the latter also while the body is read: read it within the context, and
        let that error pass.
        """
        call = _Call("GET", destination, _target(path, query), None)
        self._check_federates(destination)
        async with self._lanes.place(destination):
            self._check_may_try(destination, patient=False)
            try:
                async with self._streamed(call, timeout_s, limit_bytes) as answer:
                    if not 200 <= answer.status < 300:
                        body = b"".join([piece async for piece in answer.chunks])
                        await self._read(call, FederationAnswer(answer.status, answer.headers, body))
                    yield answer
            except FederationUnreachable as error:
                self._failed(call)
                raise Unreachable(str(error)) from error
            self._health.succeeded(destination)

    @asynccontextmanager
    async def _streamed(self, call: _Call, timeout_s: float, limit_bytes: int) -> AsyncIterator[FederationStream]:
        headers = self._headers(call)
        if isinstance(self._transport, StreamingTransport):
            async with self._transport.stream(
                method=call.method,
                destination=call.destination,
                target=call.target,
                headers=headers,
                body=call.body,
                timeout_s=timeout_s,
                limit_bytes=limit_bytes,
            ) as stream:
                yield stream
            return
        whole = await self._transport.request(
            method=call.method,
            destination=call.destination,
            target=call.target,
            headers=headers,
            body=call.body,
            timeout_s=timeout_s,
            limit_bytes=limit_bytes,
        )
        yield FederationStream(whole.status, whole.headers, _once(whole.body))

    async def put(
        self,
        destination: str,
        path: str,
        *,
        content: Mapping[str, Any] | bytes,
        query: Sequence[tuple[str, str]] = (),
        timeout_s: float | None = None,
        limit_bytes: int = DEFAULT_LIMIT_BYTES,
        patient: bool = False,
        waited_for: bool = False,
        encoded: Collection[str] = (),
    ) -> Any:
        """As `get`. `content` that is given as bytes must be canonical JSON: it is signed and sent as it is.

        `encoded` are keys of the answer, as in `decode_answer`.
        """
        call = _Call("PUT", destination, _target(path, query), _body(content), encoded=encoded)
        return await self._ask(call, timeout_s, limit_bytes, patient=patient, waited_for=waited_for)

    async def post(
        self,
        destination: str,
        path: str,
        *,
        content: Mapping[str, Any] | bytes,
        query: Sequence[tuple[str, str]] = (),
        timeout_s: float | None = None,
        limit_bytes: int = DEFAULT_LIMIT_BYTES,
        patient: bool = False,
        waited_for: bool = False,
    ) -> Any:
        """As `put`."""
        call = _Call("POST", destination, _target(path, query), _body(content))
        return await self._ask(call, timeout_s, limit_bytes, patient=patient, waited_for=waited_for)

    async def _ask(
        self, call: _Call, timeout_s: float | None, limit_bytes: int, *, patient: bool, waited_for: bool
    ) -> Any:
        self._check_federates(call.destination)
        left_s = self._timeout_s if timeout_s is None else timeout_s
        until_s = self._clock.monotonic() + left_s
        retries = 0
        while True:
            try:
                async with self._lanes.place(call.destination):
                    # Only now: whoever had to wait need not learn for himself that the server is away.
                    if not retries:
                        self._check_may_try(call.destination, patient=patient)
                    return await self._ask_once(call, left_s, limit_bytes)
            except RemoteError as refusal:
                pause_s = self._retries.pause_s(refusal, retries) if patient or waited_for else None
                if pause_s is None or self._clock.monotonic() + pause_s >= until_s:
                    raise
            retries += 1
            await self._clock.sleep(pause_s)
            left_s = max(until_s - self._clock.monotonic(), FIRST_PAUSE_S)

    async def _ask_once(self, call: _Call, timeout_s: float, limit_bytes: int) -> Any:
        try:
            answer = await self._transport.request(
                method=call.method,
                destination=call.destination,
                target=call.target,
                headers=self._headers(call),
                body=call.body,
                timeout_s=timeout_s,
                limit_bytes=limit_bytes,
            )
        except FederationUnreachable as error:
            self._failed(call)
            raise Unreachable(str(error)) from error
        return await self._read(call, answer)

    def _check_federates(self, destination: str) -> None:
        if destination == self._server_name:
            raise Unreachable("That is this server")
        if self._allowed is not None and destination not in self._allowed:
            raise Unreachable(f"This server does not federate with {destination}")

    def _check_may_try(self, destination: str, *, patient: bool) -> None:
        if self._health.may_try(destination):
            self._tried_s.pop(destination, None)
            return
        now_s = self._clock.monotonic()
        if not patient or now_s - self._tried_s.get(destination, -PATIENCE_S) < PATIENCE_S:
            raise Unreachable(f"{destination} could not be reached lately")
        if len(self._tried_s) >= _MAX_IMPATIENT:
            self._tried_s.clear()
        self._tried_s[destination] = now_s

    def _headers(self, call: _Call) -> dict[str, str]:
        headers: dict[str, str] = {}
        if call.body is not None:
            headers["content-type"] = "application/json"
        if call.signed:
            headers["authorization"] = x_matrix_header(
                method=call.method,
                uri=call.target,
                origin=self._server_name,
                destination=call.destination,
                content=call.body,
                key=self._signing_key,
            )
        return headers

    async def _read(self, call: _Call, answer: FederationAnswer) -> Any:
        """What the answer holds, and what it says about the server's health."""
        if 200 <= answer.status < 300:
            try:
                value = await decode_answer(answer.body, encoded=call.encoded)
            except NotCanonical as error:
                self._failed(call)
                raise Unreachable(f"{call.destination} answers with what is not JSON: {error}") from error
            self._health.succeeded(call.destination)
            return value
        refusal = remote_error(answer, now_ms=self._clock.now_ms())
        if refusal.status == 429:
            wanted_ms = DEFAULT_RETRY_AFTER_MS if refusal.retry_after_ms is None else refusal.retry_after_ms
            self._health.failed(call.destination, min(wanted_ms, MAX_RETRY_AFTER_MS))
        elif refusal.status >= 500:
            if call.records_failure:
                self._health.stumbled(call.destination)
        else:
            self._health.succeeded(call.destination)
        raise refusal

    def _failed(self, call: _Call) -> None:
        if call.records_failure:
            self._health.failed(call.destination)


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _target(path: str, query: Sequence[tuple[str, str]]) -> str:
    return f"{path}?{urlencode(query, quote_via=quote)}" if query else path


def _body(content: Mapping[str, Any] | bytes) -> bytes:
    return content if isinstance(content, bytes) else encode_lenient(content)


__all__ = ["FederationClient", "Health", "RemoteError", "Retries", "Unreachable"]
