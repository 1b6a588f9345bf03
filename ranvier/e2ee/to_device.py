"""Messages from device to device. Spec: client-server API, "Send-to-Device messaging"."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import msgspec
import orjson

from ranvier.db.engine import Database, Tx
from ranvier.e2ee.inboxes import Inboxes
from ranvier.e2ee.olm_content import OlmContent
from ranvier.ports import Clock
from ranvier.proto.errors import MatrixError, bad_json, invalid_param
from ranvier.proto.ids import domain_of
from ranvier.store import to_device as store
from ranvier.store.to_device import Device
from ranvier.store.to_device_journal import Events
from ranvier.users.requester import Requester
from ranvier.users.text import is_storable

MAX_TYPE_LENGTH: Final = 255

Messages = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""By user and device (or `*`) the content."""
AnyMessages = Messages | Mapping[str, Mapping[str, OlmContent]]
RemoteStep = Callable[[Tx, str, str, Messages], Awaitable[Callable[[], None]]]
"""`(tx, sender, type, messages)`: keeps what is for users of other servers, in the transaction of the request.

What it returns is called when that has been committed.
"""
_HEAD: Final = b'{"content":'
_encode_olm: Final = msgspec.json.Encoder().encode
RECEIVED: Final = ""
"""In the place of a device, where another server is the one that sends."""


@dataclass(frozen=True, slots=True)
class Received:
    """A request of another server, for users of this one."""

    sender: str
    type: str
    message_id: str
    messages: Messages


class ToDevice:
    """Puts messages into inboxes."""

    def __init__(self, *, db: Database, clock: Clock, inboxes: Inboxes, server_name: str) -> None:
        self._db = db
        self._clock = clock
        self._inboxes = inboxes
        self._server_name = server_name
        self.listeners: list[Callable[[Collection[str]], None]] = []
        """Told after the commit which users have got something."""
        self.remote_steps: list[RemoteStep] = []
        self._untold: list[tuple[int, set[str]]] = []
        """Who has got something at a position that is not committed yet, because an earlier one is still open."""

    async def send(self, requester: Requester, type: str, txn_id: str, messages: AnyMessages) -> None:
        """Send messages as a client asks; a repetition of its request sends nothing. One transaction.

        Devices that do not exist are left out. Raises 400 `M_INVALID_PARAM` and `M_BAD_JSON`.
        """
        if len(type) > MAX_TYPE_LENGTH:
            raise invalid_param(f"The event type is too long: at most {MAX_TYPE_LENGTH} characters")
        if requester.shadow_banned:
            return
        sender, device_id = requester.user_id, requester.device_id or ""
        request = blake2b(f"{type}\n{txn_id}".encode(), digest_size=16).digest()
        local, remote = self._by_place(messages, _Events(sender, type))
        position = await self._inboxes.take()
        events: Events = {}
        committed: list[Callable[[], None]] = []
        try:
            async with self._db.write() as tx:
                if not await store.begin(tx, sender, device_id, request, self._clock.now_ms()):
                    return
                if local:
                    events = await self._inboxes.recipients.addressed(tx, local)
                if events:
                    await self._inboxes.save(tx, position, events)
                if remote:
                    committed = [await step(tx, sender, type, remote) for step in self.remote_steps]
            for tell in committed:
                tell()
            self._inboxes.sent(position, events)
            self._untold.append((position, {user_id for user_id, _ in events}))
        finally:
            self._inboxes.positions.close(position)
            self._tell()

    async def receive(self, origin: str, received: Sequence[Received]) -> None:
        """Take in what another server sends, each message once. One transaction for all of it.

        What cannot be stored, or is for users of other servers, is left out.
        """
        now_ms = self._clock.now_ms()
        ready = [(one, local) for one in received if (local := self._storable(one))]
        if not ready:
            return
        positions: list[int] = []
        sent: list[tuple[int, Events]] = []
        try:
            for _ in ready:
                positions.append(await self._inboxes.take())
            async with self._db.write() as tx:
                for position, (one, local) in zip(positions, ready, strict=True):
                    request = blake2b(one.message_id.encode(), digest_size=16).digest()
                    if await store.begin(tx, origin, RECEIVED, request, now_ms):
                        events = await self._inboxes.recipients.addressed(tx, local)
                        if events:
                            await self._inboxes.save(tx, position, events)
                            sent.append((position, events))
            for position, events in sent:
                self._inboxes.sent(position, events)
                self._untold.append((position, {user_id for user_id, _ in events}))
        finally:
            for position in positions:
                self._inboxes.positions.close(position)
            self._tell()

    def _storable(self, received: Received) -> Events:
        """What can be kept, as events; nothing if one of them cannot be encoded."""
        events = _Events(received.sender, received.type)
        try:
            return self._by_place(received.messages, events)[0]
        except MatrixError:
            return {}

    def _tell(self) -> None:
        committed = self._inboxes.positions.committed
        due = [recipients for position, recipients in self._untold if position <= committed]
        self._untold = [entry for entry in self._untold if entry[0] > committed]
        for recipients in due:
            for listener in self.listeners if recipients else ():
                listener(recipients)

    def _by_place(self, messages: AnyMessages, events: "_Events") -> tuple[Events, Messages]:
        """Messages for users of this server and for others. All are encoded now, so that errors come before writing."""
        local: dict[Device, bytes] = {}
        remote = {}
        encode = events.encode
        for user_id, by_device in messages.items():
            if domain_of(user_id) != self._server_name:
                for content in by_device.values():
                    encode(content)
                remote[user_id] = msgspec.to_builtins(by_device)
            elif is_storable(user_id):
                for device_id, content in by_device.items():
                    local[user_id, device_id] = encode(content)
        return local, remote


class _Events:
    """The events of one request."""

    def __init__(self, sender: str, type: str) -> None:
        self._tail = b',"sender":%b,"type":%b}' % (orjson.dumps(sender), orjson.dumps(type))

    def encode(self, content: Mapping[str, Any] | OlmContent) -> bytes:
        """Raises 400 `M_BAD_JSON` for what JSON of 64 bits cannot hold."""
        if isinstance(content, OlmContent):
            return b"".join((_HEAD, _encode_olm(content), self._tail))
        try:
            return b"".join((_HEAD, orjson.dumps(content), self._tail))
        except TypeError as error:
            raise bad_json("A message cannot be stored") from error
