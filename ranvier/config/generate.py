"""Writing what a new server needs: configuration, log configuration, signing key. What exists is never touched."""

import os
import socket

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

    The port is open for this machine and a proxy on it, or with `open_private_ports` for everybody. Raises `ConfigError`.
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
            bind_addresses=("::", "0.0.0.0") if open_private_ports else _loopback(),  # noqa: S104  # asked for
            # Who can reach the port directly could otherwise claim any address.
            x_forwarded=not open_private_ports,
            enable_registration=enable_registration,
        )
    )
    if not _write_new(path, text):
        return False
    _make_folder(data)
    return True


def generate_log_config(path: str, *, data_directory: str) -> bool:
    """Write a log configuration that logs into the data directory; whether there was none before.

    Raises `ConfigError`.
    """
    data = os.path.abspath(data_directory)
    if not _write_new(path, log_config_text(os.path.join(data, "homeserver.log"))):
        return False
    _make_folder(data)
    return True


def _loopback() -> tuple[str, ...]:
    """The addresses by which this machine reaches itself; many a container has no IPv6."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return ("127.0.0.1",)
    return ("::1", "127.0.0.1")


def _make_folder(path: str) -> None:
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be made: {error.strerror}"]) from error


def _write_new(path: str, text: str) -> bool:
    _make_folder(os.path.dirname(os.path.abspath(path)))
    try:
        write_private(path, text)
    except FileExistsError:
        return False
    except OSError as error:
        raise ConfigError([f"{path}: cannot be written: {error.strerror}"]) from error
    return True
