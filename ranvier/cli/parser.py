"""What every command's arguments are read with: a mistake is one line, and says where help is."""

import argparse
import sys
from typing import NoReturn

from ranvier.config.load import ConfigError


class CommandParser(argparse.ArgumentParser):
    """`argparse` without abbreviations and without the usage that hides what is wrong."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(
            prog=prog,
            description=description,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message} ({self.prog} --help says more)", file=sys.stderr)
        sys.exit(2)


def add_config_option(parser: argparse.ArgumentParser) -> None:
    """`-c FILE_OR_DIR`, repeatable, as every program of the manual has it."""
    parser.add_argument(
        "-c",
        "--config-path",
        "--config",
        dest="config_path",
        action="append",
        metavar="FILE_OR_DIR",
        help="configuration file, or folder of *.yaml files; may be repeated (homeserver.yaml)",
    )


def say_config_error(error: ConfigError) -> None:
    """Every mistake of a configuration, for the person at the terminal."""
    print("The configuration cannot be used:", *(f"  {line}" for line in error.errors), sep="\n", file=sys.stderr)
