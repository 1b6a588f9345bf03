"""`python -m ranvier.app.admin_cmd -c <config_file> export-data <user_id>`, as the manual spells it."""

import sys
from collections.abc import Sequence

from ranvier.cli.export_data import add_export_arguments, export_data
from ranvier.cli.parser import CommandParser, add_config_option


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status."""
    parser = CommandParser("python -m ranvier.app.admin_cmd", "Work of administrators that needs no running server.")
    add_config_option(parser)
    parser.add_argument("command", choices=("export-data",), help="write a user's data into a folder")
    add_export_arguments(parser)
    return export_data(parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
