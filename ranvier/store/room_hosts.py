"""Which servers have members in a room, counted from its current state."""

from dataclasses import dataclass, field

from ranvier.db.engine import Database
from ranvier.store.state_keys import MEMBER_KEYS


@dataclass(slots=True)
class Page:
    """Some of a room's members, by server."""

    last_pos: int
    """The room's last position when they were counted."""
    state_no: int
    """The number of the state they belong to."""
    joined: dict[str, int] = field(default_factory=dict)
    """How many are joined, by server."""
    entries: int = 0
    """How many members of any membership were looked at."""
    last_key: int = MEMBER_KEYS - 1
    """The greatest of their numbers."""


async def count(db: Database, room_nid: int, *, after_key: int, limit: int) -> Page | None:
    """The next `limit` members, joined or not; `None` for a room without a head. One statement."""
    position = "instr" if db.dialect == "sqlite" else "strpos"
    rows = await db.all(
        "SELECT h.last_pos, h.state_no, c.server, c.joined, c.entries, c.last_key FROM room_heads h LEFT JOIN ("
        f" SELECT substr(k.state_key, {position}(k.state_key, ':') + 1) AS server,"
        " SUM(CASE WHEN m.membership = 1 THEN 1 ELSE 0 END) AS joined, COUNT(*) AS entries, MAX(m.key_id) AS last_key"
        " FROM (SELECT key_id, membership FROM room_current WHERE room_nid = $1 AND key_id > $2"
        " ORDER BY key_id LIMIT $3) m JOIN state_keys k ON k.key_id = m.key_id GROUP BY 1) c ON 1 = 1"
        " WHERE h.room_nid = $1",
        room_nid,
        after_key,
        limit,
    )
    if not rows:
        return None
    page = Page(last_pos=rows[0][0], state_no=rows[0][1], last_key=after_key)
    for _, _, server, joined, entries, last_key in rows:
        if server is not None:
            page.entries += entries
            page.last_key = max(page.last_key, last_key)
            if joined:
                page.joined[server] = joined
    return page
