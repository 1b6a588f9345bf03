"""`hash_password`: the hash of a password, as the server would store it in `users.password_hash`."""

import argparse
import asyncio
import getpass
import sys
from collections.abc import Sequence

from ranvier.cli.parser import CommandParser
from ranvier.config.build_sections import build_passwords
from ranvier.config.check import Findings, check
from ranvier.config.load import ConfigError, read_files
from ranvier.config.schema import schema
from ranvier.config.values import Values


def main(argv: Sequence[str] | None = None) -> int:
    """Print a hash made with the configuration's pepper and cost; the exit status."""
    given = _parser().parse_args(argv)
    try:
        values = _read(given.config)
        password = given.password if given.password is not None else _ask()
    except ConfigError as error:
        print("\n".join(error.errors), file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        return 130
    if not password:
        print("the password is empty, or the two that were typed differ", file=sys.stderr)
        return 1
    from ranvier.users.passwords import Passwords

    passwords = Passwords(config=build_passwords(values), bcrypt_rounds=values.integer("bcrypt_rounds"))
    try:
        print(asyncio.run(passwords.hash(password)))
    finally:
        passwords.close()
    return 0


def _read(paths: Sequence[str]) -> Values:
    """The configuration, without its keys: no other file is read. Raises `ConfigError`."""
    findings = Findings()
    tree = read_files(paths, findings)
    values = Values(values=check(tree, schema(), findings), node=tree, place=schema(), path="", findings=findings)
    if findings.errors:  # a hash that was made with another pepper or cost than was meant would be of no use
        raise ConfigError(findings.errors)
    return values


def _ask() -> str | None:
    password = getpass.getpass("Password: ")
    return password if getpass.getpass("Confirm password: ") == password else None


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser("hash_password", "Print the hash of a password, as the server stores it.")
    parser.add_argument("-p", "--password", help="the password; asked for if it is not given")
    parser.add_argument(
        "-c", "--config", action="append", required=True, metavar="FILE", help="configuration, for pepper and cost"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
