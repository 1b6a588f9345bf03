"""`/admin/whois`, `/admin/lock`, `/admin/suspend`. Spec: client-server API, "Server Administration"."""

import msgspec

from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.users.last_seen import Seen
from ranvier.users.moderation import Moderation


class Locked(msgspec.Struct):
    """Whether an account is locked: the body and the answer."""

    locked: bool


class Suspended(msgspec.Struct):
    """Whether an account is suspended: the body and the answer."""

    suspended: bool


class Connection(msgspec.Struct):
    """From where a device was last seen."""

    ip: str
    last_seen: int
    user_agent: str


class Session(msgspec.Struct):
    """One login."""

    connections: list[Connection]


class DeviceSessions(msgspec.Struct):
    """A device has one login at a time."""

    sessions: list[Session]


class Whois(msgspec.Struct):
    """Where a user has been seen, by device."""

    user_id: str
    devices: dict[str, DeviceSessions]


class ModerationApi:
    """What server admins do to accounts."""

    def __init__(self, *, moderation: Moderation) -> None:
        self._moderation = moderation

    def routes(self) -> list[Route]:
        """The module's routes."""
        lock, suspend = "/_matrix/client/v1/admin/lock/{user_id}", "/_matrix/client/v1/admin/suspend/{user_id}"
        whois = (*paths("/admin/whois/{user_id}"), "/_synapse/admin/v1/whois/{user_id}")
        return [
            *routes(
                "GET", whois, self.whois, auth=Auth.USER, answer=Whois,
                spec="getWhoIs", summary="From where a user has been seen",
            ),
            *routes(
                "GET", lock, self.is_locked, auth=Auth.ADMIN, answer=Locked,
                spec="getAdminLockUser", summary="Whether an account is locked",
            ),
            *routes(
                "PUT", lock, self.lock, auth=Auth.ADMIN, body=Locked, answer=Locked,
                spec="setAdminLockUser", summary="Lock or unlock an account",
            ),
            *routes(
                "GET", suspend, self.is_suspended, auth=Auth.ADMIN, answer=Suspended,
                spec="getAdminSuspendUser", summary="Whether an account is suspended",
            ),
            *routes(
                "PUT", suspend, self.suspend, auth=Auth.ADMIN, body=Suspended, answer=Suspended,
                spec="setAdminSuspendUser", summary="Suspend an account or lift its suspension",
            ),
        ]  # fmt: skip

    async def whois(self, request: Request) -> Response:
        """From where a user has been seen."""
        user_id = request.params["user_id"]
        seen = await self._moderation.devices_seen(request.requester, user_id)
        return json_response(Whois(user_id, {device_id: _sessions(last) for device_id, last in seen.items()}))

    async def is_locked(self, request: Request) -> Response:
        """Whether an account is locked."""
        locked = await self._moderation.is_set(request.requester, request.params["user_id"], "locked")
        return json_response(Locked(locked))

    async def lock(self, request: Request) -> Response:
        """Lock or unlock an account."""
        wanted = request.json(Locked)
        await self._moderation.set(request.requester, request.params["user_id"], "locked", value=wanted.locked)
        return json_response(wanted)

    async def is_suspended(self, request: Request) -> Response:
        """Whether an account is suspended."""
        suspended = await self._moderation.is_set(request.requester, request.params["user_id"], "suspended")
        return json_response(Suspended(suspended))

    async def suspend(self, request: Request) -> Response:
        """Suspend an account, or lift its suspension."""
        wanted = request.json(Suspended)
        await self._moderation.set(request.requester, request.params["user_id"], "suspended", value=wanted.suspended)
        return json_response(wanted)


def _sessions(seen: Seen | None) -> DeviceSessions:
    connections = [] if seen is None else [Connection(seen.ip, seen.ts, seen.user_agent)]
    return DeviceSessions([Session(connections)])
