"""Builds what administrators use: accounts, tokens, reports, other servers, work in the background."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ranvier.api.admin.background_updates import BackgroundUpdatesApi
from ranvier.api.admin.destinations import DestinationsApi
from ranvier.api.admin.event_reports import EventReportsApi
from ranvier.api.admin.find_users import FindUsersApi
from ranvier.api.admin.keys import KeysApi
from ranvier.api.admin.redact_user import RedactUserApi
from ranvier.api.admin.registration_tokens import RegistrationTokensApi
from ranvier.api.admin.scheduled_tasks import ScheduledTasksApi
from ranvier.api.admin.server_notices import ServerNoticesApi
from ranvier.api.admin.statistics import StatisticsApi
from ranvier.api.admin.user_access import UserAccessApi
from ranvier.api.admin.user_account import UserAccountApi
from ranvier.api.admin.user_devices import UserDevicesApi
from ranvier.api.admin.user_rooms import UserRoomsApi
from ranvier.api.admin.users import UsersApi
from ranvier.app.accounts import UserServices
from ranvier.app.directory import DirectoryServices
from ranvier.app.e2ee import E2eeServices
from ranvier.app.federation import FederationServices
from ranvier.app.rooms import RoomServices
from ranvier.config.model import Config
from ranvier.federation.destination_status import DestinationStatus
from ranvier.http.route import Route
from ranvier.ports import Clock, Random
from ranvier.rooms.redact_user import UserRedactions
from ranvier.rooms.server_notices import ServerNotices
from ranvier.rooms.user_activity import UserActivity
from ranvier.users.background_updates import BackgroundUpdates
from ranvier.users.experiments import Experiments
from ranvier.users.scheduled_tasks import ScheduledTasks


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminServices:
    """What the admin API calls beside the services of others, and what has to run."""

    activity: UserActivity
    experiments: Experiments
    redactions: UserRedactions
    tasks: ScheduledTasks
    updates: BackgroundUpdates


def build_admin(
    *, config: Config, clock: Clock, random: Random, users: UserServices, rooms: RoomServices
) -> AdminServices:
    """Every object for administrators."""
    db = rooms.rooms.db
    tasks = ScheduledTasks(db=db, clock=clock, random=random)
    users.administration.announce = rooms.profile_changes.announce
    updates = BackgroundUpdates(db=db, clock=clock, config=config.background_updates)
    # What is known of a room is brought up to date with each of its changes: there is nothing to be made anew.
    updates.define_job("populate_stats_process_rooms")
    return AdminServices(
        activity=UserActivity(rooms=rooms.rooms, clock=clock),
        experiments=Experiments(db=db),
        redactions=UserRedactions(rooms=rooms.rooms, writer=rooms.writer, clock=clock, tasks=tasks),
        tasks=tasks,
        updates=updates,
    )


def admin_routes(
    *,
    admin: AdminServices,
    clock: Clock,
    users: UserServices,
    rooms: RoomServices,
    e2ee: E2eeServices,
    directory: DirectoryServices,
    federation: FederationServices,
    notices: ServerNotices | None,
    leave_rooms: Callable[[str], Awaitable[None]],
) -> list[Route]:
    """The routes for administrators of users and the server."""
    accounts = users.administration
    status = DestinationStatus(db=rooms.rooms.db, clock=clock, health=federation.health, sender=federation.sender)
    return [
        *UsersApi(administration=accounts).routes(),
        *UserAccountApi(administration=accounts, leave_rooms=leave_rooms).routes(),
        *UserAccessApi(administration=accounts, leave_rooms=leave_rooms).routes(),
        *UserDevicesApi(administration=accounts, devices=users.devices).routes(),
        *UserRoomsApi(administration=accounts, activity=admin.activity, pushers=users.pushers).routes(),
        *FindUsersApi(administration=accounts, experiments=admin.experiments).routes(),
        *KeysApi(administration=accounts, cross_signing=e2ee.cross_signing).routes(),
        *RedactUserApi(redactions=admin.redactions).routes(),
        *RegistrationTokensApi(tokens=users.registration_tokens).routes(),
        *EventReportsApi(reports=directory.reports).routes(),
        *DestinationsApi(status=status).routes(),
        *BackgroundUpdatesApi(updates=admin.updates).routes(),
        *StatisticsApi(activity=admin.activity, events=rooms.cache).routes(),
        *ScheduledTasksApi(tasks=admin.tasks).routes(),
        *ServerNoticesApi(notices=notices, administration=accounts, transactions=rooms.transactions).routes(),
    ]
