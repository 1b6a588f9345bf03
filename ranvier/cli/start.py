"""`python -m ranvier`: read the command line, then generate or run."""

import logging
import os
import sys
from collections.abc import Sequence

from ranvier.cli.arguments import Arguments, parse_arguments
from ranvier.cli.generating import load_again, load_and_complete, write_config
from ranvier.cli.process import PidFile, ProcessError, go_to_background, raise_file_limit, set_gc_thresholds
from ranvier.config.load import ConfigError
from ranvier.config.model import Config
from ranvier.config.operating_sections import SentryConfig
from ranvier.log.setup import LogConfigError, ProcessLog

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status."""
    arguments = parse_arguments(sys.argv[1:] if argv is None else argv)
    try:
        return _generate(arguments) if arguments.mode != "run" else _run(arguments)
    except ConfigError as error:
        _say("The configuration cannot be used:", *(f"  {line}" for line in error.errors))
    except (LogConfigError, ProcessError) as error:
        _say(str(error))
    return 1


def _generate(arguments: Arguments) -> int:
    done = write_config(arguments) if arguments.mode == "generate_config" else []
    _, completed = load_and_complete(arguments, with_overrides=False)
    _say(*done, *completed)
    if arguments.mode == "generate_config":
        _say(f"Have a look at {arguments.config_paths[0]}, then start the server with the same -c.")
    return 0


def _run(arguments: Arguments) -> int:
    if not any(os.path.exists(path) for path in arguments.config_paths):
        if arguments.server_name is None:
            raise ConfigError(
                [
                    f"{arguments.config_paths[0]}: no such file; to make one, add --server-name with the domain of "
                    "your server"
                ]
            )
        _say(*write_config(arguments))
    config, completed = load_and_complete(arguments, with_overrides=True)
    _say(*completed)
    if config.print_pidfile and config.pid_file is not None:
        print(config.pid_file, flush=True)  # what the flag is for
    if config.daemonize:
        _detach(config)
    log = ProcessLog()
    log.set_up(config.log_config)
    if config.sentry is not None:
        _report_errors(config.sentry, config.server_name)
    for warning in config.warnings:
        logger.warning("%s", warning)
    raise_file_limit(config.soft_file_limit)
    set_gc_thresholds(config.gc_thresholds)
    return _serve(config, log, arguments)


def _report_errors(sentry: SentryConfig, server_name: str) -> None:
    try:
        # Only who reports to Sentry needs what does so.
        from ranvier.log.sentry import report_errors
    except ModuleNotFoundError as error:
        raise ProcessError(
            "sentry.dsn is set, but what reports to Sentry is not installed: pip install 'ranvier[sentry]'"
        ) from error
    report_errors(sentry, server_name=server_name)


def _detach(config: Config) -> None:
    if config.pid_file is None:
        raise ProcessError("a daemon needs pid_file in the configuration")
    pid_file = PidFile(config.pid_file)
    go_to_background()
    pid_file.write()


def _serve(config: Config, log: ProcessLog, arguments: Arguments) -> int:
    # Late, so that --help and mistakes in the configuration do not wait for the whole server to be imported.
    import uvloop

    from ranvier.app.optional import CannotStart
    from ranvier.app.serve import serve
    from ranvier.db.engine import DatabaseError
    from ranvier.http.sockets import ListenError

    try:
        uvloop.run(serve(config, log=log, reread=lambda: load_again(arguments)))
    except KeyboardInterrupt:
        return 130
    except (CannotStart, DatabaseError, ListenError) as error:
        logger.critical("Cannot start: %s", error)
        _say(f"Cannot start: {error}")
        return 1
    return 0


def _say(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr, flush=True)  # for the person at the terminal
