"""Which devices of this server's users a message goes to."""

from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Any, Final

from ranvier.db.engine import Reader
from ranvier.store import to_device as store

EVERY_DEVICE: Final = "*"
USERS: Final = 20_000


class Recipients:
    """Remembers devices that exist, so that who writes to the same ones again asks the database nothing.

    Devices that are added are not told of here; so a message for every device, or for one that is not known, is looked
    up.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, Collection[str]] = OrderedDict()

    async def devices(self, db: Reader, messages: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Collection[str]]:
        """By user at least the devices that are written to and exist. At most one statement."""
        known = self._known
        missing = [user_id for user_id, by_device in messages.items() if not self._knows(user_id, by_device)]
        if missing:
            known.update(await store.devices_of(db, missing))
        found = {user_id: known[user_id] for user_id in messages if user_id in known}
        while len(known) > USERS:
            known.popitem(last=False)
        return found

    def forget(self, user_id: str) -> None:
        """Devices of this user have been removed."""
        self._known.pop(user_id, None)

    def _knows(self, user_id: str, device_ids: Collection[str]) -> bool:
        known = self._known.get(user_id)
        return known is not None and EVERY_DEVICE not in device_ids and all(id in known for id in device_ids)
