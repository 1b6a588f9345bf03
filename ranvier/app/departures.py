"""Lets rooms know of users who have left for good."""

from ranvier.app.accounts import UserServices
from ranvier.app.rooms import RoomServices
from ranvier.rooms.departures import Departures


def build_departures(users: UserServices, rooms: RoomServices) -> Departures:
    """Connect the deactivation of accounts with rooms: users leave them, and what they said is hidden if they want it."""
    changes, erased = users.account_changes, rooms.erased
    departures = Departures(db=rooms.rooms.db, leave_all=rooms.of_user.leave_all)
    changes.deactivation_steps.append(departures.begin)
    changes.reactivation_steps.append(departures.call_off)
    changes.erasure_steps.append(erased.erase)
    changes.reactivation_steps.append(erased.restore)
    changes.on_changed.append(erased.reload)
    return departures
