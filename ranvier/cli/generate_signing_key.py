"""`generate_signing_key`: a fresh signing key for a server."""

import sys
from collections.abc import Sequence

from ranvier.cli.output import write_text
from ranvier.cli.parser import CommandParser
from ranvier.config.signing_keys import format_signing_key, new_signing_key


def main(argv: Sequence[str] | None = None) -> int:
    """Write a key; the exit status."""
    parser = CommandParser("generate_signing_key", "Make a signing key for a server.")
    parser.add_argument("-o", "--output_file", metavar="FILE", help="a new file (the standard output)")
    given = parser.parse_args(argv)
    return write_text(given.output_file, format_signing_key(new_signing_key()))


if __name__ == "__main__":
    sys.exit(main())
