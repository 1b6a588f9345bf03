"""Who has got an account lately, and what they have done since; for administrators who look for abuse."""

from collections import defaultdict
from dataclasses import dataclass, field

from ranvier.db.engine import Reader

_JOINED, _INVITED = 1, 2


@dataclass(slots=True)
class Signup:
    """An account and its traces. Times are milliseconds since 1970."""

    user_id: str
    creation_ts: int
    is_guest: bool
    appservice_id: str | None
    threepids: list[str] = field(default_factory=list)
    """Such as `email:a@example.org`."""
    addresses: dict[str, str | None] = field(default_factory=dict)
    """By IP address the user agent that was seen there last."""
    public_rooms: int = 0
    """Rooms in the directory that the user has made."""
    private_rooms: int = 0
    joined: int = 0
    invitations: int = 0
    """Open ones, to the user."""


async def signups_since(db: Reader, since_ts: int) -> list[Signup]:
    """Accounts that are not deactivated, oldest first. Five statements however many there are."""
    rows = await db.all(
        "SELECT name, creation_ts, is_guest, appservice_id FROM users"
        " WHERE creation_ts >= $1 AND deactivated = 0 ORDER BY creation_ts, name",
        since_ts,
    )
    found = {row[0]: Signup(row[0], row[1], bool(row[2]), row[3]) for row in rows}
    if found:
        await _add_identity(db, found)
        await _add_rooms(db, found)
    return list(found.values())


async def _add_identity(db: Reader, found: dict[str, Signup]) -> None:
    names = list(found)
    for user_id, medium, address in await db.all(
        "SELECT user_id, medium, address FROM user_threepids WHERE user_id = ANY($1) ORDER BY medium, address", names
    ):
        found[user_id].threepids.append(f"{medium}:{address}")
    for user_id, address, agent in await db.all(
        "SELECT user_id, last_seen_ip, last_seen_user_agent FROM devices"
        " WHERE user_id = ANY($1) AND last_seen_ip IS NOT NULL ORDER BY last_seen_ts",
        names,
    ):
        found[user_id].addresses[address] = agent


async def _add_rooms(db: Reader, found: dict[str, Signup]) -> None:
    names = list(found)
    for creator, is_public, number in await db.all(
        "SELECT creator, is_public, COUNT(*) FROM rooms WHERE creator = ANY($1) GROUP BY creator, is_public", names
    ):
        if is_public:
            found[creator].public_rooms = number
        else:
            found[creator].private_rooms = number
    counts: defaultdict[tuple[str, int], int] = defaultdict(int)
    for user_id, membership, number in await db.all(
        "SELECT k.state_key, m.membership, COUNT(*) FROM state_keys k JOIN local_members m ON m.user_nid = k.key_id"
        " WHERE k.state_key = ANY($1) AND k.type = 'm.room.member' GROUP BY k.state_key, m.membership",
        names,
    ):
        counts[user_id, membership] = number
    for signup in found.values():
        signup.joined = counts[signup.user_id, _JOINED]
        signup.invitations = counts[signup.user_id, _INVITED]
