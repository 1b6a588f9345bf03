"""What encryption keeps for a device goes with the device, and what it keeps for a user with the account."""

from collections.abc import Sequence

from ranvier.db.engine import Tx
from ranvier.e2ee.device_lists import DeviceLists
from ranvier.e2ee.inboxes import Inboxes
from ranvier.e2ee.key_counts import KeyCounts
from ranvier.store import cross_signing, dehydrated, device_keys, key_backup, one_time_keys
from ranvier.users.device_removal import Ending


class DeviceCleanup:
    """`remove` is a step of `DeviceRemoval`, `deactivate` one of `AccountChanges.deactivation_steps`."""

    def __init__(self, *, device_lists: DeviceLists, counts: KeyCounts, inboxes: Inboxes) -> None:
        self._device_lists = device_lists
        self._counts = counts
        self._inboxes = inboxes

    async def remove(self, tx: Tx, user_id: str, device_ids: Sequence[str]) -> Ending:
        """Forget keys and messages; if there were keys, the user's device list has changed. At most eleven statements."""
        change = self._device_lists.within(tx)
        had_keys = await device_keys.delete(tx, user_id, device_ids)
        await one_time_keys.delete_of_devices(tx, user_id, device_ids)
        await self._inboxes.remove(tx, user_id, device_ids)
        await dehydrated.delete(tx, user_id, list(device_ids))
        if had_keys:
            await cross_signing.delete_signatures_of(tx, user_id, device_ids)
            await change.changed(user_id)

        async def end(committed: bool) -> None:  # noqa: FBT001
            if committed:
                self._inboxes.forget(user_id, device_ids)
                for device_id in device_ids:
                    self._counts.forget(user_id, device_id)
            await change.end(committed)

        return end

    async def deactivate(self, tx: Tx, user_id: str) -> None:
        """Forget cross-signing keys and backups. Four statements."""
        await cross_signing.delete_of_user(tx, user_id)
        await key_backup.delete_of_user(tx, user_id)
