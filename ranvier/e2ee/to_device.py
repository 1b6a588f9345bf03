"""Messages from device to device. Spec: client-server API, "Send-to-Device messaging"."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

import orjson

from ranvier.db.engine import Database, Tx
from ranvier.e2ee.inboxes import Inboxes
from ranvier.ports import Clock
from ranvier.proto.errors import bad_json, invalid_param
from ranvier.proto.ids import domain_of
from ranvier.store import to_device as store
from ranvier.users.requester import Requester
from ranvier.users.text import is_storable

EVERY_DEVICE: Final = "*"
MAX_TYPE_LENGTH: Final = 255

Messages = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""By user and device (or `*`) the content."""
RemoteStep = Callable[[Tx, str, str, Messages], Awaitable[None]]
"""`(tx, sender, type, messages)`: keeps what is for users of other servers, in the transaction of the request."""
_Row = tuple[str, str, bytes]


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

    async def send(self, requester: Requester, type: str, txn_id: str, messages: Messages) -> None:
        """Send messages as a client asks; a repetition of its request sends nothing. One transaction.

        Devices that do not exist are left out. Raises 400 `M_INVALID_PARAM` and `M_BAD_JSON`.
        """
        if len(type) > MAX_TYPE_LENGTH:
            raise invalid_param(f"The event type is too long: at most {MAX_TYPE_LENGTH} characters")
        if requester.shadow_banned:
            return
        await self.deliver(
            requester.user_id,
            type,
            messages,
            request=(requester.device_id or "", blake2b(f"{type}\n{txn_id}".encode(), digest_size=16).digest()),
        )

    async def deliver(
        self, sender: str, type: str, messages: Messages, *, request: tuple[str, bytes] | None = None
    ) -> None:
        """Send messages. `request` is the sending device and a digest of what it sent, to know it again."""
        events = _Events(sender, type)
        local, remote = self._by_place(messages, events)
        position = await self._inboxes.take()
        rows: list[_Row] = []
        try:
            async with self._db.write() as tx:
                if request is not None and not await store.begin(tx, sender, *request, self._clock.now_ms()):
                    return
                if local:
                    rows = list(_rows(local, await store.devices_of(tx, local.keys()), events))
                if rows:
                    await store.insert(tx, position, rows)
                if remote:
                    for step in self.remote_steps:
                        await step(tx, sender, type, remote)
            self._inboxes.sent(position, [(user_id, device_id) for user_id, device_id, _ in rows])
            self._untold.append((position, {row[0] for row in rows}))
        finally:
            self._inboxes.positions.close(position)
            self._tell()

    def _tell(self) -> None:
        committed = self._inboxes.positions.committed
        due = [recipients for position, recipients in self._untold if position <= committed]
        self._untold = [entry for entry in self._untold if entry[0] > committed]
        for recipients in due:
            for listener in self.listeners if recipients else ():
                listener(recipients)

    def _by_place(self, messages: Messages, events: "_Events") -> tuple[Messages, Messages]:
        """Messages for users of this server and for others. All are encoded once, so that errors come before writing."""
        local, remote = {}, {}
        for user_id, by_device in messages.items():
            for content in by_device.values():
                events.encode(content)
            if domain_of(user_id) == self._server_name:
                if is_storable(user_id):
                    local[user_id] = by_device
            else:
                remote[user_id] = by_device
        return local, remote


class _Events:
    """The events of one request, each content encoded once."""

    def __init__(self, sender: str, type: str) -> None:
        self._tail = b',"sender":%b,"type":%b}' % (orjson.dumps(sender), orjson.dumps(type))
        self._encoded: dict[int, bytes] = {}

    def encode(self, content: Mapping[str, Any]) -> bytes:
        """Raises 400 `M_BAD_JSON` for what JSON of 64 bits cannot hold."""
        event = self._encoded.get(id(content))
        if event is None:
            try:
                event = b'{"content":%b%b' % (orjson.dumps(content), self._tail)
            except TypeError as error:
                raise bad_json("A message cannot be stored") from error
            self._encoded[id(content)] = event
        return event


def _rows(messages: Messages, devices: Mapping[str, Sequence[str]], events: _Events) -> Iterator[_Row]:
    """What goes into which inbox: one message a device, that for the device itself before the one for all."""
    for user_id, by_device in messages.items():
        everywhere = by_device.get(EVERY_DEVICE)
        for device_id in devices.get(user_id, ()):
            content = by_device.get(device_id, everywhere)
            if content is not None:
                yield user_id, device_id, events.encode(content)
