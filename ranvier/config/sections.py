"""The parts of the configuration: frozen, typed, named as in the file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ListenerType = Literal["http", "manhole", "metrics"]


@dataclass(frozen=True, slots=True)
class Resource:
    """Names of what is served (`client`, `federation`, ...), and whether bodies may be compressed."""

    names: tuple[str, ...]
    compress: bool


@dataclass(frozen=True, slots=True)
class Listener:
    """One entry of `listeners`: a TCP port on some addresses, or a unix socket."""

    type: ListenerType
    port: int | None
    """`None` for a unix socket."""
    bind_addresses: tuple[str, ...]
    """Empty for a unix socket. The two wildcards `::` and `0.0.0.0` when the file names none: then one failing is fine
    (a machine without IPv6)."""
    path: str | None
    mode: int | None
    """Permissions of the unix socket."""
    tls: bool
    x_forwarded: bool
    tag: str | None
    request_id_header: str | None
    resources: tuple[Resource, ...]
    log_prefix: str = "synapse.access"
    """`request_log_prefix`, the same for all of them."""

    @property
    def resource_names(self) -> frozenset[str]:
        """Every resource of this listener."""
        return frozenset(name for resource in self.resources for name in resource.names)

    @property
    def log_tag(self) -> str:
        """What the access log calls this listener: its tag, else the port or the socket's path."""
        return self.tag or (str(self.port) if self.port is not None else self.path or "unix")


@dataclass(frozen=True, slots=True)
class DatabaseConfig:
    """`database`: the engine and the arguments of its connections (without the pool's `cp_*`)."""

    engine: Literal["sqlite", "postgres"]
    args: Mapping[str, object] = field(repr=False)
    """As written: for SQLite `database` is the file's path."""
    pool_min: int
    pool_max: int
    txn_limit: int
    allow_unsafe_locale: bool


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """`password_config.policy` (MSC2000)."""

    enabled: bool
    minimum_length: int
    require_digit: bool
    require_symbol: bool
    require_lowercase: bool
    require_uppercase: bool


@dataclass(frozen=True, slots=True)
class PasswordConfig:
    """`password_config`."""

    enabled: bool
    """Whether one may log in with a password."""
    enabled_for_reauth: bool
    """Whether a password may confirm a delicate action; true when `enabled`, and for `only_for_reauth`."""
    localdb_enabled: bool
    pepper: str = field(repr=False)
    policy: PasswordPolicy


@dataclass(frozen=True, slots=True)
class PresenceConfig:
    """`presence`."""

    enabled: bool
    """Whether presence is tracked; false for `untracked`, too."""
    include_offline_users_on_sync: bool
    last_active_granularity_ms: int
    """How long somebody who did something is shown as active."""
    sync_online_timeout_ms: int
    """How long after the end of a sync its device counts as connected."""
    idle_timeout_ms: int
    exclude_rooms: frozenset[str]
    """`exclude_rooms_from_presence`: room ids."""


@dataclass(frozen=True, slots=True)
class OldSigningKey:
    """One entry of `old_signing_keys`."""

    key_id: str
    """For instance `ed25519:a_old`."""
    public_key: bytes
    expired_ts: int


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key of this server. Its `repr` does not show the seed."""

    version: str
    seed: bytes

    @property
    def key_id(self) -> str:
        """For instance `ed25519:a_AbCd`."""
        return f"ed25519:{self.version}"

    def __repr__(self) -> str:
        return f"SigningKey({self.key_id})"


@dataclass(frozen=True, slots=True)
class UserDirectoryConfig:
    """`user_directory`."""

    enabled: bool
    search_all_users: bool
    """Whether everybody is found who is known here; else who shares a room with the searcher, or is in a public one."""
    prefer_local_users: bool
    exclude_remote_users: bool
    show_locked_users: bool
