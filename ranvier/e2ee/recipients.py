"""Which devices of this server's users a message goes to."""

from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Any, Final

from ranvier.db.engine import Reader
from ranvier.store import to_device as store

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

    async def devices(self, db: Reader, messages: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Collection[str]]:
        """By user at least the devices that are written to and exist. At most one statement."""
        known = self._known
        missing = [
            user_id for user_id, by_device in messages.items() if not by_device.keys() <= known.get(user_id, _NONE)
        ]
        if missing:
            for user_id, device_ids in (await store.devices_of(db, missing)).items():
                known[user_id] = frozenset(device_ids)
        found = {user_id: known[user_id] for user_id in messages if user_id in known}
        while len(known) > USERS:
            known.popitem(last=False)
        return found

    def forget(self, user_id: str) -> None:
        """Devices of this user have been removed."""
        self._known.pop(user_id, None)
