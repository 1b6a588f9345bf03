"""`generate_config`: the text of a configuration to start from. Unlike `ranvier --generate-config` it makes no keys."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ranvier.cli.output import write_text
from ranvier.cli.parser import CommandParser
from ranvier.config.kinds import SERVER_NAME, Unacceptable
from ranvier.config.new_file import NewConfig, config_text
from ranvier.config.secret_files import random_secret


def main(argv: Sequence[str] | None = None) -> int:
    """Write a configuration; the exit status."""
    parser = _parser()
    given = parser.parse_args(argv)
    try:
        SERVER_NAME.parse(given.server_name)
    except Unacceptable:
        parser.error(f"--server-name: expected {SERVER_NAME.expected}, got {given.server_name}")
    header = ""
    if given.header_file is not None:
        try:
            header = Path(given.header_file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            print(f"{given.header_file}: cannot be read: {getattr(error, 'strerror', 'not text')}", file=sys.stderr)
            return 1
    return write_text(given.output_file, header + config_text(_new_config(given)))


def _new_config(given: argparse.Namespace) -> NewConfig:
    def secret() -> str | None:
        return random_secret() if given.generate_secrets else None

    name = given.server_name
    return NewConfig(
        server_name=name,
        pid_file=os.path.join(given.data_dir, "homeserver.pid"),
        database_path=os.path.join(given.data_dir, "homeserver.db"),
        log_config=os.path.join(given.config_dir, f"{name}.log.config"),
        media_store_path=os.path.join(given.data_dir, "media_store"),
        signing_key_path=os.path.join(given.config_dir, f"{name}.signing.key"),
        registration_shared_secret=secret(),
        macaroon_secret_key=secret(),
        form_secret=secret(),
        report_stats=given.report_stats == "yes",
        bind_addresses=("::1", "127.0.0.1"),
        x_forwarded=True,
        enable_registration=False,
    )


def _parser() -> CommandParser:
    parser = CommandParser("generate_config", "Print a configuration to start from.")
    here = os.getcwd()
    parser.add_argument("--server-name", "-H", required=True, metavar="NAME", help="the domain of the new server")
    parser.add_argument(
        "--config-dir", default=here, metavar="DIR", help="where key and log configuration will be (this folder)"
    )
    parser.add_argument(
        "--data-dir", default=here, metavar="DIR", help="where database and media will be (this folder)"
    )
    parser.add_argument(
        "--report-stats", choices=("yes", "no"), default="no", help="for old scripts; nothing is ever reported"
    )
    parser.add_argument("--generate-secrets", action="store_true", help="make secrets, instead of places for them")
    parser.add_argument("-o", "--output-file", metavar="FILE", help="a new file (the standard output)")
    parser.add_argument("--header-file", metavar="FILE", help="a text to put before the configuration")
    return parser


if __name__ == "__main__":
    sys.exit(main())
