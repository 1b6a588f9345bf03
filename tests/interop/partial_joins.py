"""Whether a join between Ranvier and Synapse was one with partial state, as both servers' disks and requests tell (MSC3902)."""

import sqlite3
from contextlib import closing
from urllib.parse import quote

from tests.federation_tls.server import FederatingServer
from tests.interop.synapse import SynapseServer


def asked(resident: FederatingServer, room_id: str) -> list[str]:
    """What a Ranvier was asked by other servers about a room: the lines of its log."""
    wanted = f"/{quote(room_id, safe='')}"
    return [line for line in resident.output().splitlines() if "Processed request" in line and wanted in line]


def was_partial(joiner: FederatingServer, room_id: str) -> bool:
    """Whether this server has been in the room with partial state, and is so no more."""
    with closing(sqlite3.connect(f"file:{joiner.folder / 'homeserver.db'}?mode=ro", uri=True)) as db:
        if isinstance(joiner, SynapseServer):
            begun, ended = "partial_state_rooms", "un_partial_stated_room_stream"
        else:
            begun = "partial_state_rooms"
            ended = "(SELECT room_id FROM partial_state_resyncs JOIN rooms USING (room_nid) WHERE done_ts IS NOT NULL)"
        (is_partial,) = db.execute(f"SELECT COUNT(*) FROM {begun} WHERE room_id = ?", [room_id]).fetchone()
        (has_been,) = db.execute(f"SELECT COUNT(*) FROM {ended} WHERE room_id = ?", [room_id]).fetchone()
    return bool(has_been and not is_partial)
