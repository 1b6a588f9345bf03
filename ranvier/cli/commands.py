"""`ranvier <command>`: which program the first words of the command line mean; without one it is the server."""

import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ranvier.cli import start


@dataclass(frozen=True, slots=True)
class Command:
    """One program."""

    module: str
    """Its `main(argv)` gives the exit status. Imported only when it is asked for."""
    purpose: str


SECTIONS: Final[Mapping[str, Mapping[str, Command]]] = MappingProxyType(
    {
        "setting up": {
            "doctor": Command("ranvier.cli.doctor", "say what is wrong with a server, and what helps"),
            "generate_config": Command("ranvier.cli.generate_config", "print a configuration to start from"),
            "generate_log_config": Command("ranvier.cli.generate_log_config", "print a log configuration"),
            "generate_signing_key": Command("ranvier.cli.generate_signing_key", "make a signing key"),
            "export_signing_key": Command("ranvier.cli.export_signing_key", "print the public half of signing keys"),
        },
        "accounts": {
            "register_new_matrix_user": Command(
                "ranvier.register_new_matrix_user", "make an account on a running server"
            ),
            "hash_password": Command("ranvier.cli.hash_password", "print the hash of a password"),
            "review_recent_signups": Command(
                "ranvier.cli.review_recent_signups", "show who has got an account lately, and what they did"
            ),
            "export-data": Command("ranvier.cli.export_data", "write everything kept of a user into a folder"),
        },
        "rooms": {
            "rooms partial": Command("ranvier.cli.rooms_partial", "show how far the joins of great rooms have come"),
        },
        "data": {
            "backup": Command("ranvier.cli.backup", "copy a server, running or not, into a folder"),
            "restore": Command("ranvier.cli.restore", "make a server out of a backup"),
            "db port": Command("ranvier.cli.db_port", "move a server's database from SQLite to PostgreSQL"),
        },
    }
)
"""What can be typed, as `ranvier --help` lists it. A command may have two words, as `rooms partial`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0].startswith("-"):
        return _server(words)
    if words[0] == "run":
        return start.main(words[1:])
    if words[0] == "help":
        return _server([*words[1:], "--help"]) if len(words) == 1 else main([*words[1:], "--help"])
    found = _find(words)
    if found is None:
        return _unknown(words)
    command, rest = found
    try:
        status: int = importlib.import_module(command.module).main(rest)
    except BrokenPipeError:  # `ranvier ... | head`
        sys.stderr.close()
        return 1
    return status


def commands() -> dict[str, Command]:
    """Every command by its name."""
    return {name: command for section in SECTIONS.values() for name, command in section.items()}


def _find(words: Sequence[str]) -> tuple[Command, list[str]] | None:
    """The command and its arguments; a hyphen is as good as an underscore."""
    known = {_folded(name): command for name, command in commands().items()}
    for count in (2, 1):
        command = known.get(_folded(" ".join(words[:count])))
        if command is not None:
            return command, list(words[count:])
    return None


def _folded(name: str) -> str:
    return name.replace("-", "_")


def _unknown(words: Sequence[str]) -> int:
    group = {name: command for name, command in commands().items() if name.startswith(f"{words[0]} ")}
    if group and words[1:2] in ([], ["-h"], ["--help"]):
        _list({f"ranvier {words[0]}": group})
        return 0 if words[1:] else 2
    typed = " ".join(words[:2]) if group else words[0]
    print(f"ranvier: there is no command {typed}; ranvier --help lists them", file=sys.stderr)
    return 2


def _server(words: list[str]) -> int:
    if words and words[0] in ("-h", "--help"):
        print("Ranvier, a Matrix homeserver. Without a command, the server runs: ranvier -c homeserver.yaml\n")
        print("To try it out, in an empty folder: ranvier --server-name localhost\n")
        print("ranvier <command> --help says more about each of these:\n")
        _list(
            {**SECTIONS, "the server": {"run": Command("", "run the server, which is what happens without a command")}}
        )
        print()
    return start.main(words)


def _list(sections: Mapping[str, Mapping[str, Command]]) -> None:
    width = max(len(name) for section in sections.values() for name in section)
    for title, section in sections.items():
        print(f"{title}:")
        for name, command in section.items():
            print(f"  {name:{width}}  {command.purpose}")
