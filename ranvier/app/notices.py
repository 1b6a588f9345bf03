"""Builds what the server itself says to its users, and what it asks of them."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from ranvier.api.client.consent_guard import guarded
from ranvier.api.client.on_sync import telling
from ranvier.app.accounts import UserServices
from ranvier.app.rooms import RoomServices
from ranvier.config.model import Config
from ranvier.http.route import Route
from ranvier.proto.room_versions import ROOM_VERSIONS
from ranvier.rooms.consent_notices import ConsentNotices
from ranvier.rooms.consent_rules import ConsentRules
from ranvier.rooms.notice_rooms import NoticeRooms
from ranvier.rooms.server_notices import ServerNotices
from ranvier.rooms.usage_notices import UsageNotices


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeServices:
    """What tells users something, as far as the configuration wants it."""

    notices: ServerNotices | None
    consent_rules: ConsentRules | None
    on_sync: tuple[Callable[[str], None], ...]
    """Told the user whose client syncs."""
    jobs: tuple[tuple[str, Callable[[], Awaitable[None]]], ...]

    def watched(self, routes: Iterable[Route]) -> list[Route]:
        """The same routes, where users have to agree first, and where it is noted who is there."""
        if self.consent_rules is not None:
            routes = guarded(routes, self.consent_rules)
        return telling(routes, self.on_sync) if self.on_sync else list(routes)


async def build_notices(*, config: Config, users: UserServices, rooms: RoomServices) -> NoticeServices:
    """Everything that the server itself says."""
    notices = await _server_notices(config, users, rooms)
    policy, consent = config.user_consent, users.consent
    asking, rules = None, None
    if policy is not None and consent is not None and policy.block_events_error is not None:
        rules = ConsentRules(consent=consent, rooms=rooms.rooms, leave_rules=rooms.leave_rules)
    if policy is not None and consent is not None and notices is not None and policy.server_notice_content is not None:
        asking = ConsentNotices(
            consent=consent,
            notices=notices,
            content=policy.server_notice_content,
            to_guests=policy.send_server_notice_to_guests,
        )
    alerting = _usage_notices(config, users, rooms, notices)
    on_sync, jobs = [], []
    if asking is not None:
        on_sync.append(asking.note)
        jobs.append(("asking for consent", asking.run))
    if alerting is not None:
        on_sync.append(alerting.note)
        jobs.append(("telling of the limit on users", alerting.run))
    return NoticeServices(notices=notices, consent_rules=rules, on_sync=tuple(on_sync), jobs=tuple(jobs))


def _usage_notices(
    config: Config, users: UserServices, rooms: RoomServices, notices: ServerNotices | None
) -> UsageNotices | None:
    """`None` where there is no limit, nobody to tell of it, or no wish to."""
    monthly = users.monthly
    if notices is None or monthly is None or not (monthly.config.limits and monthly.config.alerts):
        return None
    return UsageNotices(monthly=monthly, notices=notices, rooms=rooms.rooms, admin_contact=config.admin_contact)


async def _server_notices(config: Config, users: UserServices, rooms: RoomServices) -> ServerNotices | None:
    """`None` where the configuration has no `server_notices`."""
    section, sender = config.server_notices, config.notices_user_id
    if section is None or sender is None:
        return None
    notices = ServerNotices(
        config=section,
        sender=sender,
        rooms=rooms.rooms,
        writer=rooms.writer,
        notice_rooms=NoticeRooms(
            config=section,
            sender=sender,
            version=ROOM_VERSIONS[config.default_room_version],
            rooms=rooms.rooms,
            writer=rooms.writer,
            new_rooms=rooms.new_rooms,
            member_content=rooms.member_content,
            tags=users.tags,
        ),
        memberships=rooms.memberships,
        accounts=users.administration.accounts,
        profiles=users.profiles,
    )
    await notices.begin()
    return notices
