"""Builds what other servers may ask, and what asks them on behalf of clients: history, rooms, profiles, keys."""

from dataclasses import dataclass

from ranvier.api.federation.hierarchy import HierarchyApi
from ranvier.api.federation.history import HistoryApi
from ranvier.api.federation.public_rooms import PublicRoomsApi
from ranvier.api.federation.query import QueryApi
from ranvier.api.federation.state import StateApi
from ranvier.api.federation.user_keys import UserKeysApi
from ranvier.app.accounts import UserServices
from ranvier.app.directory import DirectoryServices
from ranvier.app.e2ee import E2eeServices
from ranvier.app.federation_admission import admitted
from ranvier.app.rooms import RoomServices
from ranvier.config.model import Config
from ranvier.federation.admission import Admission
from ranvier.federation.ask_directory import DirectoryAsking
from ranvier.federation.ask_keys import KeyAsking
from ranvier.federation.ask_moments import MomentAsking
from ranvier.federation.ask_profiles import ProfileAsking
from ranvier.federation.ask_spaces import SpaceAsking
from ranvier.federation.auth_chain import AuthChains
from ranvier.federation.backfill import Backfill
from ranvier.federation.client import FederationClient
from ranvier.federation.gaps import Gaps
from ranvier.federation.participants import Participants
from ranvier.federation.predecessors import Predecessors
from ranvier.federation.screening import Screens
from ranvier.federation.serve_hierarchy import HierarchyServing
from ranvier.federation.serve_history import HistoryServing
from ranvier.federation.serve_keys import KeyServing
from ranvier.federation.serve_state import StateServing
from ranvier.federation.server_members import ServerMembers
from ranvier.federation.visibility import ServerVisibility
from ranvier.http.route import Route
from ranvier.ports import Clock
from ranvier.rooms.remote_rooms import HostsOf


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryServices:
    """What answers other servers."""

    hierarchy: HierarchyServing
    history: HistoryServing
    keys: KeyServing
    state: StateServing
    visibility: ServerVisibility


def build_queries(
    *, config: Config, rooms: RoomServices, e2ee: E2eeServices, directory: DirectoryServices, hosts_of: HostsOf
) -> QueryServices:
    """Every object that answers other servers."""
    db = rooms.rooms.db
    members = ServerMembers(db=db)
    rooms.appender.listeners.append(members.on_commit)
    participants = Participants(rooms=rooms.rooms, hosts_of=hosts_of, server_name=config.server_name)
    visibility = ServerVisibility(rooms=rooms.rooms, history=rooms.history, members=members, erased=rooms.erased)
    directory.aliases.hosts_of = hosts_of
    return QueryServices(
        hierarchy=HierarchyServing(rooms=rooms.rooms, hosts_of=hosts_of, server_name=config.server_name),
        history=HistoryServing(
            rooms=rooms.rooms,
            participants=participants,
            visibility=visibility,
            predecessors=Predecessors(rooms=rooms.rooms),
            finding=directory.timestamp_to_event,
        ),
        keys=KeyServing(
            db=db,
            queries=e2ee.queries,
            claims=e2ee.claims,
            server_name=config.server_name,
            shows_device_names=config.federation.shows_device_names,
        ),
        state=StateServing(
            rooms=rooms.rooms, participants=participants, visibility=visibility, auth_chains=AuthChains(db=db)
        ),
        visibility=visibility,
    )


def query_routes(
    *,
    config: Config,
    clock: Clock,
    users: UserServices,
    directory: DirectoryServices,
    queries: QueryServices,
    admission: Admission,
) -> list[Route]:
    """The routes of these services, each server's requests as fast as the configuration lets them be."""
    routes = [
        *HistoryApi(history=queries.history, clock=clock, server_name=config.server_name).routes(),
        *StateApi(state=queries.state).routes(),
        *HierarchyApi(hierarchy=queries.hierarchy).routes(),
        *UserKeysApi(keys=queries.keys).routes(),
        *PublicRoomsApi(public_rooms=directory.public_rooms, is_shown=config.federation.shows_public_rooms).routes(),
        *QueryApi(
            aliases=directory.aliases,
            profiles=users.profiles,
            server_name=config.server_name,
            shows_profiles=config.federation.shows_profiles,
        ).routes(),
    ]
    return admitted(routes, admission)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What asks other servers with."""

    client: FederationClient
    screens: Screens
    gaps: Gaps
    backfill: Backfill
    hosts_of: HostsOf


def build_asking(
    *,
    config: Config,
    clock: Clock,
    asking: Asking,
    rooms: RoomServices,
    users: UserServices,
    e2ee: E2eeServices,
    directory: DirectoryServices,
) -> KeyAsking:
    """Lets the services of clients ask other servers. What is returned also fetches whole device lists."""
    names = DirectoryAsking(client=asking.client)
    directory.aliases.remote = names
    directory.public_rooms.remote = names
    spaces = SpaceAsking(client=asking.client, clock=clock, server_name=config.server_name)
    rooms.appender.listeners.append(spaces.on_commit)
    directory.hierarchy.remote = spaces
    directory.summaries.remote = spaces
    directory.timestamp_to_event.remote = MomentAsking(
        client=asking.client,
        screens=asking.screens,
        gaps=asking.gaps,
        known=asking.backfill,
        hosts_of=asking.hosts_of,
        server_name=config.server_name,
    )
    users.profiles.remote = ProfileAsking(client=asking.client, clock=clock)
    keys = KeyAsking(client=asking.client)
    e2ee.queries.remote = keys
    e2ee.claims.remote = keys
    return keys
