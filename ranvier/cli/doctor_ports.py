"""What `ranvier doctor` sees of the ports of the listeners: free, this server's own, or somebody else's."""

import errno
import http.client
import json
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ranvier.cli.doctor_findings import Finding
from ranvier.config.sections import Listener

TIMEOUT_S: Final = 3.0
_LISTENING: Final = "0A"
_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # whom to ask where all addresses are meant
_LIMIT_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that listens."""

    pid: int
    words: tuple[str, ...]
    """Its command line."""

    @property
    def is_ranvier(self) -> bool:
        """Whether it is some server of this kind."""
        return any(
            word == "ranvier" or word.endswith("/ranvier") or word.startswith("ranvier.") for word in self.words[:4]
        )

    def __str__(self) -> str:
        return f"{os.path.basename(self.words[0]) if self.words else 'a process'} (process {self.pid})"


def examine_port(listener: Listener, server_name: str) -> Finding | None:
    """Of one listener; None for a unix socket."""
    if listener.port is None:
        return None
    for address in listener.bind_addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((address, listener.port))
        except PermissionError:
            return Finding(
                "error",
                "ports",
                f"{listener.port} needs rights that this user has not",
                "use a port above 1023 behind a reverse proxy",
            )
        except OSError as error:
            if family == socket.AF_INET6 and len(listener.bind_addresses) > 1 and not _is_taken(error):
                continue  # a machine without IPv6
            return _taken(listener, listener.port, address, server_name, error)
    return Finding("ok", "ports", f"{listener.port} is free")


def _is_taken(error: OSError) -> bool:
    return error.errno == errno.EADDRINUSE


def _taken(listener: Listener, port: int, address: str, server_name: str, error: OSError) -> Finding:
    if not _is_taken(error):
        return Finding(
            "error",
            "ports",
            f"{port} on {address} cannot be listened at: {error.strerror}",
            "bind_addresses are addresses of this machine",
        )
    place = f"{port} on {address}"
    name, is_healthy = _who_answers(listener, port, _ANY.get(address, address))
    if name == server_name:
        return Finding("ok", "ports", f"{port} is this server's, which is running")
    remedy = f"stop it, or give the listener another port; who has it says: ss -ltnp 'sport = {port}'"
    if name is not None:
        return Finding("error", "ports", f"{place} is taken by the homeserver of {name}", remedy)
    owner = owner_of(port)
    seems_ours = owner.is_ranvier if owner is not None else is_healthy
    if seems_ours and (is_healthy or listener.type != "http"):
        return Finding(
            "note",
            "ports",
            f"{place} is taken, by what answers as this server would{f', {owner}' if owner else ''}",
            f"fine, if the server is running; who has it says: ss -ltnp 'sport = {port}'",
        )
    return Finding("error", "ports", f"{place} is taken by {owner or 'another program'}", remedy)


def _who_answers(listener: Listener, port: int, address: str) -> tuple[str | None, bool]:
    """The server that names itself there, if one does; and whether something says that it is well."""
    if listener.type != "http":
        return None, False
    try:
        status, body = _get(listener, port, address, "/_matrix/key/v2/server")
        if status == http.HTTPStatus.OK:
            told: Any = json.loads(body)
            if isinstance(told, dict) and isinstance(told.get("server_name"), str):
                return told["server_name"], True
        status, body = _get(listener, port, address, "/health")
    except (OSError, ValueError, http.client.HTTPException):
        return None, False
    return None, status == http.HTTPStatus.OK and body.strip() == b"OK"


def _get(listener: Listener, port: int, address: str, path: str) -> tuple[int, bytes]:
    if listener.tls:
        # Its certificate is for the server's name, not for this address; that is looked at elsewhere.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            address, port, timeout=TIMEOUT_S, context=context
        )
    else:
        connection = http.client.HTTPConnection(address, port, timeout=TIMEOUT_S)
    with closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(_LIMIT_BYTES)


def owner_of(port: int) -> Owner | None:
    """Who listens at a port of this machine, where the system tells: on Linux, of processes of the same user."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(port)}
    if not sockets:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(link) in sockets for link in (process / "fd").iterdir()):
                words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
                return Owner(int(process.name), tuple(word for word in words if word))
        except OSError:  # it is another user's, or has just ended
            continue
    return None


def _inodes(port: int) -> Iterator[str]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]
