"""The rooms in which users are told what the server has to say."""

from ranvier.db.engine import Reader
from ranvier.store.rooms import INVITE, JOIN


async def of_user(db: Reader, *, user_nid: int, sender_nid: int, sender: str) -> str | None:
    """The newest room that the sender of notices has made and is in, and that the user is in or invited to."""
    room_id: str | None = await db.value(
        "SELECT r.room_id FROM local_members u"
        " JOIN local_members s ON s.room_nid = u.room_nid AND s.user_nid = $2 AND s.membership = $4"
        " JOIN rooms r ON r.room_nid = u.room_nid AND r.creator = $3"
        " WHERE u.user_nid = $1 AND u.membership IN ($4, $5) ORDER BY u.room_nid DESC LIMIT 1",
        user_nid,
        sender_nid,
        sender,
        JOIN,
        INVITE,
    )
    return room_id
