"""Asking a room's policy server for its signature, and judging events by whether they have it.

Spec: server-server API, "Policy Servers" (v1.18). The server is asked without holding the room, and for a bounded time.
What it has said of an event is remembered, so that an event that comes again is not asked for again.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from ranvier.federation.client import MAX_RETRY_AFTER_MS, RemoteError, Unreachable
from ranvier.federation.residents import passed_on
from ranvier.proto.errors import MatrixError, forbidden, limit_exceeded
from ranvier.proto.event_format import InvalidEvent
from ranvier.proto.events import Event
from ranvier.proto.handshakes.countersign import with_signatures
from ranvier.proto.policy import KEY_ID, POLICY, PolicyServer, has_policy_signature, is_policed, policy_server
from ranvier.proto.signing import signatures_of
from ranvier.rooms.accept import Arrival
from ranvier.rooms.room import Room
from ranvier.rooms.rooms import Rooms

logger = logging.getLogger(__name__)

PATH: Final = "/_matrix/policy/v1/sign"
TIMEOUT_S: Final = 10.0
BATCH_TIMEOUT_S: Final = 20.0
"""For so long the events of others that come together are asked about; those that are left are not signed."""
AT_ONCE: Final = 8
"""Events of others that are asked about at a time, in all rooms together."""
ANSWER_BYTES: Final = 64 << 10
REMEMBERED: Final = 4096


class Asks(Protocol):
    """What is needed of `FederationClient`."""

    async def post(
        self,
        destination: str,
        path: str,
        *,
        content: bytes,
        timeout_s: float = ...,
        limit_bytes: int = ...,
        patient: bool = ...,
    ) -> Any:
        """Raises `RemoteError` or `Unreachable`."""
        ...


class PolicyServers:
    """One a process."""

    def __init__(self, *, rooms: Rooms, hosts_of: Callable[[Room], Awaitable[Collection[str]]], client: Asks) -> None:
        self._rooms = rooms
        self._hosts_of = hosts_of
        self._client = client
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._answered: OrderedDict[tuple[PolicyServer, str], str | None] = OrderedDict()
        """By policy server and event id the signature, `None` if there will be none."""

    async def of(self, room: Room) -> PolicyServer | None:
        """The policy server of a room as it is now; `None` if it has none, or none of its users is in the room.

        A look into a dictionary where the room names none.
        """
        stored = room.state.get(POLICY)
        server = None if stored is None else policy_server(stored.event.content)
        if server is None or server.server_name not in await self._hosts_of(room):
            return None
        return server

    async def signed(self, room: Room, event: Event) -> Event:
        """An event of ours as it may be sent: with the signature of the room's policy server, if there is one.

        Raises what that server says, 403 `M_FORBIDDEN` for a signature that is wrong, 502 if there is no answer.
        """
        server = await self.of(room)
        if server is None or not is_policed(event) or has_policy_signature(event, server):
            return event
        try:
            signature = await self._ask(server, event, patient=True)
        except RemoteError as error:
            if error.status == 429:
                raise limit_exceeded(min(error.retry_after_ms or 0, MAX_RETRY_AFTER_MS)) from error
            raise passed_on(error, server.server_name) from error
        except Unreachable as error:
            raise MatrixError(502, "M_UNKNOWN", f"The policy server of this room does not answer: {error}") from error
        signed = _with(event, server, signature)
        if signed is None:
            raise forbidden("The policy server of this room has not signed the event")
        return signed

    async def judged(self, room: Room, arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
        """Events as they may be taken in, those marked that the room's policy server does not recommend. Never raises.

        Those that lack its signature are asked about, and are given it. One statement if there are any.
        """
        server = await self.of(room)
        if server is None:
            return arrivals
        unsigned = {
            arrival.event.event_id: arrival.event
            for arrival in arrivals
            if arrival.below is None and is_policed(arrival.event) and not has_policy_signature(arrival.event, server)
        }
        if not unsigned:
            return arrivals
        known = await self._rooms.cache.by_id(list(unsigned))
        for event_id, stored in known.items():
            if stored.state_before is not None:
                del unsigned[event_id]  # It has its verdict.
        signed = await self._ask_all(server, list(unsigned.values()))
        return [_marked(arrival, signed) if arrival.event.event_id in unsigned else arrival for arrival in arrivals]

    async def _ask_all(self, server: PolicyServer, events: Sequence[Event]) -> dict[str, Event]:
        """By id those events that it signs, in time."""
        tasks = [asyncio.ensure_future(self._sign(server, event)) for event in events]
        if not tasks:
            return {}
        try:
            done, _ = await asyncio.wait(tasks, timeout=BATCH_TIMEOUT_S)
        finally:
            for task in tasks:
                task.cancel()
        return {signed.event_id: signed for task in done if (signed := task.result()) is not None}

    async def _sign(self, server: PolicyServer, event: Event) -> Event | None:
        question = server, event.event_id
        if question not in self._answered:
            async with self._slots:
                try:
                    signature: str | None = await self._ask(server, event, patient=False)
                except Unreachable as error:
                    logger.info(
                        "Policy server %s cannot be asked about %s: %s", server.server_name, event.event_id, error
                    )
                    return None
                except RemoteError as error:
                    logger.info("Policy server %s refuses %s: %s", server.server_name, event.event_id, error)
                    if error.status == 429 or error.status >= 500:
                        return None
                    signature = None
            self._answered[question] = signature
            if len(self._answered) > REMEMBERED:
                self._answered.popitem(last=False)
        return _with(event, server, self._answered.get(question))

    async def _ask(self, server: PolicyServer, event: Event, *, patient: bool) -> str | None:
        answer = await self._client.post(
            server.server_name,
            PATH,
            content=event.json,
            timeout_s=TIMEOUT_S,
            limit_bytes=ANSWER_BYTES,
            patient=patient,
        )
        # The answer is the value of `signatures`, with those of the policy server only.
        return signatures_of({"signatures": answer}, server.server_name).get(KEY_ID)


def _with(event: Event, server: PolicyServer, signature: str | None) -> Event | None:
    """The event with this signature; `None` if that is none, or wrong."""
    if signature is None:
        return None
    try:
        signed = with_signatures(event, server.server_name, {KEY_ID: signature})
    except InvalidEvent:
        return None
    return signed if has_policy_signature(signed, server) else None


def _marked(arrival: Arrival, signed: dict[str, Event]) -> Arrival:
    event = signed.get(arrival.event.event_id)
    return replace(arrival, spam=True) if event is None else replace(arrival, event=event)
