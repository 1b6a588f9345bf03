"""The stream of device-list changes: when each user's devices or cross-signing keys last changed.

Only the last change of a user is kept: a reader asks for everything after a position and up to now.
"""

from collections.abc import Collection

from ranvier.db.engine import Reader, Tx
from ranvier.store.reserved_positions import reserved_pos
from ranvier.store.rooms import JOIN


async def save(tx: Tx, user_id: str, stream_pos: int) -> None:
    """A user's devices or cross-signing keys have changed. Of changes that meet, the last position stays."""
    await tx.run(
        "INSERT INTO device_list_changes (user_id, stream_pos) VALUES ($1, $2)"
        " ON CONFLICT (user_id) DO UPDATE SET stream_pos = excluded.stream_pos"
        " WHERE device_list_changes.stream_pos < excluded.stream_pos",
        user_id,
        stream_pos,
    )


async def save_signed(tx: Tx, signer: str, target: str, stream_pos: int) -> None:
    """A user has signed another one's key, which only the signer can see."""
    await tx.run(
        "INSERT INTO user_signature_changes (signer, target, stream_pos) VALUES ($1, $2, $3)"
        " ON CONFLICT (signer, target) DO UPDATE SET stream_pos = excluded.stream_pos"
        " WHERE user_signature_changes.stream_pos < excluded.stream_pos",
        signer,
        target,
        stream_pos,
    )


async def greatest_pos(db: Reader) -> int:
    """The last position that was given out, 0 if there is none."""
    pos: int = await db.value(
        "SELECT MAX(stream_pos) FROM (SELECT MAX(stream_pos) AS stream_pos FROM device_list_changes"
        " UNION ALL SELECT MAX(stream_pos) FROM user_signature_changes) AS both_streams"
    )
    return max(pos or 0, await reserved_pos(db, "device_lists"))


async def last_change(db: Reader, user_id: str) -> int:
    """The position of a user's last change, 0 if there is none."""
    pos: int | None = await db.value("SELECT stream_pos FROM device_list_changes WHERE user_id = $1", user_id)
    return pos or 0


async def changes(db: Reader, user_id: str, room_nids: Collection[int], after_pos: int) -> dict[str, int]:
    """Whose devices have changed after a position, of the user and those joined to these rooms. One statement.

    Those whose keys the user has signed since are among them.
    """
    rows = await db.all(
        "SELECT d.user_id, d.stream_pos FROM device_list_changes d WHERE d.stream_pos > $2 AND (d.user_id = $1"
        " OR EXISTS (SELECT 1 FROM state_keys k JOIN room_current c ON c.key_id = k.key_id"
        " WHERE k.state_key = d.user_id AND k.type = 'm.room.member' AND c.room_nid = ANY($3) AND c.membership = $4))"
        " UNION ALL SELECT target, stream_pos FROM user_signature_changes WHERE signer = $1 AND stream_pos > $2",
        user_id,
        after_pos,
        list(room_nids),
        JOIN,
    )
    found: dict[str, int] = {}
    for changed, stream_pos in rows:
        found[changed] = max(stream_pos, found.get(changed, 0))
    return found
