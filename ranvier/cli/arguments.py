"""The flags of the server: `ranvier`, `python -m ranvier`, `python -m ranvier.app.homeserver`."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ranvier import __version__
from ranvier.cli.parser import CommandParser

Mode = Literal["generate_config", "generate_keys", "run"]

DEFAULT_CONFIG = "homeserver.yaml"


@dataclass(frozen=True, slots=True)
class Arguments:
    """A command line, understood."""

    mode: Mode
    config_paths: tuple[str, ...]
    server_name: str | None
    report_stats: bool | None
    config_directory: str
    data_directory: str
    open_private_ports: bool
    database_path: str | None
    enable_registration: bool
    daemonize: bool
    print_pidfile: bool
    manhole: int | None

    @property
    def overrides(self) -> dict[str, object]:
        """Options that the command line replaces when the server runs."""
        flags: dict[str, object] = {
            "enable_registration": self.enable_registration,
            "daemonize": self.daemonize,
            "print_pidfile": self.print_pidfile,
        }
        options = {name: value for name, value in flags.items() if value}
        if self.report_stats is not None:
            options["report_stats"] = self.report_stats
        if self.manhole is not None:
            options["manhole"] = self.manhole
        if self.database_path is not None:
            options["database"] = {"name": "sqlite3", "args": {"database": self.database_path}}
        return options


def parse_arguments(argv: Sequence[str]) -> Arguments:
    """Read a command line; ends the program after `--help` or a mistake."""
    given = _parser().parse_args(argv)
    paths = tuple(given.config_path or (DEFAULT_CONFIG,))
    return Arguments(
        mode=given.mode,
        config_paths=paths,
        server_name=given.server_name,
        report_stats=None if given.report_stats is None else given.report_stats == "yes",
        config_directory=given.config_directory or _directory_of(paths[0]),
        data_directory=given.data_directory or os.getcwd(),
        open_private_ports=given.open_private_ports,
        database_path=given.database_path,
        enable_registration=given.enable_registration,
        daemonize=given.daemonize,
        print_pidfile=given.print_pidfile,
        manhole=given.manhole,
    )


def _directory_of(path: str) -> str:
    return path if os.path.isdir(path) else os.path.dirname(os.path.abspath(path))


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser("ranvier", "Run the homeserver, or write what it needs to run.")
    parser.add_argument("--version", action="version", version=f"Ranvier {__version__}")
    parser.add_argument(
        "-c",
        "--config-path",
        action="append",
        metavar="FILE_OR_DIR",
        help=f"configuration file, or folder of *.yaml files; may be repeated, later ones win ({DEFAULT_CONFIG})",
    )
    _add_modes(parser)
    _add_generation(parser)
    _add_running(parser)
    return parser


def _add_modes(parser: argparse.ArgumentParser) -> None:
    modes = parser.add_argument_group("what to do").add_mutually_exclusive_group()
    parser.set_defaults(mode="run")
    modes.add_argument(
        "--generate-config",
        dest="mode",
        action="store_const",
        const="generate_config",
        help="write a configuration and its keys, and exit; existing files are kept",
    )
    modes.add_argument(
        "--generate-keys",
        "--generate-missing-configs",
        dest="mode",
        action="store_const",
        const="generate_keys",
        help="write the keys and log configuration that a configuration names and that are missing, and exit",
    )
    modes.add_argument(
        "--generate-missing-and-run",
        dest="mode",
        action="store_const",
        const="run",
        help="write what is missing, also the configuration if --server-name is given, and run (the default)",
    )


def _add_generation(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("generating")
    group.add_argument("-H", "--server-name", help="the domain of the new server")
    group.add_argument("--report-stats", choices=("yes", "no"), help="for old scripts; nothing is ever reported")
    group.add_argument(
        "--config-directory",
        "--keys-directory",
        metavar="DIR",
        help="where keys and log configuration are (the folder of the first configuration file)",
    )
    group.add_argument("--data-directory", metavar="DIR", help="where database, media and log are (this folder)")
    group.add_argument(
        "--open-private-ports", action="store_true", help="listen on every address, not only for this machine"
    )


def _add_running(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("running")
    group.add_argument("-d", "--database-path", metavar="FILE", help="SQLite file, instead of the configured database")
    group.add_argument("--enable-registration", action="store_true", help="let people register")
    group.add_argument("-D", "--daemonize", action="store_true", help="go to the background; needs pid_file")
    group.add_argument("--print-pidfile", action="store_true", help="print the path of the PID file at the start")
    group.add_argument("--manhole", type=int, metavar="PORT", help="open a manhole on that local port")
    # Accepted so that old start scripts work: logging is configured by log_config.
    group.add_argument("-n", "--no-redirect-stdio", action="store_true", help=argparse.SUPPRESS)
    group.add_argument("-f", "--log-file", help=argparse.SUPPRESS)
