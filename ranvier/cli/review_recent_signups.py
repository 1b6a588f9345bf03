"""`review_recent_signups`: who has got an account lately, from where, and what they have done since.

Manual: "Admin tools". Reads the database beside a running server and changes nothing.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from ranvier.cli.opening import open_existing, read_config
from ranvier.cli.parser import CommandParser, add_config_option
from ranvier.cli.running import run_command
from ranvier.config.kinds import Unacceptable, parse_duration_ms
from ranvier.store.signups import Signup, signups_since

NAME: Final = "review_recent_signups"


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status."""
    given = _parser().parse_args(argv)
    return run_command(NAME, _review(given, now_ms=int(time.time() * 1000)))


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(NAME, "Show who has got an account lately, from where, and what they have done since.")
    add_config_option(parser)
    parser.add_argument(
        "-s", "--since", type=_duration_ms, default="7d", metavar="DURATION", help="how far to look back, as 12h (7d)"
    )
    parser.add_argument("-e", "--exclude-emails", action="store_true", help="leave out who has an e-mail address")
    parser.add_argument("-u", "--only-users", action="store_true", help="print user IDs and nothing else")
    parser.add_argument(
        "-a", "--exclude-app-service", action="store_true", help="leave out users of application services"
    )
    return parser


def _duration_ms(text: str) -> int:
    try:
        return parse_duration_ms(text)
    except Unacceptable:
        raise argparse.ArgumentTypeError(f"{text} is no duration; write 12h or 7d") from None


async def _review(given: argparse.Namespace, *, now_ms: int) -> int:
    config = read_config(given.config_path)
    async with open_existing(config.database) as db:
        found = await signups_since(db, now_ms - given.since)
    for signup in found:
        if given.exclude_app_service and signup.appservice_id is not None:
            continue
        if given.exclude_emails and any(one.startswith("email:") for one in signup.threepids):
            continue
        print(signup.user_id if given.only_users else described(signup))
    return 0


def described(signup: Signup) -> str:
    """A few lines about an account."""
    moment = datetime.fromtimestamp(signup.creation_ts / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    kind = f", of the application service {signup.appservice_id}" if signup.appservice_id else ""
    kind += ", a guest" if signup.is_guest else ""
    lines = [f"{signup.user_id}: since {moment}{kind}"]
    lines += [f"  from {address}" + (f" ({agent})" if agent else "") for address, agent in signup.addresses.items()]
    lines.append("  " + (", ".join(signup.threepids) or "no e-mail address or phone number"))
    lines.append(
        f"  rooms: {signup.public_rooms} public and {signup.private_rooms} private made, {signup.joined} joined,"
        f" {signup.invitations} invitations open"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
