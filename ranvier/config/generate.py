"""Writing what a new server needs: configuration, log configuration, signing key. What exists is never touched."""

import os
from pathlib import Path

from ranvier.config.kinds import SERVER_NAME, Unacceptable
from ranvier.config.load import ConfigError
from ranvier.config.log_file import log_config_text
from ranvier.config.new_file import NewConfig, config_text
from ranvier.config.secret_files import random_secret, write_private


def generate_config(
    path: str,
    *,
    server_name: str,
    config_directory: str,
    data_directory: str,
    report_stats: bool,
    open_private_ports: bool = False,
    enable_registration: bool = False,
    database_path: str | None = None,
) -> bool:
    """Write a new configuration with fresh secrets, readable by its owner only; whether there was none before.

    Raises `ConfigError`.
    """
    try:
        SERVER_NAME.parse(server_name)
    except Unacceptable as error:
        raise ConfigError([f"--server-name: expected {SERVER_NAME.expected}, got {server_name}"]) from error
    directory, data = os.path.abspath(config_directory), os.path.abspath(data_directory)
    text = config_text(
        NewConfig(
            server_name=server_name,
            pid_file=os.path.join(data, "homeserver.pid"),
            database_path=os.path.abspath(database_path) if database_path else os.path.join(data, "homeserver.db"),
            log_config=os.path.join(directory, f"{server_name}.log.config"),
            media_store_path=os.path.join(data, "media_store"),
            signing_key_path=os.path.join(directory, f"{server_name}.signing.key"),
            registration_shared_secret=random_secret(),
            macaroon_secret_key=random_secret(),
            form_secret=random_secret(),
            report_stats=report_stats,
            open_private_ports=open_private_ports,
            enable_registration=enable_registration,
        )
    )
    return _write_new(path, text)


def generate_log_config(path: str, *, data_directory: str) -> bool:
    """Write a log configuration that logs into the data directory; whether there was none before.

    Raises `ConfigError`.
    """
    return _write_new(path, log_config_text(os.path.join(os.path.abspath(data_directory), "homeserver.log")))


def _write_new(path: str, text: str) -> bool:
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_private(path, text)
    except FileExistsError:
        return False
    except OSError as error:
        raise ConfigError([f"{path}: cannot be written: {error.strerror}"]) from error
    return True
