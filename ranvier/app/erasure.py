"""Lets rooms know of users who want to be forgotten."""

from ranvier.app.accounts import UserServices
from ranvier.app.rooms import RoomServices


def forget_the_erased(users: UserServices, rooms: RoomServices) -> None:
    """Connect the accounts with what rooms show."""
    changes, erased = users.account_changes, rooms.erased
    changes.erasure_steps.append(erased.erase)
    changes.reactivation_steps.append(erased.restore)
    changes.on_changed.append(erased.reload)
