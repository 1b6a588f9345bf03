"""Which devices of this server's users a message goes to."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from ranvier.db.engine import Reader
from ranvier.store import to_device as store
from ranvier.store.to_device import Device

EVERY_DEVICE: Final = "*"
USERS: Final = 20_000
_NONE: Final = frozenset[str]()


class Recipients:
    """Remembers devices that exist, so that who writes to the same ones again asks the database nothing.

    Devices that are added are not told of here; so a message for every device, or for one that is not known, is looked
    up.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, frozenset[str]] = OrderedDict()

    async def addressed(self, db: Reader, messages: dict[Device, bytes]) -> dict[Device, bytes]:
        """What goes into which inbox, of messages for devices or `*`. At most one statement."""
        known = self._known
        missing = {user_id for user_id, device_id in messages if device_id not in known.get(user_id, _NONE)}
        if not missing:
            return messages
        await self._look_up(db, missing)
        found = _addressed(messages, known)
        while len(known) > USERS:
            known.popitem(last=False)
        return found

    async def _look_up(self, db: Reader, user_ids: Iterable[str]) -> None:
        for user_id, device_ids in (await store.devices_of(db, list(user_ids))).items():
            # A device that is called like all of them can only be written to with all of them.
            self._known[user_id] = frozenset(device_ids) - {EVERY_DEVICE}

    def forget(self, user_id: str) -> None:
        """Devices of this user have been removed."""
        self._known.pop(user_id, None)


def _addressed(messages: dict[Device, bytes], known: Mapping[str, Collection[str]]) -> dict[Device, bytes]:
    """One message a device, that for the device itself before the one for all."""
    found: dict[Device, bytes] = {}
    for (user_id, device_id), content in messages.items():
        if device_id == EVERY_DEVICE:
            for each in known.get(user_id, ()):
                found.setdefault((user_id, each), content)
        elif device_id in known.get(user_id, ()):
            found[user_id, device_id] = content
    return found
