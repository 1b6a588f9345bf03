"""`export_signing_key`: the public halves of signing keys, also as the configuration takes retired ones."""

import argparse
import base64
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ranvier.cli.parser import CommandParser
from ranvier.config.sections import SigningKey
from ranvier.config.signing_keys import parse_signing_keys

_SIX_HOURS_MS = 6 * 3_600_000


def main(argv: Sequence[str] | None = None) -> int:
    """Print the public keys of some files; the exit status."""
    given = _parser().parse_args(argv)
    if given.expiry_ts is not None and not given.x:
        print("--expiry-ts is only for the format of -x", file=sys.stderr)
        return 2
    expiry_ts = given.expiry_ts if given.expiry_ts is not None else int(time.time() * 1000) + _SIX_HOURS_MS
    lines = []
    for path in given.key_file:
        try:
            keys = parse_signing_keys(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            print(f"{path}: cannot be read: {error.strerror}", file=sys.stderr)
            return 1
        except ValueError as error:
            print(f"{path} {error}", file=sys.stderr)
            return 1
        lines += [_retired(key, expiry_ts) if given.x else f"{key.key_id} {_public(key)}" for key in keys]
    print("\n".join(lines))
    return 0


def _retired(key: SigningKey, expiry_ts: int) -> str:
    """A line below `old_signing_keys`."""
    return f'"{key.key_id}": {{ key: "{_public(key)}", expired_ts: {expiry_ts} }}'


def _public(key: SigningKey) -> str:
    from nacl.signing import SigningKey as PrivateKey

    return base64.b64encode(bytes(PrivateKey(key.seed).verify_key)).decode().rstrip("=")


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser("export_signing_key", "Print the public half of signing keys.")
    parser.add_argument("key_file", nargs="+", help="file with signing keys")
    parser.add_argument("-x", action="store_true", help="as entries of old_signing_keys in the configuration")
    parser.add_argument(
        "--expiry-ts", type=int, metavar="MS", help="with -x: when the keys ceased to sign (six hours from now)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
