"""What a program beside the server needs to create accounts on it: the shared secret, and an address.

Reads no more of the configuration than that, so that it works where the signing key may not be read, and with a file
that holds the secret alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ranvier.config.build_listeners import build_listeners
from ranvier.config.check import Findings, check
from ranvier.config.load import ConfigError, read_files
from ranvier.config.schema import schema
from ranvier.config.secret_files import SecretFiles
from ranvier.config.sections import Listener
from ranvier.config.values import Values


@dataclass(frozen=True, slots=True)
class RegistrationAccess:
    """How to create accounts."""

    shared_secret: str | None
    server_url: str | None
    """Where a program on this machine reaches the client API; `None` if the files do not say."""


def registration_access(paths: Sequence[str]) -> RegistrationAccess:
    """What some configuration files and folders say. Raises `ConfigError`, but not for mistakes in other options."""
    findings = Findings()
    tree = read_files(paths, findings)
    values = Values(values=check(tree, schema(), findings), node=tree, place=schema(), path="", findings=findings)
    findings.errors.clear()
    secret = SecretFiles(create_missing=False).secret(values, "registration_shared_secret")
    if findings.errors:
        raise ConfigError(findings.errors)
    return RegistrationAccess(secret, local_client_url(build_listeners(values)))


def local_client_url(listeners: Sequence[Listener]) -> str | None:
    """The address of a TCP listener with the client API; one without TLS is preferred, as certificates seldom name this
    machine.
    """
    serving = [
        listener
        for listener in listeners
        if listener.type == "http" and listener.port is not None and "client" in listener.resource_names
    ]
    if not serving:
        return None
    listener = min(serving, key=lambda one: one.tls)
    return f"{'https' if listener.tls else 'http'}://{_reachable(listener.bind_addresses)}:{listener.port}"


def _reachable(addresses: tuple[str, ...]) -> str:
    """One of a listener's addresses that can be connected to from here."""
    if not addresses or {"", "0.0.0.0", "::", "127.0.0.1", "::1"} & set(addresses):  # noqa: S104  # only compared
        return "localhost"
    return f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
