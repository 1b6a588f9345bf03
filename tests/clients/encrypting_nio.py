"""matrix-nio with its encryption, as a person who follows one room."""

import time
from pathlib import Path

from nio import (
    AsyncClient,
    AsyncClientConfig,
    KeyVerificationEvent,
    KeyVerificationStart,
    MatrixRoom,
    MegolmEvent,
    RegisterResponse,
    RoomMessageText,
    RoomSendResponse,
)
from nio.crypto import OlmDevice, Sas

PASSWORD = "correct horse"
_WAIT_S = 60
_POLL_MS = 200


class EncryptingNio:
    """A device; `step` by `step` it does what nio would do for ever."""

    def __init__(self, url: str, user: str, store: Path) -> None:
        store.mkdir()
        config = AsyncClientConfig(encryption_enabled=True, max_limit_exceeded=0, max_timeouts=0)
        self.client = AsyncClient(url, user, store_path=str(store), config=config)
        self.client.add_event_callback(self._on_text, RoomMessageText)
        self.client.add_event_callback(self._on_undecryptable, MegolmEvent)
        self.client.add_to_device_callback(self._on_verification, KeyVerificationEvent)
        self.read: dict[str, bool] = {}
        """Texts, and whether they came encrypted."""
        self.unreadable: set[str] = set()
        """Event ids of what could not be decrypted."""

    @property
    def user_id(self) -> str:
        """Whose device this is."""
        user_id: str = self.client.user_id
        return user_id

    @property
    def device_id(self) -> str:
        """Its name."""
        device_id: str = self.client.device_id
        return device_id

    async def register(self) -> None:
        """Make the account, and publish the device's keys."""
        answer = await self.client.register(self.client.user, PASSWORD)
        assert isinstance(answer, RegisterResponse), answer
        await self.step()

    async def log_in(self) -> None:
        """A further device of the account."""
        await self.client.login(PASSWORD)
        await self.step()

    async def step(self, *, wait_ms: int = 0) -> None:
        """Sync once, and send what the encryption then wants to."""
        client = self.client
        await client.sync(timeout=wait_ms)
        await client.send_to_device_messages()
        if client.should_upload_keys:
            await client.keys_upload()
        if client.should_query_keys:
            await client.keys_query()
        if client.should_claim_keys:
            await client.keys_claim(client.get_users_for_key_claiming())

    async def say(self, room_id: str, body: str, *, to_unverified: bool = True) -> None:
        """Send a text. Without `to_unverified` nio refuses if a device in the room is not verified."""
        content = {"msgtype": "m.text", "body": body}
        answer = await self.client.room_send(
            room_id, "m.room.message", content, ignore_unverified_devices=to_unverified
        )
        assert isinstance(answer, RoomSendResponse), answer

    async def wait_for(self, body: str) -> None:
        """Until this text has been read; it must have come encrypted."""
        end = time.monotonic() + _WAIT_S
        while body not in self.read:
            assert time.monotonic() < end, f"{self.user_id} has read {self.read}, not {body}"
            await self.step(wait_ms=_POLL_MS)
        assert self.read[body], f"{body} was not encrypted"

    async def wait_for_invitation(self) -> str:
        """The id of the room they are invited to."""
        end = time.monotonic() + _WAIT_S
        while not self.client.invited_rooms:
            assert time.monotonic() < end, f"{self.user_id} was not invited"
            await self.step(wait_ms=_POLL_MS)
        room_id: str = next(iter(self.client.invited_rooms))
        return room_id

    def device_of(self, user_id: str, device_id: str) -> OlmDevice:
        """Somebody's device, as far as it is known here."""
        return self.client.device_store[user_id][device_id]

    def active_devices_of(self, user_id: str) -> set[str]:
        """The ids of somebody's devices that have not been logged out."""
        return {device.id for device in self.client.device_store.active_user_devices(user_id)}

    def sas_with(self, other: "EncryptingNio") -> Sas:
        """The verification that is under way with another device."""
        sas = self.client.olm.get_active_sas(other.user_id, other.device_id)
        assert sas is not None, f"{self.user_id} verifies nothing with {other.user_id}"
        return sas

    async def _on_text(self, room: MatrixRoom, event: RoomMessageText) -> None:
        self.read[event.body] = event.decrypted

    async def _on_undecryptable(self, room: MatrixRoom, event: MegolmEvent) -> None:
        self.unreadable.add(event.event_id)

    async def _on_verification(self, event: KeyVerificationEvent) -> None:
        if isinstance(event, KeyVerificationStart):
            await self.client.accept_key_verification(event.transaction_id)
