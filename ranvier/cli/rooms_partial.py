"""`ranvier rooms partial`: how far a running server has come with rooms of which it does not know all members yet.

Asks `/_synapse/admin/v1/partial_state_rooms`, so it needs the access token of an administrator.
"""

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ranvier.cli.parser import CommandParser
from ranvier.cli.progress import Progress

DEFAULT_URL: Final = "http://localhost:8008"
TOKEN_VARIABLE: Final = "RANVIER_ACCESS_TOKEN"
TIMEOUT_S: Final = 30
EVERY_S: Final = 1.0
FETCHING_SHARE: Final = 90
"""Of a hundred parts: the rest is for putting later events into their states, and there are seldom many."""
WHOLE: Final = 100

PartialState = dict[str, Any]


class NotAnswered(Exception):
    """The server did not say; the message is for the person at the terminal."""


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status."""
    given = _parser().parse_args(argv)
    try:
        token = _token(given)
        rooms = ask(given.server_url, token)
        if given.watch and rooms:
            watch(given.server_url, token, rooms)
            return 0
    except NotAnswered as error:
        print(f"ranvier rooms partial: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(*([described(room) for room in rooms] or ["Everything is known of every room."]), sep="\n")
    return 0


def watch(server_url: str, token: str, rooms: Sequence[PartialState]) -> None:
    """Draw how far it is until nothing is left to do. Raises `NotAnswered`."""
    known = {room["room_id"]: 0 for room in rooms}
    drawn = 0
    title = "1 room" if len(known) == 1 else f"{len(known)} rooms"
    with Progress(title, WHOLE * len(known)) as progress:
        while True:
            left = {room["room_id"]: room for room in rooms if room["room_id"] in known}
            for room_id, before in known.items():
                known[room_id] = max(before, share(left[room_id]) if room_id in left else WHOLE)
            done = sum(known.values())
            progress.advance(done - drawn, doing=_doing(list(left.values())))
            drawn = done
            if not left:
                break
            time.sleep(EVERY_S)
            rooms = ask(server_url, token)
    print("Everything is known of " + ("the room." if len(known) == 1 else "the rooms."))


def share(room: PartialState) -> int:
    """How far a room is, in hundredths."""
    if room["stage"] == "replaying":
        events = max(int(room.get("events", 0)), 1)
        return FETCHING_SHARE + (WHOLE - FETCHING_SHARE) * int(room.get("events_replayed", 0)) // events
    expected = int(room.get("bytes_expected", 0))
    return FETCHING_SHARE * min(int(room.get("bytes_fetched", 0)), expected) // expected if expected else 0


def described(room: PartialState) -> str:
    """A room in a few lines."""
    tried = room.get("residents_tried", [])
    lines = [
        f"{room['room_id']}: {room['stage']}, {share(room)} %",
        f"  joined through {room.get('joined_via')}, {_ago(room.get('started_ts'))};"
        f" {room.get('servers_in_room', 0):,} servers in the room",
        f"  {room.get('members_fetched', 0):,} members fetched;"
        f" {room.get('events_replayed', 0):,} of {room.get('events', 0):,} events replayed",
    ]
    if tried:
        lines.append(f"  asked: {', '.join(tried)}")
    if room.get("last_error"):
        lines.append(
            f"  failed {room.get('tries', 0)} times, again {_ago(room.get('next_try_ts'))}: {room['last_error']}"
        )
    return "\n".join(lines)


def ask(server_url: str, token: str) -> list[PartialState]:
    """The rooms, those first that have waited longest. Raises `NotAnswered`."""
    url = server_url.rstrip("/") + "/_synapse/admin/v1/partial_state_rooms"
    if not url.startswith(("http://", "https://")):
        raise NotAnswered(f"{server_url} is not a URL that begins with http:// or https://")
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})  # noqa: S310  # checked above
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310  # checked above
            rooms = json.load(answer)["rooms"]
    except urllib.error.HTTPError as error:
        raise NotAnswered(_refusal(error)) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotAnswered(f"{server_url} does not answer like a Ranvier server: {error}") from error
    return list(rooms)


def _refusal(error: urllib.error.HTTPError) -> str:
    if error.code in (401, 403):
        return "the access token is not that of an administrator"
    if error.code == 404:
        return "the server has no admin API here; is it a Ranvier server, and is the listener right?"
    return f"the server answered with status {error.code}"


def _doing(rooms: Sequence[PartialState]) -> str:
    if not rooms:
        return ""
    members = sum(room.get("members_fetched", 0) for room in rooms)
    return f"{rooms[0]['stage']}, {members:,} members"


def _ago(at_ms: int | None) -> str:
    if not at_ms:
        return "now"
    seconds = round(time.time() - at_ms / 1000)
    return f"{seconds} s ago" if seconds >= 0 else f"in {-seconds} s"


def _token(given: argparse.Namespace) -> str:
    if given.access_token_file is not None:
        try:
            return str(Path(given.access_token_file).read_text(encoding="utf-8").strip())
        except (OSError, ValueError) as error:
            raise NotAnswered(f"{given.access_token_file}: cannot be read: {error}") from error
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not token:
        raise NotAnswered(f"no access token: put one into a file (--access-token-file) or into {TOKEN_VARIABLE}")
    return token


def _parser() -> CommandParser:
    parser = CommandParser(
        "ranvier rooms partial",
        "How far a running server has come with rooms of which it does not know all members yet.",
    )
    parser.add_argument("--watch", action="store_true", help="draw a bar until everything is known")
    parser.add_argument("--server-url", default=DEFAULT_URL, help=f"where the server listens ({DEFAULT_URL})")
    parser.add_argument(
        "--access-token-file", metavar="FILE", help=f"holds an administrator's access token (else ${TOKEN_VARIABLE})"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
