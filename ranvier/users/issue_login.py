"""Giving out a device and its tokens, inside somebody's transaction.

Spec: client-server API, "Relationship between access tokens and devices", "Refreshing access tokens".
"""

from dataclasses import dataclass
from typing import Final

from ranvier.config.model import Config
from ranvier.db.engine import Tx
from ranvier.ports import Clock, Random
from ranvier.proto.errors import forbidden
from ranvier.proto.ids import localpart_of
from ranvier.store import cross_signing, devices, tokens
from ranvier.users.blocking import Blocking
from ranvier.users.text import storable
from ranvier.users.token_text import new_access_token, new_device_id, new_refresh_token, token_digest

MAX_DEVICE_ID_LENGTH: Final = 255
MAX_DISPLAY_NAME_LENGTH: Final = 100
_PUBLIC_KEY_LENGTH: Final = 43
"""Of a cross-signing key in unpadded base64."""


@dataclass(frozen=True, slots=True)
class TokenLifetimes:
    """How long tokens live; `None`: for ever."""

    session_ms: int | None
    """The whole life of a login."""
    refreshable_ms: int
    """Access tokens that come with a refresh token."""
    nonrefreshable_ms: int | None
    refresh_ms: int | None
    """Refresh tokens, each from the moment it is given out."""

    @classmethod
    def of(cls, config: Config) -> "TokenLifetimes":
        """What the configuration says."""
        return cls(
            session_ms=config.session_lifetime_ms,
            refreshable_ms=config.refreshable_access_token_lifetime_ms,
            nonrefreshable_ms=config.nonrefreshable_access_token_lifetime_ms,
            refresh_ms=config.refresh_token_lifetime_ms,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceWish:
    """What a client asks of its new login."""

    device_id: str | None = None
    display_name: str | None = None
    refreshable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedTokens:
    """A new pair of tokens (or an access token alone)."""

    access_token: str
    refresh_token: str | None = None
    expires_in_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedLogin:
    """A new login, as `/login` and `/register` answer it."""

    user_id: str
    device_id: str
    tokens: IssuedTokens
    replaced: bool
    """Whether the device had existed: its former tokens are gone, and whoever remembers them must forget them."""


class LoginIssuer:
    """Makes devices and tokens."""

    def __init__(
        self, *, clock: Clock, random: Random, lifetimes: TokenLifetimes, blocking: Blocking | None = None
    ) -> None:
        self._blocking = blocking
        self._clock = clock
        self._random = random
        self._lifetimes = lifetimes

    def check(self, wish: DeviceWish) -> None:
        """Raises 400 `M_INVALID_PARAM` for a wish that cannot be granted, 403 `M_RESOURCE_LIMIT_EXCEEDED` for any where
        nobody is served.
        """
        if self._blocking is not None:
            raise self._blocking.error()
        if wish.device_id is not None:
            storable(wish.device_id, name="device_id", max_length=MAX_DEVICE_ID_LENGTH)
        if wish.display_name is not None:
            storable(wish.display_name, name="initial_device_display_name", max_length=MAX_DISPLAY_NAME_LENGTH)

    async def issue(self, tx: Tx, user_id: str, wish: DeviceWish) -> IssuedLogin:
        """Log a device in. A device that exists loses the tokens it had."""
        device_id = wish.device_id or new_device_id(self._random)
        is_new = await devices.insert(tx, user_id, device_id, wish.display_name)
        if is_new and len(device_id) == _PUBLIC_KEY_LENGTH:
            await self._refuse_public_key(tx, user_id, device_id)
        if not is_new:
            await tokens.delete_of_devices(tx, user_id, [device_id])
        now_ms = self._clock.now_ms()
        session_expires_ts = _later(now_ms, self._lifetimes.session_ms)
        if wish.refreshable:
            issued, _ = await self.issue_pair(tx, user_id, device_id, session_expires_ts=session_expires_ts)
        else:
            issued = await self._issue_alone(tx, user_id, device_id, now_ms, session_expires_ts)
        return IssuedLogin(user_id=user_id, device_id=device_id, tokens=issued, replaced=not is_new)

    async def _refuse_public_key(self, tx: Tx, user_id: str, device_id: str) -> None:
        """Devices and cross-signing keys are named alike (spec: "Key and signature security")."""
        if await cross_signing.is_public_key(tx, user_id, device_id):
            raise forbidden("One of the user's cross-signing keys has the name of this device")

    async def issue_pair(
        self, tx: Tx, user_id: str, device_id: str, *, session_expires_ts: int | None
    ) -> tuple[IssuedTokens, int]:
        """An access token and a refresh token, and the number of the latter."""
        now_ms = self._clock.now_ms()
        localpart = localpart_of(user_id)
        refresh_token = new_refresh_token(localpart, self._random)
        refresh_nid = await tokens.insert_refresh(
            tx,
            digest=token_digest(refresh_token),
            user_id=user_id,
            device_id=device_id,
            expires_ts=_earlier(_later(now_ms, self._lifetimes.refresh_ms), session_expires_ts),
            session_expires_ts=session_expires_ts,
        )
        expires_ts = _earlier(now_ms + self._lifetimes.refreshable_ms, session_expires_ts)
        access_token = await self._insert(tx, user_id, device_id, now_ms, expires_ts, refresh_nid)
        issued = IssuedTokens(
            access_token=access_token, refresh_token=refresh_token, expires_in_ms=_remaining(now_ms, expires_ts)
        )
        return issued, refresh_nid

    async def issue_deviceless(self, tx: Tx, user_id: str, *, expires_ts: int | None) -> str:
        """An access token without a device, for an administrator who acts as the user."""
        return await self._insert(tx, user_id, None, self._clock.now_ms(), expires_ts, None)

    async def _issue_alone(
        self, tx: Tx, user_id: str, device_id: str, now_ms: int, session_expires_ts: int | None
    ) -> IssuedTokens:
        expires_ts = _earlier(_later(now_ms, self._lifetimes.nonrefreshable_ms), session_expires_ts)
        access_token = await self._insert(tx, user_id, device_id, now_ms, expires_ts, None)
        return IssuedTokens(access_token=access_token, expires_in_ms=_remaining(now_ms, expires_ts))

    async def _insert(
        self,
        tx: Tx,
        user_id: str,
        device_id: str | None,
        now_ms: int,
        expires_ts: int | None,
        refresh_nid: int | None,
    ) -> str:
        access_token = new_access_token(localpart_of(user_id), self._random)
        await tokens.insert_access(
            tx,
            digest=token_digest(access_token),
            user_id=user_id,
            device_id=device_id,
            created_ts=now_ms,
            expires_ts=expires_ts,
            refresh_nid=refresh_nid,
        )
        return access_token


def _later(now_ms: int, lifetime_ms: int | None) -> int | None:
    return None if lifetime_ms is None else now_ms + lifetime_ms


def _earlier(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return one if other is None else other
    return min(one, other)


def _remaining(now_ms: int, expires_ts: int | None) -> int | None:
    return None if expires_ts is None else expires_ts - now_ms
