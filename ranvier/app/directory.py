"""Builds what shows rooms from outside, and the small services beside them."""

from dataclasses import dataclass

from ranvier.api.client.directory import DirectoryApi
from ranvier.api.client.hierarchy import HierarchyApi
from ranvier.api.client.initial_sync import InitialSyncApi
from ranvier.api.client.mutual_rooms import MutualRoomsApi
from ranvier.api.client.openid import OpenIdApi
from ranvier.api.client.public_rooms import PublicRoomsApi
from ranvier.api.client.report import ReportApi
from ranvier.api.client.room_summary import RoomSummaryApi
from ranvier.api.client.room_upgrade import RoomUpgradeApi
from ranvier.api.client.third_party import ThirdPartyApi
from ranvier.api.client.timestamp_to_event import TimestampToEventApi
from ranvier.api.client.voip import VoipApi
from ranvier.app.rooms import RoomServices
from ranvier.config.model import Config
from ranvier.http.route import Route
from ranvier.ports import Clock, Random
from ranvier.rooms.aliases import Aliases
from ranvier.rooms.directory_rules import DirectoryRules
from ranvier.rooms.event_stream import EventStream
from ranvier.rooms.hierarchy import Hierarchy
from ranvier.rooms.initial_sync import InitialSync
from ranvier.rooms.mutual import MutualRooms
from ranvier.rooms.public_rooms import PublicRooms
from ranvier.rooms.report import Reports
from ranvier.rooms.summary import Summaries
from ranvier.rooms.timestamp_to_event import TimestampToEvent
from ranvier.rooms.upgrade import Upgrades
from ranvier.users.application_services import ApplicationServices
from ranvier.users.openid import OpenId
from ranvier.users.turn import Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryServices:
    """What the API modules about rooms seen from outside call."""

    aliases: Aliases
    event_stream: EventStream
    hierarchy: Hierarchy
    initial_sync: InitialSync
    mutual_rooms: MutualRooms
    openid: OpenId
    public_rooms: PublicRooms
    reports: Reports
    summaries: Summaries
    timestamp_to_event: TimestampToEvent
    turn: Turn
    upgrades: Upgrades


def build_directory(
    *, config: Config, clock: Clock, random: Random, rooms: RoomServices, services: ApplicationServices | None = None
) -> DirectoryServices:
    """Every object about rooms seen from outside."""
    event_stream = EventStream(
        rooms=rooms.rooms,
        appender=rooms.appender,
        history=rooms.history,
        timeline=rooms.timeline,
        messages=rooms.messages,
        clock=clock,
    )
    rooms.appender.listeners.append(event_stream.on_commit)
    return DirectoryServices(
        aliases=Aliases(
            rooms=rooms.rooms,
            writer=rooms.writer,
            access=rooms.access,
            rules=DirectoryRules(config.alias_creation_rules),
            require_membership=config.require_membership_for_aliases,
            services=services,
        ),
        event_stream=event_stream,
        hierarchy=Hierarchy(rooms=rooms.rooms),
        initial_sync=InitialSync(
            rooms=rooms.rooms, appender=rooms.appender, messages=rooms.messages, reading=rooms.state_reading
        ),
        mutual_rooms=MutualRooms(rooms=rooms.rooms),
        openid=OpenId(db=rooms.rooms.db, clock=clock, random=random),
        public_rooms=PublicRooms(
            rooms=rooms.rooms,
            rules=DirectoryRules(config.room_list_publication_rules),
            searchable=config.enable_room_list_search,
        ),
        reports=Reports(rooms=rooms.rooms, history=rooms.history, clock=clock, server_name=config.server_name),
        summaries=Summaries(rooms=rooms.rooms),
        timestamp_to_event=TimestampToEvent(rooms=rooms.rooms, history=rooms.history),
        turn=Turn(config=config.turn, clock=clock),
        upgrades=Upgrades(
            rooms=rooms.rooms,
            writer=rooms.writer,
            member_content=rooms.member_content,
            new_rooms=rooms.new_rooms,
            carry_over=rooms.carry_over,
        ),
    )


def directory_routes(*, config: Config, directory: DirectoryServices, rooms: RoomServices) -> list[Route]:
    """The routes of these services."""
    return [
        *DirectoryApi(aliases=directory.aliases).routes(),
        *PublicRoomsApi(
            public_rooms=directory.public_rooms,
            server_name=config.server_name,
            without_auth=config.allow_public_rooms_without_auth,
        ).routes(),
        *RoomUpgradeApi(upgrades=directory.upgrades).routes(),
        *InitialSyncApi(
            initial_sync=directory.initial_sync, stream=directory.event_stream, reading=rooms.event_reading
        ).routes(),
        *HierarchyApi(hierarchy=directory.hierarchy).routes(),
        *RoomSummaryApi(summaries=directory.summaries, aliases=directory.aliases).routes(),
        *MutualRoomsApi(mutual_rooms=directory.mutual_rooms).routes(),
        *TimestampToEventApi(finding=directory.timestamp_to_event).routes(),
        *ReportApi(reports=directory.reports).routes(),
        *ThirdPartyApi().routes(),
        *VoipApi(turn=directory.turn, guests=config.turn.allow_guests).routes(),
        *OpenIdApi(openid=directory.openid, server_name=config.server_name).routes(),
    ]
