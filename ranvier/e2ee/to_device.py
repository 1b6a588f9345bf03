"""Messages from device to device. Spec: client-server API, "Send-to-Device messaging"."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import msgspec
import orjson

from ranvier.db.engine import Database, Tx
from ranvier.e2ee.inboxes import Inboxes
from ranvier.e2ee.plain_messages import PlainMessages
from ranvier.ports import Clock
from ranvier.proto.errors import MatrixError, bad_json, invalid_param
from ranvier.proto.ids import domain_of
from ranvier.store import to_device as store
from ranvier.store.to_device import Device
from ranvier.store.to_device_journal import Sent, tail_of
from ranvier.users.requester import Requester
from ranvier.users.text import is_storable

MAX_TYPE_LENGTH: Final = 255

Messages = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""By user and device (or `*`) the content."""
RemoteStep = Callable[[Tx, str, str, Messages], Awaitable[Callable[[], None]]]
"""`(tx, sender, type, messages)`: keeps what is for users of other servers, in the transaction of the request.

What it returns is called when that has been committed.
"""
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

    async def send(self, requester: Requester, type: str, txn_id: str, messages: Messages | PlainMessages) -> None:
        """Send messages as a client asks; a repetition of its request sends nothing. One transaction.

        Devices that do not exist are left out. Raises 400 `M_INVALID_PARAM` and `M_BAD_JSON`.
        """
        if len(type) > MAX_TYPE_LENGTH:
            raise invalid_param(f"The event type is too long: at most {MAX_TYPE_LENGTH} characters")
        if requester.shadow_banned:
            return
        sender, device_id = requester.user_id, requester.device_id or ""
        request = blake2b(f"{type}\n{txn_id}".encode(), digest_size=16).digest()
        body = None
        if isinstance(messages, PlainMessages):
            body = messages.body
            local, remote = self._plain_by_place(messages)
        else:
            local, remote = self._by_place(messages)
        position = await self._inboxes.take()
        sent = Sent({}, tail_of(sender, type))
        committed: list[Callable[[], None]] = []
        try:
            async with self._db.write() as tx:
                if not await store.begin(tx, sender, device_id, request, self._clock.now_ms()):
                    return
                if local:
                    sent = Sent(await self._inboxes.recipients.addressed(tx, local), sent.tail)
                if sent.contents:
                    is_whole = sent.contents is local and not remote
                    await self._inboxes.save(tx, position, sent, body if is_whole else None)
                if remote:
                    committed = [await step(tx, sender, type, remote) for step in self.remote_steps]
            for tell in committed:
                tell()
            self._inboxes.committed(position, sent)
            self._untold.append((position, {user_id for user_id, _ in sent.contents}))
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
        saved: list[tuple[int, Sent]] = []
        try:
            for _ in ready:
                positions.append(await self._inboxes.take())
            async with self._db.write() as tx:
                for position, (one, local) in zip(positions, ready, strict=True):
                    request = blake2b(one.message_id.encode(), digest_size=16).digest()
                    if await store.begin(tx, origin, RECEIVED, request, now_ms):
                        sent = Sent(await self._inboxes.recipients.addressed(tx, local), tail_of(one.sender, one.type))
                        if sent.contents:
                            await self._inboxes.save(tx, position, sent)
                            saved.append((position, sent))
            for position, sent in saved:
                self._inboxes.committed(position, sent)
                self._untold.append((position, {user_id for user_id, _ in sent.contents}))
        finally:
            for position in positions:
                self._inboxes.positions.close(position)
            self._tell()

    def _storable(self, received: Received) -> dict[Device, bytes]:
        """What can be kept; nothing if one of them cannot be encoded."""
        try:
            return self._by_place(received.messages)[0]
        except MatrixError:
            return {}

    def _tell(self) -> None:
        committed = self._inboxes.positions.committed
        due = [recipients for position, recipients in self._untold if position <= committed]
        self._untold = [entry for entry in self._untold if entry[0] > committed]
        for recipients in due:
            for listener in self.listeners if recipients else ():
                listener(recipients)

    def _by_place(self, messages: Messages) -> tuple[dict[Device, bytes], Messages]:
        """Contents for users of this server and messages for others.

        All are encoded now, so that errors come before writing. Raises 400 `M_BAD_JSON`.
        """
        local: dict[Device, bytes] = {}
        remote = {}
        for user_id, by_device in messages.items():
            if domain_of(user_id) != self._server_name:
                for content in by_device.values():
                    _encode(content)
                remote[user_id] = by_device
            elif is_storable(user_id):
                for device_id, content in by_device.items():
                    local[user_id, device_id] = _encode(content)
        return local, remote

    def _plain_by_place(self, messages: PlainMessages) -> tuple[dict[Device, bytes], Messages]:
        """The same. Only what other servers get is looked into."""
        own, contents = self._server_name, messages.contents
        elsewhere = [device for device in contents if device[0].partition(":")[2] != own]
        if not elsewhere:
            return contents, {}
        remote: dict[str, dict[str, Mapping[str, Any]]] = {}
        for user_id, device_id in elsewhere:
            remote.setdefault(user_id, {})[device_id] = _decode(contents[user_id, device_id])
        local = {device: content for device, content in contents.items() if device[0] not in remote}
        return local, remote


def _encode(content: Mapping[str, Any]) -> bytes:
    """Raises 400 `M_BAD_JSON` for what JSON of 64 bits cannot hold."""
    try:
        return orjson.dumps(content)
    except TypeError as error:
        raise bad_json("A message cannot be stored") from error


def _decode(content: bytes) -> Mapping[str, Any]:
    """As `_encode`."""
    decoded: Mapping[str, Any] = msgspec.json.decode(content)
    _encode(decoded)
    return decoded
