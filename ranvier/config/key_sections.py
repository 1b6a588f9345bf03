"""What the configuration says about the keys of servers: frozen, typed."""

from collections.abc import Mapping
from dataclasses import dataclass

from ranvier.config.sections import SigningKey


@dataclass(frozen=True, slots=True)
class TrustedKeyServer:
    """One of `trusted_key_servers`."""

    server_name: str
    verify_keys: Mapping[str, bytes]
    """Its public keys by key id, one of which must have signed what it says; empty: TLS is proof enough."""


@dataclass(frozen=True, slots=True)
class KeyServersConfig:
    """Whom to believe about the keys of others, and how to be believed."""

    trusted: tuple[TrustedKeyServer, ...]
    notary_keys: tuple[SigningKey, ...]
    """`key_server_signing_keys_path`; empty: the server's own keys."""
