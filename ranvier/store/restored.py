"""What a database needs that comes out of a backup: others have seen what the server did after the backup was made.

Clients hold tokens, other servers numbers, and people keys that this database knows nothing of. None of them may be given
out a second time.
"""

from ranvier.db.engine import Tx
from ranvier.store import account_data, device_lists, events, receipts, to_device
from ranvier.store.reserved_positions import reserve_at_least


async def make_safe(tx: Tx, *, jump: int) -> None:
    """Let every stream go on `jump` positions later, and forget every key that may have been given out since."""
    await _jump_ahead(tx, jump)
    await _tell_device_lists_again(tx, jump)
    await _forget_one_time_keys(tx)


async def _jump_ahead(tx: Tx, jump: int) -> None:
    _, event_pos = await events.greatest_numbers(tx)
    await reserve_at_least(tx, "events", event_pos + jump)
    await reserve_at_least(tx, "account_data", await account_data.greatest_pos(tx) + jump)
    await reserve_at_least(tx, "receipts", await receipts.greatest_pos(tx) + jump)
    await reserve_at_least(tx, "device_lists", await device_lists.greatest_pos(tx) + jump)
    await reserve_at_least(tx, "to_device", await to_device.reserved_pos(tx) + jump)


async def _tell_device_lists_again(tx: Tx, jump: int) -> None:
    """Every device counts as changed, as one that is gone may be known out there, and ours of others as out of date."""
    for table in ("device_list_changes", "user_signature_changes"):
        await tx.run(f"UPDATE {table} SET stream_pos = stream_pos + $1", jump)
    # What is told again differs from what was told: the number before it is one that nobody knows, so that they ask.
    await tx.run("UPDATE announced_devices SET digest = $1 WHERE digest IS NOT NULL", b"")
    await tx.run("UPDATE remote_device_lists SET is_stale = 1")


async def _forget_one_time_keys(tx: Tx) -> None:
    """Clients see that there are none, and upload new ones. Fallback keys stay for those that are away, as used ones."""
    for table in ("one_time_key_queues", "one_time_key_batches"):
        await tx.run(f"DELETE FROM {table}")
    await tx.run("UPDATE fallback_keys SET used = 1")
