"""Who asks when an application service shows its token: itself, or a user of its namespaces.

Spec: application services, "Identity assertion". As with users' tokens, what was looked up once is remembered until the
account or the device changes.
"""

from typing import Final

from ranvier.config.application_services import ApplicationService
from ranvier.db.engine import Database
from ranvier.proto.errors import MatrixError, forbidden
from ranvier.ratelimit import OwnLimits
from ranvier.store import devices, users
from ranvier.users.application_services import ApplicationServices
from ranvier.users.requester import Masquerade, Requester
from ranvier.users.text import is_storable

_MAX_REQUESTERS: Final = 20_000


class ServiceSessions:
    """The users as whom services act."""

    def __init__(self, *, db: Database, services: ApplicationServices, own_limits: OwnLimits) -> None:
        self._db = db
        self._services = services
        self._own_limits = own_limits
        self._requesters: dict[str, dict[tuple[str, str | None], Requester]] = {}
        """By user, then by service and device."""
        self._changes = 0

    def service(self, digest: bytes) -> ApplicationService | None:
        """The service whose token has this digest."""
        return self._services.by_digest(digest)

    async def requester(self, service: ApplicationService, masquerade: Masquerade | None) -> Requester:
        """Whom a request of a service comes from. At most two statements, once for each user and device.

        Raises 403 `M_FORBIDDEN` for a user as whom it must not act, or who has no account, and `M_USER_DEACTIVATED`; 400
        `M_UNKNOWN_DEVICE`.
        """
        user_id = service.sender if masquerade is None or masquerade.user_id is None else masquerade.user_id
        device_id = None if masquerade is None else masquerade.device_id
        known = self._requesters.get(user_id)
        if known is not None and (found := known.get((service.id, device_id))) is not None:
            return found
        if not self._services.may_be(service, user_id):
            raise forbidden("This application service may not act as this user")
        changes = self._changes
        requester = await self._load(service, user_id, device_id)
        if changes == self._changes:
            self._remember(service, requester)
        return requester

    def forget_user(self, user_id: str) -> None:
        """The user's account or devices have changed."""
        self._changes += 1
        self._requesters.pop(user_id, None)

    async def _load(self, service: ApplicationService, user_id: str, device_id: str | None) -> Requester:
        user = await users.by_id(self._db, user_id) if is_storable(user_id) else None
        if user is None:
            raise forbidden("This application service has not registered this user")
        if user.deactivated:
            raise MatrixError(403, "M_USER_DEACTIVATED", "This account has been deactivated")
        if device_id is not None and not (
            is_storable(device_id) and await devices.one(self._db, user_id, device_id) is not None
        ):
            raise MatrixError(400, "M_UNKNOWN_DEVICE", "The user has no such device")
        return Requester(
            user_id=user_id,
            device_id=device_id,
            token_nid=None,
            is_guest=user.is_guest,
            is_admin=user.is_admin,
            shadow_banned=user.shadow_banned,
            locked=user.locked,
            suspended=user.suspended,
            appservice_id=service.id,
            puppeted_by=None if user_id == service.sender else service.sender,
        )

    def _remember(self, service: ApplicationService, requester: Requester) -> None:
        if len(self._requesters) >= _MAX_REQUESTERS:
            self._requesters.clear()
        self._requesters.setdefault(requester.user_id, {})[service.id, requester.device_id] = requester
        if (requester.user_id == service.sender or not service.rate_limited) and (
            requester.user_id not in self._own_limits.limits
        ):
            self._own_limits.set(requester.user_id, 0, 1)
