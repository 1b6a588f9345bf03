"""`database`, `password_config` and `presence` as typed objects."""

from collections.abc import Mapping
from typing import Any

from ranvier.config.sections import DatabaseConfig, PasswordConfig, PasswordPolicy, PresenceConfig, UserDirectoryConfig
from ranvier.config.values import Values

_POOL_MIN = 5
_POOL_MAX = 10


def build_database(values: Values, *, default_path: str) -> DatabaseConfig:
    """`database`, or the only entry of `databases`; SQLite without a path gets `default_path`."""
    section, path = _database_section(values)
    args = dict(section.get("args") or {})
    pool = {name: args.pop(name, None) for name in [name for name in args if name.startswith("cp_")]}
    is_sqlite = section.get("name", values.text("database.name")) == "sqlite3"
    if is_sqlite and not isinstance(args.setdefault("database", default_path), str):
        values.error(f"{path}.args.database", "expected a path")
    return DatabaseConfig(
        engine="sqlite" if is_sqlite else "postgres",
        args=args,
        pool_min=_pool_size(values, f"{path}.args.cp_min", pool.get("cp_min", _POOL_MIN)),
        pool_max=_pool_size(values, f"{path}.args.cp_max", pool.get("cp_max", _POOL_MAX)),
        txn_limit=section.get("txn_limit", values.integer("database.txn_limit")),
        allow_unsafe_locale=section.get("allow_unsafe_locale", values.boolean("database.allow_unsafe_locale")),
    )


def _database_section(values: Values) -> tuple[Mapping[str, Any], str]:
    """What is said of the database, and where."""
    if not values.is_set("databases"):
        return (values.mapping("database") if values.is_set("database") else {}), "database"
    if values.is_set("database"):
        values.error("databases", "is set beside database; only one of them may be")
    entries = {name: entry for name, entry in values.mapping("databases").items() if isinstance(entry, dict)}
    if len(entries) != 1:
        values.error("databases", "has several entries, but the server keeps everything in one database")
        return {}, "databases"
    [(name, entry)] = entries.items()
    if not {"main", "state"} <= set(entry.get("data_stores") or ()):
        values.error("databases", f"{name}.data_stores has to be [main, state]: there is one database for both")
    return entry, f"databases.{name}"


def _pool_size(values: Values, path: str, size: object) -> int:
    if type(size) is not int or size < 1:
        values.error(path, "expected a whole number, one or more")
        return 1
    return size


def build_passwords(values: Values) -> PasswordConfig:
    """`password_config`."""
    enabled = values.get("password_config.enabled")
    policy = "password_config.policy"
    return PasswordConfig(
        enabled=enabled is True,
        enabled_for_reauth=enabled is not False,
        localdb_enabled=values.boolean("password_config.localdb_enabled"),
        pepper=values.text_or_none("password_config.pepper") or "",
        policy=PasswordPolicy(
            enabled=values.boolean(f"{policy}.enabled"),
            minimum_length=values.integer(f"{policy}.minimum_length"),
            require_digit=values.boolean(f"{policy}.require_digit"),
            require_symbol=values.boolean(f"{policy}.require_symbol"),
            require_lowercase=values.boolean(f"{policy}.require_lowercase"),
            require_uppercase=values.boolean(f"{policy}.require_uppercase"),
        ),
    )


def build_user_directory(values: Values) -> UserDirectoryConfig:
    """The `user_directory` options."""
    return UserDirectoryConfig(
        enabled=values.boolean("user_directory.enabled"),
        search_all_users=values.boolean("user_directory.search_all_users"),
        prefer_local_users=values.boolean("user_directory.prefer_local_users"),
        exclude_remote_users=values.boolean("user_directory.exclude_remote_users"),
        show_locked_users=values.boolean("user_directory.show_locked_users"),
    )


def build_presence(values: Values) -> PresenceConfig:
    """`presence`, or what its older name `use_presence` says."""
    enabled = values.get("presence.enabled")
    if values.is_set("use_presence") and not values.is_set("presence.enabled"):
        enabled = values.boolean("use_presence")
    if values.integer("presence.idle_timeout") <= values.integer("presence.last_active_granularity"):
        values.error("presence.idle_timeout", "must be longer than presence.last_active_granularity")
    return PresenceConfig(
        enabled=enabled is True,
        include_offline_users_on_sync=values.boolean("presence.include_offline_users_on_sync"),
        last_active_granularity_ms=values.integer("presence.last_active_granularity"),
        sync_online_timeout_ms=values.integer("presence.sync_online_timeout"),
        idle_timeout_ms=values.integer("presence.idle_timeout"),
        exclude_rooms=frozenset(values.texts("exclude_rooms_from_presence")),
    )
