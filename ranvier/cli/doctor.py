"""`ranvier doctor`: looks at a server's configuration, machine, database and network, and says what is wrong and what helps."""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ranvier.cli.config_files import own_files
from ranvier.cli.doctor_clock import not_compared
from ranvier.cli.doctor_config import examine_config
from ranvier.cli.doctor_database import examine_database
from ranvier.cli.doctor_findings import Finding, as_json, is_ill
from ranvier.cli.doctor_machine import examine_machine
from ranvier.cli.doctor_network import examine_network, open_network
from ranvier.cli.opening import read_config, sqlite_path
from ranvier.cli.parser import CommandParser, add_config_option
from ranvier.cli.running import run_command
from ranvier.config.load import ConfigError
from ranvier.config.model import Config
from ranvier.ports import SystemClock

NAME: Final = "ranvier doctor"


def main(argv: Sequence[str] | None = None) -> int:
    """Say what was found; 1 if something does not work."""
    parser = CommandParser(NAME, "Look for what is wrong with a server, running or not, and say what helps.")
    add_config_option(parser)
    parser.add_argument("--offline", action="store_true", help="do not look at the server from outside")
    parser.add_argument("--json", action="store_true", help="print the findings for programs")
    given = parser.parse_args(argv)
    return run_command(NAME, _doctor(given))


async def _doctor(given: argparse.Namespace) -> int:
    findings = await examine(given.config_path, now_s=time.time(), offline=given.offline)
    if given.json:
        print(json.dumps(as_json(findings), indent=2))
    else:
        print(*(line for finding in findings for line in finding.lines()), _summary(findings), sep="\n")
    return int(is_ill(findings))


def _summary(findings: Sequence[Finding]) -> str:
    errors = sum(finding.level == "error" for finding in findings)
    warnings = sum(finding.level == "warning" for finding in findings)
    if errors or warnings:
        return f"\n{_counted(errors, 'error')}, {_counted(warnings, 'warning')}"
    return "\nNothing is wrong."


def _counted(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


async def examine(config_paths: Sequence[str] | None, *, now_s: float, offline: bool) -> list[Finding]:
    """Everything that can be found out. Changes nothing."""
    try:
        config = read_config(config_paths)
    except ConfigError as error:
        return [Finding("error", "configuration", text, _remedy(text)) for text in error.errors]
    findings = [Finding("ok", "configuration", ", ".join(config.paths)), *examine_config(config)]
    findings += examine_machine(config, secrets=_secrets(config, config_paths), data=_data(config), now_s=now_s)
    findings += [finding async for finding in examine_database(config)]
    if not offline:
        network = open_network(config, clock=SystemClock())
        try:
            findings += await examine_network(config, network, now=time.time)
        finally:
            await network.close()
    return findings + not_compared(findings)


def _remedy(mistake: str) -> str:
    if "signing_key_path: cannot read" in mistake and "No such file" in mistake:
        return (
            "of a new server it is made by ranvier --generate-keys, and by the first start; of an old one, put it back"
        )
    return "correct it; docs/configuration.md"


def _secrets(config: Config, config_paths: Sequence[str] | None) -> list[Path]:
    """Configuration, keys and the like: what belongs to a server, but for what is public."""
    public = {os.path.abspath(path) for path in (config.tls_certificate_path, config.log_config) if path}
    return [Path(path) for path in own_files(config_paths, config.server_name) if path not in public]


def _data(config: Config) -> Path | None:
    """The folder in which the data grow, if they grow on this machine."""
    return Path(sqlite_path(config.database)).resolve().parent if config.database.engine == "sqlite" else None


if __name__ == "__main__":
    sys.exit(main())
