"""Builds what comes into rooms and goes out of them through other servers, and through this one for them."""

from collections.abc import Mapping
from dataclasses import dataclass

from ranvier.api.federation.complexity import ComplexityApi
from ranvier.api.federation.exchange_third_party_invite import ThirdPartyInviteApi
from ranvier.api.federation.invite import InviteApi
from ranvier.api.federation.join import JoinApi
from ranvier.api.federation.knock import KnockApi
from ranvier.api.federation.leave import LeaveApi
from ranvier.app.federation_admission import admitted
from ranvier.app.rooms import RoomServices
from ranvier.config.model import Config
from ranvier.db.engine import Database
from ranvier.federation.admission import Admission
from ranvier.federation.ask_directory import DirectoryAsking
from ranvier.federation.auth_chain import AuthChains
from ranvier.federation.client import FederationClient
from ranvier.federation.complexity import ComplexityServing, RoomSizeLimit
from ranvier.federation.gaps import Gaps
from ranvier.federation.handshake import Handshakes
from ranvier.federation.invite import RemoteInvites
from ranvier.federation.invited import InvitedByOthers
from ranvier.federation.join import RemoteJoins
from ranvier.federation.joins_under_way import JoinsUnderWay
from ranvier.federation.keys import ServerKeys
from ranvier.federation.knock import RemoteKnocks
from ranvier.federation.leave import RemoteLeaves
from ranvier.federation.memberships import RoomMemberships
from ranvier.federation.rescinded import Rescinded
from ranvier.federation.resident_events import Forward, HandedIn
from ranvier.federation.resident_join import ResidentJoins
from ranvier.federation.resident_knock import ResidentKnocks
from ranvier.federation.resident_leave import ResidentLeaves
from ranvier.federation.resident_omitting import StateWithoutMembers
from ranvier.federation.resident_restricted import Conditions
from ranvier.federation.resident_rooms import ResidentRooms
from ranvier.federation.resident_state import StateBefore
from ranvier.federation.resident_templates import Templates
from ranvier.federation.screening import Screens
from ranvier.federation.third_party_invite import ThirdPartyInvites
from ranvier.http.route import Route
from ranvier.ports import Clock, Random
from ranvier.proto.signing import SigningKey
from ranvier.ratelimit import RateLimiter
from ranvier.rooms.invite_rules import InviteRules
from ranvier.rooms.restricted_join import RestrictedJoins
from ranvier.store import joined_rooms


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeServices:
    """Both sides of the handshakes."""

    templates: Templates
    joins: ResidentJoins
    knocks: ResidentKnocks
    leaves: ResidentLeaves
    invited: InvitedByOthers
    third_party_invites: ThirdPartyInvites
    rescinded: Rescinded
    memberships: RoomMemberships
    """What the client API calls to join, knock, invite and leave."""
    invites: RemoteInvites
    joins_under_way: JoinsUnderWay
    complexity: ComplexityServing


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeNeeds:
    """What they are built from."""

    db: Database
    clock: Clock
    random: Random
    config: Config
    rooms: RoomServices
    invitations: InviteRules
    restricted_joins: RestrictedJoins
    resident: ResidentRooms
    auth_chains: AuthChains
    client: FederationClient
    keys: ServerKeys
    screens: Screens
    gaps: Gaps
    forward: Forward
    limiters: Mapping[str, RateLimiter]


def build_handshakes(needs: HandshakeNeeds) -> HandshakeServices:
    """Every object of the handshakes. From then on other servers' users are invited, and their rooms left, too."""
    rooms, keys, resident = needs.rooms, needs.keys, needs.resident
    server_name = needs.config.server_name
    own_key = needs.config.signing_keys[0]
    signing_key = SigningKey(own_key.key_id, own_key.seed)
    conditions = Conditions(rooms=rooms.rooms, resident=resident, restricted_joins=needs.restricted_joins)
    handed_in = HandedIn(keys=keys, accepting=rooms.accepting, resident=resident, forward=needs.forward)
    handshakes = Handshakes(
        client=needs.client,
        clock=needs.clock,
        random=needs.random,
        server_name=server_name,
        signing_key=signing_key,
        omits_members=needs.config.faster_joins,
    )

    async def is_joined(user_id: str, room_id: str) -> bool:
        room = await rooms.rooms.find(room_id)
        found = await joined_rooms.of_users(needs.db, [user_id])
        return room is not None and room.room_nid in found.get(user_id, ())

    under_way = JoinsUnderWay(db=needs.db, clock=needs.clock, handshakes=handshakes, is_joined=is_joined)
    invites = RemoteInvites(
        rooms=rooms.rooms, writer=rooms.writer, accepting=rooms.accepting, client=needs.client, keys=keys
    )
    omitting = StateWithoutMembers(rooms=rooms.rooms, auth_chains=needs.auth_chains, servers_at=resident.servers_at)
    rooms.appender.listeners.append(omitting.on_commit)
    rooms.creating.invite_elsewhere = rooms.sending.invite_elsewhere = invites.invite
    services = HandshakeServices(
        templates=Templates(
            rooms=rooms.rooms, resident=resident, conditions=conditions, clock=needs.clock, server_name=server_name
        ),
        joins=ResidentJoins(
            resident=resident,
            handed_in=handed_in,
            conditions=conditions,
            states=StateBefore(rooms=rooms.rooms, auth_chains=needs.auth_chains),
            omitting=omitting,
            server_name=server_name,
            signing_key=signing_key,
        ),
        knocks=ResidentKnocks(resident=resident, handed_in=handed_in),
        leaves=ResidentLeaves(resident=resident, handed_in=handed_in),
        invited=InvitedByOthers(
            db=needs.db,
            keys=keys,
            resident=resident,
            rules=needs.invitations,
            blocked=needs.rooms.blocked,
            outside=rooms.outside_memberships,
            server_name=server_name,
            signing_key=signing_key,
        ),
        third_party_invites=ThirdPartyInvites(
            db=needs.db,
            resident=resident,
            writer=rooms.writer,
            invites=invites,
            rules=needs.invitations,
            client=needs.client,
        ),
        rescinded=Rescinded(screens=needs.screens, outside=rooms.outside_memberships, server_name=server_name),
        memberships=RoomMemberships(
            local=rooms.memberships,
            resident=resident,
            clock=needs.clock,
            outside=rooms.outside_memberships,
            member_content=rooms.member_content,
            invitations=needs.invitations,
            blocked=needs.rooms.blocked,
            directory=DirectoryAsking(client=needs.client),
            joins=RemoteJoins(
                handshakes=handshakes,
                screens=needs.screens,
                keys=keys,
                resident=resident,
                arriving=rooms.arriving,
                gaps=needs.gaps,
                under_way=under_way,
            ),
            knocks=RemoteKnocks(handshakes=handshakes, keys=keys, outside=rooms.outside_memberships),
            leaves=RemoteLeaves(
                rooms=rooms.rooms,
                handshakes=handshakes,
                outside=rooms.outside_memberships,
                clock=needs.clock,
                random=needs.random,
                signing_key=signing_key,
            ),
            invites=invites,
            remote_joins=needs.limiters["rc_joins.remote"],
            server_name=server_name,
            size_limit=_size_limit(needs),
        ),
        invites=invites,
        joins_under_way=under_way,
        complexity=ComplexityServing(db=needs.db, resident=resident),
    )
    rooms.of_user.leave = services.memberships.leave
    return services


def _size_limit(needs: HandshakeNeeds) -> RoomSizeLimit | None:
    """`None`: users may join rooms of any size."""
    limit = needs.config.limit_remote_rooms
    if limit is None:
        return None
    return RoomSizeLimit(limit=limit, admin_contact=needs.config.admin_contact, client=needs.client, db=needs.db)


def handshake_routes(
    services: HandshakeServices, limiters: Mapping[str, RateLimiter], admission: Admission
) -> list[Route]:
    """What other servers call."""
    routes = [
        *ComplexityApi(serving=services.complexity).routes(),
        *JoinApi(templates=services.templates, joins=services.joins).routes(),
        *KnockApi(templates=services.templates, knocks=services.knocks).routes(),
        *LeaveApi(templates=services.templates, leaves=services.leaves).routes(),
        *InviteApi(invited=services.invited, limit=limiters["rc_invites.per_user"]).routes(),
    ]
    # For an exchange the invited user's server is asked: whoever asks others must not be waited for by them.
    return [*admitted(routes, admission), *ThirdPartyInviteApi(invites=services.third_party_invites).routes()]
