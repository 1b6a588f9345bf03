"""What a person who has just started the server should know."""

import os
import shlex
import sys

from ranvier.config.model import Config
from ranvier.config.sections import Listener


def first_steps(config: Config, *, has_users: bool) -> str:
    """Where the server listens, and, while it has no users, the command that makes its first admin."""
    lines = [f"{config.server_name} listens on {', '.join(_addresses(config)) or 'nothing: `listeners` is empty'}"]
    if not has_users:
        lines += ["", *_first_admin(config)]
    return "\n".join(lines) + "\n"


def _first_admin(config: Config) -> list[str]:
    if config.registration_shared_secret is None:
        return ["It has no users yet. Set registration_shared_secret to be able to make the first admin."]
    files = " ".join(f"-c {shlex.quote(path)}" for path in config.paths)
    command = f"{shlex.quote(_python())} -m ranvier.register_new_matrix_user {files} --admin"
    return ["It has no users yet. To make the first admin, in another terminal:", "", f"    {command}"]


def _addresses(config: Config) -> list[str]:
    return [address for listener in config.listeners for address in _of_listener(listener)]


def _of_listener(listener: Listener) -> list[str]:
    if listener.type != "http":
        return []
    if listener.path is not None:
        return [f"unix:{listener.path}"]
    scheme = "https" if listener.tls else "http"
    return [f"{scheme}://{_host(address)}:{listener.port}" for address in listener.bind_addresses]


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _python() -> str:
    """The interpreter as one would type it here."""
    relative = os.path.relpath(sys.executable)
    return sys.executable if relative.startswith("..") else relative
