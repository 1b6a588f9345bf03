"""A homeserver's `database` section as the store's own configuration."""

from collections.abc import Mapping

from ranvier.config.load import parse
from ranvier.config.sections import DatabaseConfig


def database_config(section: Mapping[str, object]) -> DatabaseConfig:
    """`section` is what the fixture `db_config` gives."""
    return parse({"server_name": "ranvier.test", "database": section}).database
