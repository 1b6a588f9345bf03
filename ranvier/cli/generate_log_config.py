"""`generate_log_config`: a log configuration to start from."""

import sys
from collections.abc import Sequence

from ranvier.cli.output import write_text
from ranvier.cli.parser import CommandParser
from ranvier.config.log_file import log_config_text

_LOG_FILE = "/var/log/matrix-synapse/homeserver.log"
"""The manual's default."""


def main(argv: Sequence[str] | None = None) -> int:
    """Write a log configuration; the exit status."""
    parser = CommandParser("generate_log_config", "Write a log configuration to start from.")
    parser.add_argument("-o", "--output-file", metavar="FILE", help="a new file (the standard output)")
    parser.add_argument("-f", "--log-file", default=_LOG_FILE, metavar="FILE", help=f"where to log to ({_LOG_FILE})")
    given = parser.parse_args(argv)
    return write_text(given.output_file, log_config_text(given.log_file))


if __name__ == "__main__":
    sys.exit(main())
