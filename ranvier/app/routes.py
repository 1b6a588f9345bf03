"""The route table: every endpoint of this server."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

from ranvier import __version__
from ranvier.api.admin.override_ratelimit import OverrideRatelimitApi
from ranvier.api.admin.partial_state import PartialStateApi
from ranvier.api.admin.register import AdminRegisterApi
from ranvier.api.client.account import AccountApi
from ranvier.api.client.account_data import AccountDataApi
from ranvier.api.client.auth_fallback import AuthFallbackApi
from ranvier.api.client.capabilities import CapabilitiesApi
from ranvier.api.client.consent_page import ConsentPageApi
from ranvier.api.client.context import ContextApi
from ranvier.api.client.create_room import CreateRoomApi
from ranvier.api.client.devices import DevicesApi
from ranvier.api.client.filters import FiltersApi
from ranvier.api.client.front_page import FrontPageApi
from ranvier.api.client.joined_rooms import JoinedRoomsApi
from ranvier.api.client.login import LoginApi
from ranvier.api.client.login_fallback import LoginFallbackApi
from ranvier.api.client.membership import MembershipApi
from ranvier.api.client.membership_limits import MembershipLimits
from ranvier.api.client.messages import MessagesApi
from ranvier.api.client.moderation import ModerationApi
from ranvier.api.client.notifications import NotificationsApi
from ranvier.api.client.presence import PresenceApi
from ranvier.api.client.profile import ProfileApi
from ranvier.api.client.push_rules import PushRulesApi
from ranvier.api.client.pushers import PushersApi
from ranvier.api.client.read_markers import ReadMarkersApi
from ranvier.api.client.receipts import ReceiptsApi
from ranvier.api.client.register import RegisterApi
from ranvier.api.client.relations import RelationsApi
from ranvier.api.client.retention import RetentionApi
from ranvier.api.client.room_send import RoomSendApi
from ranvier.api.client.room_state import RoomStateApi
from ranvier.api.client.sync import SyncApi
from ranvier.api.client.tags import TagsApi
from ranvier.api.client.threads import ThreadsApi
from ranvier.api.client.threepid import ThreepidApi
from ranvier.api.client.threepid_tokens import ThreepidTokensApi
from ranvier.api.client.typing import TypingApi
from ranvier.api.client.unsubscribe_page import UnsubscribePageApi
from ranvier.api.client.validation_pages import ValidationPagesApi
from ranvier.api.client.versions import VersionsApi
from ranvier.api.client.well_known import WellKnownApi
from ranvier.app.accounts import UserServices
from ranvier.app.address_invites import build_address_invites
from ranvier.app.rooms import RoomServices
from ranvier.config.model import Config
from ranvier.federation.memberships import RoomMemberships
from ranvier.http.route import Route
from ranvier.ports import Clock
from ranvier.ratelimit import RateLimiter
from ranvier.templates import Templates

UNSTABLE_FEATURES: Final = MappingProxyType(
    {"org.matrix.e2e_cross_signing": True, "org.matrix.msc3814": True, "org.matrix.msc4222": True}
)


def all_routes(
    *,
    config: Config,
    clock: Clock,
    users: UserServices,
    rooms: RoomServices,
    memberships: RoomMemberships,
    limiters: Mapping[str, RateLimiter],
    leave_rooms: Callable[[str], Awaitable[None]],
) -> list[Route]:
    """Every route, whatever listener serves it. `leave_rooms(user_id)` makes a user leave every room."""
    membership_limits = MembershipLimits(limiters=limiters)
    return [
        *VersionsApi(unstable_features=UNSTABLE_FEATURES).routes(),
        *WellKnownApi(config=config).routes(),
        *FrontPageApi(web_client_location=config.web_client_location).routes(),
        *CapabilitiesApi(config=config).routes(),
        *LoginApi(
            login=users.login,
            tokens=users.login_tokens,
            refreshing=users.refreshing,
            logout=users.logout,
            config=config,
        ).routes(),
        *AuthFallbackApi(interactive_auth=users.interactive_auth).routes(),
        *LoginFallbackApi().routes(),
        *_consent_routes(config, users),
        *_retention_routes(config, rooms),
        *ModerationApi(moderation=users.moderation).routes(),
        *RegisterApi(
            registration=users.registration,
            of_services=users.service_registration,
            registrations=limiters["rc_registration"],
        ).routes(),
        *AdminRegisterApi(registration=users.shared_secret, version=__version__).routes(),
        *OverrideRatelimitApi(overrides=users.rate_overrides).routes(),
        *PartialStateApi(rooms=rooms.rooms, clock=clock).routes(),
        *AccountApi(
            account=users.account_changes, leave_rooms=leave_rooms, unbind=users.threepid_bindings.unbind_all
        ).routes(),
        *ThreepidApi(threepids=users.threepids, bindings=users.threepid_bindings).routes(),
        *_mail_routes(config, users),
        *DevicesApi(devices=users.devices).routes(),
        *ProfileApi(
            profiles=users.profiles,
            config=config,
            announce=rooms.profile_changes.announce,
            shares_room=rooms.of_user.share_room,
        ).routes(),
        *FiltersApi(filters=users.filters).routes(),
        *AccountDataApi(account_data=users.account_data).routes(),
        *PushRulesApi(push_rules=users.push_rules).routes(),
        *PushersApi(pushers=users.pushers).routes(),
        *CreateRoomApi(creating=rooms.creating, limits=membership_limits).routes(),
        *RoomSendApi(sending=rooms.sending).routes(),
        *RoomStateApi(
            reading=rooms.state_reading, sending=rooms.sending, serving=rooms.serving, limits=membership_limits
        ).routes(),
        *MembershipApi(
            memberships=memberships,
            local=rooms.memberships,
            by_address=build_address_invites(config=config, users=users, rooms=rooms, memberships=memberships),
            limits=membership_limits,
        ).routes(),
        *JoinedRoomsApi(memberships=rooms.memberships).routes(),
        *MessagesApi(messages=rooms.messages).routes(),
        *ContextApi(context=rooms.context, reading=rooms.event_reading).routes(),
        *RelationsApi(relations=rooms.relations).routes(),
        *ThreadsApi(threads=rooms.thread_list).routes(),
        *ReceiptsApi(markers=rooms.read_markers).routes(),
        *ReadMarkersApi(markers=rooms.read_markers).routes(),
        *NotificationsApi(notifications=rooms.notifications).routes(),
        *TagsApi(tags=users.tags).routes(),
        *PresenceApi(status=rooms.presence_status).routes(),
        *TypingApi(typing=rooms.ephemeral.typing).routes(),
        *SyncApi(
            sync=rooms.sync,
            filters=users.filters,
            timeline_limit=config.filter_timeline_limit,
            excluded_rooms=config.exclude_rooms_from_sync,
        ).routes(),
    ]


def _mail_routes(config: Config, users: UserServices) -> list[Route]:
    mail = users.mail
    tokens = ThreepidTokensApi(config=config, validation=None if mail is None else mail.validation)
    if mail is None:
        return tokens.routes()
    pages = ValidationPagesApi(validation=mail.validation, templates=mail.templates, server_name=config.server_name)
    return [*tokens.routes(), *pages.routes(), *UnsubscribePageApi(pushers=users.pushers).routes()]


def _consent_routes(config: Config, users: UserServices) -> list[Route]:
    """None where nobody has to agree to anything."""
    if config.user_consent is None or users.consent is None:
        return []
    templates = Templates(public_baseurl=config.public_baseurl, custom=config.custom_template_directory)
    return ConsentPageApi(consent=users.consent, config=config.user_consent, templates=templates).routes()


def _retention_routes(config: Config, rooms: RoomServices) -> list[Route]:
    """None where messages are kept for ever."""
    lifetimes = rooms.rooms.purged.lifetimes
    if config.retention is None or lifetimes is None:
        return []
    return RetentionApi(config=config.retention, lifetimes=lifetimes).routes()
