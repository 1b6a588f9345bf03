"""`--generate-config` and what a start writes when it is missing."""

import os

from ranvier.cli.arguments import Arguments
from ranvier.config.generate import generate_config, generate_log_config
from ranvier.config.load import ConfigError, load
from ranvier.config.model import Config


def write_config(arguments: Arguments) -> list[str]:
    """Write the configuration of a new server, if there is none; what was done, in sentences. Raises `ConfigError`."""
    if arguments.server_name is None:
        raise ConfigError(["a new configuration needs a name for the server: --server-name example.org"])
    path = arguments.config_paths[0]
    if os.path.isdir(path):
        raise ConfigError([f"{path}: is a folder; a new configuration needs the path of a file"])
    made = generate_config(
        path,
        server_name=arguments.server_name,
        config_directory=arguments.config_directory,
        data_directory=arguments.data_directory,
        report_stats=bool(arguments.report_stats),
        open_private_ports=arguments.open_private_ports,
        enable_registration=arguments.enable_registration,
        database_path=arguments.database_path,
    )
    return [f"wrote {path}" if made else f"kept {path}, which exists"]


def load_and_complete(arguments: Arguments, *, with_overrides: bool) -> tuple[Config, list[str]]:
    """The configuration, and what was written because it was missing: keys, log configuration.

    Raises `ConfigError`; then nothing was written.
    """
    config = load(
        arguments.config_paths,
        config_directory=arguments.config_directory,
        data_directory=arguments.data_directory,
        overrides=arguments.overrides if with_overrides else None,
        environment=os.environ,
        create_missing=True,
    )
    if config.log_config is not None and generate_log_config(
        config.log_config, data_directory=arguments.data_directory
    ):
        return config, [f"wrote {config.log_config}"]
    return config, []


def load_again(arguments: Arguments) -> Config:
    """The configuration of a server that runs; nothing is written. Raises `ConfigError`."""
    return load(
        arguments.config_paths,
        config_directory=arguments.config_directory,
        data_directory=arguments.data_directory,
        overrides=arguments.overrides,
        environment=os.environ,
    )
