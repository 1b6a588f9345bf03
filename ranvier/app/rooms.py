"""Builds the rooms' side: writer, appender, reading, sync."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial as bound

from ranvier.app.e2ee import E2eeServices
from ranvier.app.ephemeral import EphemeralServices, build_ephemeral
from ranvier.config.model import Config
from ranvier.db.engine import Database
from ranvier.ports import Clock, Random
from ranvier.proto.signing import SigningKey
from ranvier.ratelimit import RateLimiter
from ranvier.rooms.accept import Accepting
from ranvier.rooms.access import Access
from ranvier.rooms.aggregations import Aggregations
from ranvier.rooms.append import Appender
from ranvier.rooms.arrive import Arriving
from ranvier.rooms.at_door import at_door
from ranvier.rooms.blocked_rooms import BlockedRooms
from ranvier.rooms.carry_over import CarryOver
from ranvier.rooms.children import Children
from ranvier.rooms.context import Context
from ranvier.rooms.create import Creating
from ranvier.rooms.directory_rules import DirectoryRules
from ranvier.rooms.erased_users import ErasedUsers
from ranvier.rooms.graph import Graph
from ranvier.rooms.history import History
from ranvier.rooms.invite_rules import InviteRules
from ranvier.rooms.leave_rules import LeaveRules
from ranvier.rooms.lifetimes import lifetimes_of
from ranvier.rooms.member_content import MemberContent
from ranvier.rooms.member_lists import MemberLists
from ranvier.rooms.membership import Memberships
from ranvier.rooms.messages import Messages
from ranvier.rooms.new_room import NewRooms
from ranvier.rooms.outliers import Outliers
from ranvier.rooms.outside_membership import OutsideMemberships
from ranvier.rooms.partial_ends import note_ends
from ranvier.rooms.partial_rooms import PartialRooms
from ranvier.rooms.profile_change import ProfileChanges
from ranvier.rooms.purge_history import HistoryPurge
from ranvier.rooms.purge_room import RoomPurge
from ranvier.rooms.purged_history import PurgedHistory
from ranvier.rooms.read_event import EventReading
from ranvier.rooms.read_markers import ReadMarkers
from ranvier.rooms.read_state import StateReading
from ranvier.rooms.relation_checks import RelationChecks
from ranvier.rooms.relations import Relations
from ranvier.rooms.restricted_join import RestrictedJoins
from ranvier.rooms.rooms import Rooms
from ranvier.rooms.rooms_of_user import RoomsOfUser
from ranvier.rooms.send import Sending
from ranvier.rooms.serve import Serving
from ranvier.rooms.thread_list import ThreadList
from ranvier.rooms.timeline_scan import TimelineScan
from ranvier.rooms.transactions import Transactions
from ranvier.rooms.write import Writer
from ranvier.store import events as event_store
from ranvier.store import rooms as room_store
from ranvier.store.event_cache import EventCache
from ranvier.store.state_keys import StateKeys
from ranvier.sync.account_stream import AccountDataStream
from ranvier.sync.device_list_stream import DeviceListStream
from ranvier.sync.encryption import EncryptionSections
from ranvier.sync.feed import Feeds
from ranvier.sync.joined import JoinedRooms
from ranvier.sync.member_changes import MemberChanges
from ranvier.sync.notifications import Notifications
from ranvier.sync.outside import OutsideRooms
from ranvier.sync.partly_known import PartlyKnown
from ranvier.sync.presence_status import PresenceStatus
from ranvier.sync.recent import RecentEvents
from ranvier.sync.room_sections import RoomSections
from ranvier.sync.sharing import Sharers
from ranvier.sync.state_section import StateSections
from ranvier.sync.sync import Sync
from ranvier.sync.timeline import Timelines
from ranvier.sync.to_device_stream import ToDeviceStream
from ranvier.users.account_data import AccountData
from ranvier.users.application_services import ApplicationServices
from ranvier.users.ignored_users import IgnoredUsers
from ranvier.users.invite_permission import InvitePermission
from ranvier.users.profiles import Profiles
from ranvier.users.push_rules import PushRules

ENCRYPTED_PRESETS = {
    "all": frozenset({"private_chat", "trusted_private_chat", "public_chat"}),
    "invite": frozenset({"private_chat", "trusted_private_chat"}),
    "off": frozenset[str](),
}
"""`encryption_enabled_by_default_for_room_type`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomServices:
    """What the API modules about rooms call, and what has to run."""

    accepting: Accepting
    access: Access
    arriving: Arriving
    appender: Appender
    blocked: BlockedRooms
    cache: EventCache
    carry_over: CarryOver
    context: Context
    creating: Creating
    graph: Graph
    history: History
    invitations: InviteRules
    leave_rules: LeaveRules
    member_content: MemberContent
    device_lists: DeviceListStream
    ephemeral: EphemeralServices
    erased: ErasedUsers
    feeds: Feeds
    memberships: Memberships
    messages: Messages
    new_rooms: NewRooms
    notifications: Notifications
    of_user: RoomsOfUser
    outliers: Outliers
    outside_memberships: OutsideMemberships
    presence_status: PresenceStatus
    profile_changes: ProfileChanges
    purge: RoomPurge
    purge_history: HistoryPurge
    event_reading: EventReading
    state_reading: StateReading
    read_markers: ReadMarkers
    rooms: Rooms
    relations: Relations
    restricted_joins: RestrictedJoins
    serving: Serving
    sending: Sending
    sync: Sync
    thread_list: ThreadList
    timeline: TimelineScan
    transactions: Transactions
    writer: Writer


async def build_rooms(
    *,
    db: Database,
    clock: Clock,
    random: Random,
    config: Config,
    profiles: Profiles,
    account_data: AccountData,
    push_rules: PushRules,
    encryption: E2eeServices,
    limiters: Mapping[str, RateLimiter],
    services: ApplicationServices,
) -> RoomServices:
    """Every object about rooms."""
    keys = await StateKeys.load(db)
    cache = EventCache(db=db, size=config.cache_sizes.events)
    last_event_nid, last_stream_pos = await event_store.greatest_numbers(db)
    rooms = Rooms(
        db=db,
        keys=keys,
        cache=cache,
        last_room_nid=await room_store.greatest_nid(db),
        partials=await PartialRooms.load(db),
        purged=await PurgedHistory.load(db, lifetimes=lifetimes_of(config.retention, clock)),
        size=config.cache_sizes.rooms,
        at_door=at_door(
            without_usual=config.prejoin_state.disable_default,
            types=config.prejoin_state.types,
            keys=config.prejoin_state.keys,
        ),
    )
    appender = Appender(
        db=db,
        keys=keys,
        cache=cache,
        last_event_nid=last_event_nid,
        last_stream_pos=last_stream_pos,
        forget_on_leave=config.forget_rooms_on_leave,
    )
    appender.on_spoilt = rooms.drop
    appender.listeners.append(bound(note_ends, rooms))
    writer = Writer(
        rooms=rooms,
        appender=appender,
        clock=clock,
        random=random,
        server_name=config.server_name,
        signing_key=SigningKey(config.signing_keys[0].key_id, config.signing_keys[0].seed),
    )
    graph = Graph(rooms=rooms)
    outliers = Outliers(rooms=rooms, appender=appender)
    member_content = MemberContent(
        profile_of=profiles.of,
        server_name=config.server_name,
        in_invites=config.include_profile_data_on_invite,
        may_differ=config.allow_per_room_profiles,
    )
    access = Access(rooms=rooms)
    blocked = await BlockedRooms.load(db)
    member_lists = MemberLists(rooms=rooms)
    appender.listeners.append(member_lists.on_commit)
    history = History(rooms=rooms, access=access)
    children = await Children.load(db, server_name=config.server_name)
    appender.listeners.append(children.on_commit)
    ignored_users = IgnoredUsers(account_data=account_data)
    invite_permission = InvitePermission(account_data=account_data)
    aggregations = Aggregations(children=children, ignored_users=ignored_users)
    erased = await ErasedUsers.load(rooms=rooms, stream_pos=lambda: appender.stream_pos)
    serving = Serving(rooms=rooms, clock=clock, history=history, aggregations=aggregations, erased=erased)
    recent = RecentEvents()
    feeds = Feeds(db=db, keys=keys, recent=recent)
    members = MemberChanges(db=db, committed_pos=last_stream_pos)
    appender.steps.append(members.save)
    appender.listeners += [members.on_commit, feeds.on_commit]
    timelines = Timelines(rooms=rooms, recent=recent)
    states = StateSections(rooms=rooms)
    transactions = Transactions(db=db, keys=keys, clock=clock)
    ephemeral = await build_ephemeral(
        db=db,
        clock=clock,
        config=config,
        rooms=rooms,
        appender=appender,
        feeds=feeds,
        timelines=timelines,
        account_data=account_data,
        push_rules=push_rules,
        ignored_users=ignored_users,
        limiters=limiters,
    )
    joined = JoinedRooms(rooms=rooms, history=history, serving=serving, timelines=timelines, states=states)
    purge_history = HistoryPurge(
        rooms=rooms,
        children=children,
        clock=clock,
        server_name=config.server_name,
        forget=[recent.forget, joined.forget, ephemeral.outcomes.forget, ephemeral.unread.forget],
    )
    purge = RoomPurge(rooms=rooms, appender=appender, clock=clock)
    purge.forget += [feeds.forget_room, member_lists.forget, ephemeral.outcomes.forget, rooms.purged.forget]
    partly_known = PartlyKnown(partials=rooms.partials)
    device_lists = DeviceListStream(
        db=db,
        keys=keys,
        lists=encryption.device_lists,
        feeds=feeds,
        sharers=Sharers(db=db, feeds=feeds, members=members, partly_known=partly_known),
    )
    sync = Sync(
        feeds=feeds,
        appender=appender,
        rooms=RoomSections(
            feeds=feeds,
            joined=joined,
            outside=OutsideRooms(
                rooms=rooms,
                history=history,
                serving=serving,
                timelines=timelines,
                states=states,
                partly_known=partly_known,
            ),
            partly_known=partly_known,
            unread=ephemeral.unread,
            receipts=ephemeral.receipt_stream,
            typing=ephemeral.typing_stream,
            ignored_users=ignored_users,
            invite_permission=invite_permission,
        ),
        account_data=AccountDataStream(db=db, account_data=account_data, push_rules=push_rules, feeds=feeds),
        receipts=ephemeral.receipt_stream,
        typing=ephemeral.typing_stream,
        presence=ephemeral.presence_stream,
        encryption=EncryptionSections(
            to_device=ToDeviceStream(inboxes=encryption.inboxes, to_device=encryption.to_device, feeds=feeds),
            device_lists=device_lists,
            counts=encryption.counts,
        ),
        clock=clock,
    )
    invitations = InviteRules(
        server_name=config.server_name,
        permission=invite_permission,
        only_admins_invite=config.block_non_admin_invites,
    )
    restricted_joins = RestrictedJoins(rooms=rooms, server_name=config.server_name)
    new_rooms = NewRooms(rooms=rooms, writer=writer, random=random)
    leave_rules = LeaveRules(notices_user_id=config.notices_user_id)
    carry_over = CarryOver(account_data=account_data, push_rules=push_rules)
    memberships = Memberships(
        rooms=rooms,
        writer=writer,
        member_content=member_content,
        invitations=invitations,
        restricted_joins=restricted_joins,
        carry_over=carry_over,
        leave_rules=leave_rules,
    )
    memberships.forgotten.append(feeds.forget)
    of_user = RoomsOfUser(rooms=rooms, memberships=memberships)
    scan = TimelineScan(rooms=rooms, history=history, ignored_users=ignored_users)
    messages = Messages(rooms=rooms, history=history, timeline=scan, serving=serving)
    return RoomServices(
        accepting=Accepting(
            rooms=rooms, appender=appender, graph=graph, outliers=outliers, server_name=config.server_name
        ),
        access=access,
        arriving=Arriving(
            rooms=rooms,
            appender=appender,
            graph=graph,
            outliers=outliers,
            clock=clock,
            device_lists_pos=lambda: encryption.device_lists.positions.committed,
            server_name=config.server_name,
        ),
        appender=appender,
        blocked=blocked,
        cache=cache,
        carry_over=carry_over,
        context=Context(rooms=rooms, history=history, timeline=scan, messages=messages),
        creating=Creating(
            rooms=rooms,
            writer=writer,
            member_content=member_content,
            new_rooms=new_rooms,
            invitations=invitations,
            alias_rules=DirectoryRules(config.alias_creation_rules),
            services=services,
            publication_rules=DirectoryRules(config.room_list_publication_rules),
            default_room_version=config.default_room_version,
            encrypted_presets=ENCRYPTED_PRESETS[config.encryption_enabled_by_default_for_room_type],
            power_levels=config.default_power_level_content_override,
        ),
        graph=graph,
        history=history,
        invitations=invitations,
        leave_rules=leave_rules,
        member_content=member_content,
        device_lists=device_lists,
        ephemeral=ephemeral,
        feeds=feeds,
        erased=erased,
        memberships=memberships,
        messages=messages,
        new_rooms=new_rooms,
        of_user=of_user,
        outliers=outliers,
        outside_memberships=OutsideMemberships(rooms=rooms, appender=appender),
        presence_status=PresenceStatus(
            tracker=ephemeral.presence, feeds=feeds, clock=clock, share_room=of_user.share_room
        ),
        purge=purge,
        purge_history=purge_history,
        profile_changes=ProfileChanges(rooms=rooms, writer=writer, member_content=member_content),
        event_reading=EventReading(rooms=rooms, history=history, messages=messages),
        state_reading=StateReading(rooms=rooms, access=access, member_lists=member_lists),
        notifications=Notifications(
            rooms=rooms,
            feeds=feeds,
            notifying=ephemeral.notifying,
            unread=ephemeral.unread,
            serving=serving,
        ),
        read_markers=ReadMarkers(rooms=rooms, receipts=ephemeral.receipts, account_data=account_data),
        rooms=rooms,
        restricted_joins=restricted_joins,
        relations=Relations(rooms=rooms, history=history, messages=messages, ignored_users=ignored_users),
        serving=serving,
        sending=Sending(
            rooms=rooms,
            writer=writer,
            transactions=transactions,
            relation_checks=RelationChecks(rooms=rooms, appender=appender),
            invitations=invitations,
            member_content=member_content,
            restricted_joins=restricted_joins,
            leave_rules=leave_rules,
            messages=limiters["rc_message"],
            admin_redactions=limiters["rc_admin_redaction"],
        ),
        sync=sync,
        thread_list=ThreadList(
            rooms=rooms,
            history=history,
            messages=messages,
            aggregations=aggregations,
            ignored_users=ignored_users,
        ),
        timeline=scan,
        transactions=transactions,
        writer=writer,
    )
