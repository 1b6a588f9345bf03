"""`export-data <user_id>`: everything that the server keeps of a user, as files.

Manual: "Exporting user data". Runs beside the server, writes nothing into its database, and goes on where it was
interrupted when it is started again with the same folder.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import orjson

from ranvier.cli.export_folder import ExportFolder, folder_name
from ranvier.cli.export_rooms import RoomExport
from ranvier.cli.opening import CommandError, open_existing, read_config
from ranvier.cli.parser import CommandParser, add_config_option
from ranvier.cli.progress import Progress
from ranvier.cli.running import run_command
from ranvier.db.engine import Database
from ranvier.store import account_data, devices, media_lists, profiles, users
from ranvier.store import events as event_store
from ranvier.store import rooms as room_store
from ranvier.store.account_data import GLOBAL
from ranvier.store.state_keys import StateKeys


def main(argv: Sequence[str] | None = None) -> int:
    """Export; the exit status."""
    parser = CommandParser("ranvier export-data", "Write everything that the server keeps of a user into a folder.")
    add_config_option(parser)
    add_export_arguments(parser)
    return export_data(parser.parse_args(argv))


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    """The user, and where to."""
    parser.add_argument("user_id", help="the full user ID, such as @alice:example.org")
    parser.add_argument(
        "--output-directory",
        metavar="DIR",
        help="a folder that is empty or not there yet, or one of an interrupted export, which goes on (a new one among the temporary files)",
    )


def export_data(given: argparse.Namespace) -> int:
    """Do what was asked for; the exit status."""
    return run_command("export-data", _export(given.config_path, given.user_id, given.output_directory))


async def _export(config_paths: Sequence[str] | None, user_id: str, output: str | None) -> int:
    config = read_config(config_paths)
    _check_user_id(user_id, config.server_name)
    async with open_existing(config.database) as db:
        user = await users.by_id(db, user_id)
        if user is None:
            raise CommandError(f"there is no user {user_id} here")
        path = Path(output or tempfile.mkdtemp(prefix="ranvier-export-"))
        _, upto_pos = await event_store.greatest_numbers(db)
        folder = ExportFolder.begin(path, user_id, upto_pos=upto_pos)
        await _write_account(db, folder, user)
        rooms, events = await _write_rooms(db, folder, user_id)
        folder.end()
    print(f"{user_id}: {events} events of {rooms} rooms written", file=sys.stderr)
    print(path)
    return 0


def _check_user_id(user_id: str, server_name: str) -> None:
    localpart, colon, domain = user_id[1:].partition(":")
    if not user_id.startswith("@") or not localpart or not colon or not domain:
        name = user_id.lstrip("@").partition(":")[0] or "alice"
        raise CommandError(f"{user_id} is not a full user ID; write @{name}:{server_name}")
    if domain != server_name:
        raise CommandError(f"{user_id} is not a user of {server_name}")


async def _write_account(db: Database, folder: ExportFolder, user: users.UserRow) -> None:
    await _write_profile(db, folder, user)
    own = await devices.of_user(db, user.user_id)
    folder.write_lines(
        "user_data/devices",
        [
            {"device_id": device.device_id, "display_name": device.display_name, "last_seen_ts": device.last_seen_ts}
            for device in own
        ],
    )
    folder.write_lines(
        "user_data/connections",
        [
            {
                "device_id": device.device_id,
                "ip": device.last_seen_ip,
                "user_agent": device.last_seen_user_agent,
                "last_seen": device.last_seen_ts,
            }
            for device in own
            if device.last_seen_ip is not None
        ],
    )
    by_room: dict[str, dict[str, object]] = {GLOBAL: {}}
    for datum in await account_data.of_user(db, user.user_id):
        by_room.setdefault(datum.room_id, {})[datum.type] = orjson.loads(datum.content)
    for room_id, content in by_room.items():
        folder.write(f"user_data/account_data/{folder_name(room_id) or 'global'}", content)
    (folder.path / "media_ids").mkdir(mode=0o700, exist_ok=True)
    await _write_media(db, folder, user.user_id)


async def _write_media(db: Database, folder: ExportFolder, user_id: str) -> None:
    """What is known of the user's uploads; the files themselves are in the media store."""
    limit = 1 << 62
    uploads, _ = await media_lists.of_user(db, user_id, order="created_ts", backwards=False, offset=0, limit=limit)
    for medium in uploads:
        folder.write(
            f"media_ids/{medium.media_id}",
            {
                "media_id": medium.media_id,
                "media_type": medium.content_type,
                "media_length": medium.size_bytes,
                "upload_name": medium.upload_name,
                "created_ts": medium.created_ts,
                "last_access_ts": medium.last_access_ts,
                "quarantined_by": medium.quarantined_by,
                "safe_from_quarantine": medium.is_protected,
            },
        )


async def _write_profile(db: Database, folder: ExportFolder, user: users.UserRow) -> None:
    fields = await profiles.of_user(db, user.user_id) or {}
    folder.write(
        "user_data/profile",
        {
            "user_id": user.user_id,
            "profile": fields,
            "creation_ts": user.creation_ts,
            "user_type": user.user_type,
            "admin": user.is_admin,
            "deactivated": user.deactivated,
        },
    )


async def _write_rooms(db: Database, folder: ExportFolder, user_id: str) -> tuple[int, int]:
    """How many rooms are in the export, and how many events were written this time."""
    keys = await StateKeys.load(db)
    user_nid = await keys.find_user(db, user_id)
    memberships = [] if user_nid is None else await room_store.memberships_of(db, user_nid)
    ids = await room_store.room_ids(db, [one.room_nid for one in memberships])
    number = 0
    with Progress("rooms", len(memberships)) as progress:
        for membership in sorted(memberships, key=lambda one: one.room_nid):
            room_id = ids[membership.room_nid]
            if f"rooms/{folder_name(room_id)}" not in folder.note.done:
                export = RoomExport(
                    db=db, folder=folder, keys=keys, user_id=user_id, room_id=room_id, membership=membership
                )
                number += await export.write()
            progress.advance(doing=room_id)
    return len(memberships), number


if __name__ == "__main__":
    sys.exit(main())
