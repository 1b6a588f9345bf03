"""Who is there, in memory only: local users by their devices, others as their servers tell.

Spec: client-server API, "Presence". A user is as present as their most present device; a device is there while it syncs and
a while longer. Nothing happens to users who stay as they are: time is looked at when the next change can be due.
Configuration: `presence`, `rc_presence`.
"""

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ranvier.config.sections import PresenceConfig
from ranvier.ports import Clock
from ranvier.proto.errors import MatrixError
from ranvier.ratelimit import RateLimiter
from ranvier.users.device_presence import DevicePresence, PresenceName, combined

USERS: Final = 100_000
"""So many are remembered, those who are there aside."""
SOON_S: Final = 0.001
"""A look that is due now because of a rounding error is taken a moment later, not over and over."""
NAP_S: Final = 5.0
"""The longest time that a change may be late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """How present a user is, as others see it."""

    presence: PresenceName
    status_msg: str | None = None
    last_active_ts: int | None = None
    """When they last did something; `None` if they never have."""
    currently_active: bool = False


ABSENT: Final = Presence(presence="offline")

Shown = tuple[PresenceName, str | None, bool]

Listener = Callable[[str, int], None]
"""Told who has changed, and the position of the change."""


class _User:
    __slots__ = ("check_at", "devices", "expires", "last_active", "last_active_ts", "pos", "shown", "status_msg")

    def __init__(self) -> None:
        self.devices: dict[str, DevicePresence] = {}
        self.status_msg: str | None = None
        self.last_active = 0.0
        self.last_active_ts: int | None = None
        self.shown: Shown = ("offline", None, False)
        self.pos = 0
        """When this was last told."""
        self.check_at: float | None = None
        """When the next change can be due."""
        self.expires: float | None = None
        """Of a user of another server: when they count as away if nothing new is heard of them."""


class PresenceTracker:
    """Everyone's presence. `run` must be running for them to become idle and to go."""

    def __init__(self, *, clock: Clock, config: PresenceConfig, changes: RateLimiter | None = None) -> None:
        self._clock = clock
        self._changes = changes
        self._config = config
        self._timeout_s = config.sync_online_timeout_ms / 1000
        self._users: dict[str, _User] = {}
        self._due: list[tuple[float, str]] = []
        self._some = asyncio.Event()
        self.is_on = config.enabled
        self.pos = clock.now_ms()
        """The position of the last change. They begin with the time, so as to be greater than those of earlier runs."""
        self.listeners: list[Listener] = []

    def of(self, user_id: str) -> Presence:
        """A user's presence."""
        user = self._users.get(user_id)
        if user is None:
            return ABSENT
        presence, status_msg, active = user.shown
        return Presence(
            presence=presence, status_msg=status_msg, last_active_ts=user.last_active_ts, currently_active=active
        )

    def changed_at(self, user_id: str) -> int:
        """The position of the last change of a user, 0 if they have always been away."""
        user = self._users.get(user_id)
        return 0 if user is None else user.pos

    def take_pos(self) -> int:
        """A position for something that is told although it has not changed."""
        self.pos += 1
        return self.pos

    def begin_sync(self, user_id: str, device_id: str, presence: PresenceName) -> bool:
        """A device follows its account, and says how present that makes it. If true, `end_sync` has to follow."""
        if not self.is_on or presence == "offline":
            return False
        user = self._user(user_id)
        device = user.devices.get(device_id)
        if device is None:
            device = user.devices[device_id] = DevicePresence()
        elif device.presence == presence or not self._may_change(user_id):
            device.syncs += 1
            return True
        device.begin_sync(presence)
        if device.presence == "online":
            self._act(user)
        self._update(user_id, user)
        return True

    def end_sync(self, user_id: str, device_id: str) -> None:
        """The device has its answer."""
        user = self._users.get(user_id)
        device = None if user is None else user.devices.get(device_id)
        if user is not None and device is not None:
            now = self._clock.monotonic()
            device.syncs -= 1
            device.seen = now
            self._check_at(user_id, user, now + self._timeout_s)

    def set(self, user_id: str, device_id: str, presence: PresenceName, status_msg: str | None) -> None:
        """The user says how present they are."""
        if not self.is_on:
            return
        user = self._user(user_id)
        user.status_msg = status_msg
        if device_id not in user.devices:
            user.devices[device_id] = DevicePresence()
        # Who wants to be away is away everywhere; otherwise this is about one device.
        for name, device in user.devices.items():
            if name == device_id or presence == "offline":
                device.set(presence, self._clock.monotonic())
        self._act(user)
        self._update(user_id, user)

    def act(self, user_id: str, device_id: str) -> None:
        """The user has done something that others notice."""
        user = self._users.get(user_id)
        if user is not None:
            self._act(user)
            device = user.devices.get(device_id)
            if device is not None and device.presence == "unavailable":
                device.presence = "online"
            elif user.shown[2]:
                return  # They are shown as active already.
            self._update(user_id, user)

    def set_elsewhere(self, user_id: str, presence: Presence, *, expires_s: float) -> None:
        """How present a user of another server is; after so many seconds without news they count as away."""
        if not self.is_on:
            return
        user = self._users.get(user_id)
        if user is None and presence.presence == "offline" and presence.status_msg is None:
            return
        user = user or self._user(user_id)
        user.status_msg = presence.status_msg
        if presence.last_active_ts is not None:
            user.last_active_ts = max(presence.last_active_ts, user.last_active_ts or 0)
        user.expires = None if presence.presence == "offline" else self._clock.monotonic() + expires_s
        if user.expires is not None and user.check_at is None:
            self._check_at(user_id, user, user.expires)
        self._show(user_id, user, (presence.presence, presence.status_msg, presence.currently_active))

    def present(self) -> list[str]:
        """Everyone who is there, also users of other servers."""
        return [user_id for user_id, user in self._users.items() if user.shown[0] != "offline"]

    async def run(self) -> None:
        """Let people become idle and go, until cancelled."""
        while True:
            await self._some.wait()
            while (due := self.next_check()) is not None:
                wait_s = due - self._clock.monotonic()
                if wait_s > 0:
                    await self._clock.sleep(min(wait_s, NAP_S))
                else:
                    self.check_next()
            self._some.clear()

    def next_check(self) -> float | None:
        """When `check_next` has something to do, on the monotonic clock; `None` while nobody can change."""
        return self._due[0][0] if self._due else None

    def check_next(self) -> None:
        """Look at the user whose next change was due first."""
        check_at, user_id = heapq.heappop(self._due)
        user = self._users.get(user_id)
        if user is not None and user.check_at == check_at:
            user.check_at = None
            self._update(user_id, user)

    def _may_change(self, user_id: str) -> bool:
        """Whether a sync may say something else than the one before; what comes too often is passed over."""
        if self._changes is None:
            return True
        try:
            self._changes.spend(user_id)
        except MatrixError:
            return False
        return True

    def _user(self, user_id: str) -> _User:
        user = self._users.get(user_id)
        if user is None:
            if len(self._users) >= USERS:
                self._users = {name: known for name, known in self._users.items() if known.devices or known.expires}
            user = self._users[user_id] = _User()
        return user

    def _act(self, user: _User) -> None:
        user.last_active = self._clock.monotonic()
        user.last_active_ts = self._clock.now_ms()

    def _update(self, user_id: str, user: _User) -> None:
        """Tell a change, if there is one, and note when there can be another."""
        now = self._clock.monotonic()
        if user.expires is not None:
            if user.expires > now:
                self._check_at(user_id, user, user.expires)
                return
            user.expires = None
        user.devices = {name: device for name, device in user.devices.items() if device.is_there(now, self._timeout_s)}
        presence = combined(user.devices.values())
        idle_s = now - user.last_active
        if presence == "online" and idle_s >= self._config.idle_timeout_ms / 1000:
            presence = "unavailable"
        active = presence == "online" and idle_s < self._config.last_active_granularity_ms / 1000
        self._schedule(user_id, user, now, is_online=presence == "online")
        self._show(user_id, user, (presence, user.status_msg, active))

    def _show(self, user_id: str, user: _User, shown: Shown) -> None:
        if shown != user.shown:
            user.shown = shown
            user.pos = self.take_pos()
            for listener in self.listeners:
                listener(user_id, user.pos)

    def _schedule(self, user_id: str, user: _User, now: float, *, is_online: bool) -> None:
        """Look again when time alone can have changed something; never while all stays as it is."""
        if user.check_at is not None and user.check_at <= now:
            user.check_at = None
        for device in user.devices.values():
            if device.syncs == 0:
                self._check_at(user_id, user, max(device.seen + self._timeout_s, now + SOON_S))
        if is_online:
            for step_ms in (self._config.last_active_granularity_ms, self._config.idle_timeout_ms):
                if user.last_active + step_ms / 1000 > now:
                    self._check_at(user_id, user, user.last_active + step_ms / 1000)
                    break

    def _check_at(self, user_id: str, user: _User, at: float) -> None:
        if user.check_at is None or at < user.check_at:
            user.check_at = at
            heapq.heappush(self._due, (at, user_id))
            self._some.set()
