"""Builds what administrators use for rooms."""

from functools import partial

from ranvier.api.admin.delete_room import DeleteRoomApi
from ranvier.api.admin.purge_history import PurgeHistoryApi
from ranvier.api.admin.room_control import RoomControlApi
from ranvier.api.admin.room_history import RoomHistoryApi
from ranvier.api.admin.rooms import AdminRoomsApi
from ranvier.app.accounts import UserServices
from ranvier.app.federation import FederationServices
from ranvier.app.rooms import RoomServices
from ranvier.http.route import Route
from ranvier.ports import Clock
from ranvier.rooms.context import Context
from ranvier.rooms.delete_room import RoomDeletion
from ranvier.rooms.hierarchy import Hierarchy
from ranvier.rooms.history_purges import HistoryPurges
from ranvier.rooms.messages import Messages
from ranvier.rooms.read_event import EventReading
from ranvier.rooms.room_administration import RoomAdministration
from ranvier.rooms.timeline_scan import TimelineScan
from ranvier.rooms.timestamp_to_event import TimestampToEvent
from ranvier.rooms.unrestricted_history import UnrestrictedHistory
from ranvier.users.ignored_users import IgnoredUsers
from ranvier.users.scheduled_tasks import ScheduledTasks


def admin_room_routes(
    *, clock: Clock, users: UserServices, rooms: RoomServices, federation: FederationServices, tasks: ScheduledTasks
) -> list[Route]:
    """The routes for administrators of rooms."""
    administration = RoomAdministration(
        rooms=rooms.rooms,
        writer=rooms.writer,
        accounts=users.administration,
        entering=federation.handshakes.memberships,
        tidy=partial(federation.tidying.tidy, most=1),
    )
    deletion = RoomDeletion(
        rooms=rooms.rooms,
        writer=rooms.writer,
        accounts=users.administration,
        blocked=rooms.blocked,
        create=rooms.creating.create_room,
        members=federation.handshakes.memberships,
        purge=rooms.purge,
        tasks=tasks,
        clock=clock,
    )
    purges = HistoryPurges(rooms=rooms.rooms, purge=rooms.purge_history, tasks=tasks)
    return [
        *PurgeHistoryApi(purges=purges).routes(),
        *DeleteRoomApi(deletion=deletion).routes(),
        *AdminRoomsApi(rooms=administration).routes(),
        *_history(users, rooms).routes(),
        *RoomControlApi(rooms=administration, blocked=rooms.blocked).routes(),
    ]


def _history(users: UserServices, rooms: RoomServices) -> RoomHistoryApi:
    """What clients read rooms with, without what keeps them from doing so."""
    history = UnrestrictedHistory(rooms=rooms.rooms)
    scan = TimelineScan(rooms=rooms.rooms, history=history, ignored_users=IgnoredUsers(account_data=users.account_data))
    messages = Messages(rooms=rooms.rooms, history=history, timeline=scan, serving=rooms.serving)
    return RoomHistoryApi(
        messages=messages,
        context=Context(rooms=rooms.rooms, history=history, timeline=scan, messages=messages),
        reading=EventReading(rooms=rooms.rooms, history=history, messages=messages),
        finding=TimestampToEvent(rooms=rooms.rooms, history=history),
        hierarchy=Hierarchy(rooms=rooms.rooms),
    )
