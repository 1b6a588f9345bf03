"""matrix-nio as a `Client`."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from nio import (
    AsyncClient,
    AsyncClientConfig,
    Event,
    InviteMemberEvent,
    JoinResponse,
    LoginResponse,
    LogoutResponse,
    MatrixRoom,
    RedactedEvent,
    RedactionEvent,
    RegisterResponse,
    RoomCreateResponse,
    RoomInviteResponse,
    RoomLeaveResponse,
    RoomMemberEvent,
    RoomMessagesResponse,
    RoomMessageText,
    RoomRedactResponse,
    RoomSendResponse,
    SyncResponse,
    WhoamiError,
)

_Found = TypeVar("_Found")

_WAIT_S = 30
_POLL_MS = 10_000
_PAGE = 7
_FILTER = {"room": {"timeline": {"limit": 5}}}


class NioClient:
    """One person with matrix-nio. It syncs when it is asked to wait for something."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._nio = self._new("")
        self._old_token = ""
        self._events: dict[str, list[Event]] = {}
        self._invites: dict[str, str] = {}
        self.user_id = ""

    def _new(self, user: str) -> AsyncClient:
        # A server that answers 429 or 5xx fails the test instead of being asked again for ever.
        return AsyncClient(self._url, user, config=AsyncClientConfig(max_limit_exceeded=0, max_timeouts=0))

    async def register(self, user: str, password: str) -> None:
        """See `Client`."""
        response = await self._nio.register(user, password, device_name="the first")
        assert isinstance(response, RegisterResponse), response
        self.user_id = response.user_id

    async def log_in(self, user: str, password: str) -> None:
        """See `Client`."""
        await self._nio.close()
        self._nio = self._new(user)
        self._events, self._invites = {}, {}
        response = await self._nio.login(password, device_name="the second")
        assert isinstance(response, LoginResponse), response
        self.user_id = response.user_id
        self._nio.add_event_callback(self._note_event, Event)
        self._nio.add_event_callback(self._note_invite, InviteMemberEvent)

    def _note_event(self, room: MatrixRoom, event: Event) -> None:
        self._events.setdefault(room.room_id, []).append(event)

    def _note_invite(self, room: MatrixRoom, event: InviteMemberEvent) -> None:
        if event.state_key == self.user_id and event.membership == "invite":
            self._invites[room.room_id] = event.sender

    async def start(self) -> None:
        """See `Client`."""
        await self._sync(0)

    async def _sync(self, timeout_ms: int) -> None:
        response = await self._nio.sync(timeout=timeout_ms, sync_filter=_FILTER)
        assert isinstance(response, SyncResponse), response

    async def _sync_until(self, find: Callable[[], _Found | None]) -> _Found:
        async with asyncio.timeout(_WAIT_S):
            while (found := find()) is None:
                await self._sync(_POLL_MS)
        return found

    async def create_room(self, name: str) -> str:
        """See `Client`."""
        response = await self._nio.room_create(name=name)
        assert isinstance(response, RoomCreateResponse), response
        await self._sync_until(lambda: self._nio.rooms.get(response.room_id))
        return str(response.room_id)

    async def invite(self, room_id: str, user_id: str) -> None:
        """See `Client`."""
        response = await self._nio.room_invite(room_id, user_id)
        assert isinstance(response, RoomInviteResponse), response

    async def wait_for_invite(self, room_id: str) -> str:
        """See `Client`."""
        return await self._sync_until(lambda: self._invites.get(room_id))

    async def join(self, room_id: str) -> None:
        """See `Client`."""
        response = await self._nio.join(room_id)
        assert isinstance(response, JoinResponse), response
        await self._sync_until(lambda: self._nio.rooms.get(room_id))

    async def room_name(self, room_id: str) -> str | None:
        """See `Client`."""
        name: str | None = self._nio.rooms[room_id].name
        return name

    async def wait_for_membership(self, room_id: str, user_id: str, membership: str) -> None:
        """See `Client`."""

        def newest() -> bool | None:
            of_user = [
                event
                for event in self._events.get(room_id, [])
                if isinstance(event, RoomMemberEvent) and event.state_key == user_id
            ]
            return True if of_user and of_user[-1].membership == membership else None

        await self._sync_until(newest)

    async def send(self, room_id: str, body: str) -> str:
        """See `Client`."""
        response = await self._nio.room_send(room_id, "m.room.message", {"msgtype": "m.text", "body": body})
        assert isinstance(response, RoomSendResponse), response
        return str(response.event_id)

    async def wait_for_message(self, room_id: str, body: str) -> tuple[str, str]:
        """See `Client`."""

        def find() -> tuple[str, str] | None:
            for event in self._events.get(room_id, []):
                if isinstance(event, RoomMessageText) and event.body == body:
                    return event.sender, event.event_id
            return None

        return await self._sync_until(find)

    async def bodies(self, room_id: str) -> list[str]:
        """See `Client`."""
        # What came by sync may have gaps, so all of it is asked for: from the newest event that the sync gave.
        newest_first: list[str] = []
        start: str | None = self._nio.next_batch
        while start is not None:
            page = await self._nio.room_messages(room_id, start, limit=_PAGE)
            assert isinstance(page, RoomMessagesResponse), page
            assert page.start == start
            newest_first += [event.body for event in page.chunk if isinstance(event, RoomMessageText)]
            assert page.end != start, "a page must not lead to itself"
            start = page.end
        return newest_first[::-1]

    async def redact(self, room_id: str, event_id: str, reason: str) -> None:
        """See `Client`."""
        response = await self._nio.room_redact(room_id, event_id, reason)
        assert isinstance(response, RoomRedactResponse), response

    async def wait_for_redaction(self, room_id: str, event_id: str) -> None:
        """See `Client`."""

        def find() -> bool | None:
            return next((True for event in self._events.get(room_id, []) if _redacts(event, event_id)), None)

        await self._sync_until(find)

    async def leave(self, room_id: str) -> None:
        """See `Client`."""
        response = await self._nio.room_leave(room_id)
        assert isinstance(response, RoomLeaveResponse), response

    async def log_out(self) -> None:
        """See `Client`."""
        self._old_token = self._nio.access_token
        response = await self._nio.logout()
        assert isinstance(response, LogoutResponse), response

    async def error_after_logout(self) -> str:
        """See `Client`."""
        self._nio.access_token = self._old_token
        response = await self._nio.whoami()
        assert isinstance(response, WhoamiError), response
        assert response.status_code is not None
        return str(response.status_code)

    async def close(self) -> None:
        """See `Client`."""
        await self._nio.close()


def _redacts(event: Event, event_id: str) -> bool:
    """Whether this is the redaction, or the event already without its content."""
    if isinstance(event, RedactionEvent):
        return bool(event.redacts == event_id)
    return isinstance(event, RedactedEvent) and event.event_id == event_id
