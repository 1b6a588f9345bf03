"""Opening the sockets of a listener: TCP on several addresses, or a unix socket with its permissions."""

import contextlib
import errno
import logging
import os
import socket
import stat

from ranvier.config.sections import Listener

logger = logging.getLogger(__name__)

_MAY_BE_LACKING = frozenset({"::", "::1", "0.0.0.0", ""})  # noqa: S104  # recognised, not bound
_LACKING = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT})
BACKLOG = 2048
_UNIX_MODE = 0o666


class ListenError(Exception):
    """A socket could not be opened; the text says which and why."""


def open_sockets(listener: Listener) -> list[socket.socket]:
    """Bound, listening sockets. Raises `ListenError`; then none is left open.

    A machine may have no IPv6 (or no IPv4): of the addresses that every machine has, those of the family that is
    missing are left out, as long as another address can be bound. A port that is taken is never passed over.
    """
    if listener.path is not None:
        return [_open_unix(listener.path, _UNIX_MODE if listener.mode is None else listener.mode)]
    opened: list[socket.socket] = []
    failed: list[ListenError] = []
    for address in listener.bind_addresses:
        try:
            opened.append(_open_tcp(address, listener.port or 0))
        except OSError as error:
            failure = ListenError(f"cannot listen on {address or '*'} port {listener.port}: {error.strerror or error}")
            if address not in _MAY_BE_LACKING or not _is_lacking(error):
                _close(opened)
                raise failure from error
            failed.append(failure)
    if failed and not opened:
        raise failed[0]
    for failure in failed:
        logger.warning("%s; listening on the other addresses", failure)
    return opened


def _is_lacking(error: OSError) -> bool:
    """Whether the machine does not have the address."""
    return isinstance(error, socket.gaierror) or error.errno in _LACKING


def _open_tcp(address: str, port: int) -> socket.socket:
    family, kind, protocol, _, target = socket.getaddrinfo(
        address or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # So that `::` and `0.0.0.0` may be bound side by side.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(target)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _open_unix(path: str, mode: int) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        sock.bind(path)
        os.chmod(path, mode)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise ListenError(f"cannot listen on {path}: {error.strerror or error}") from error
    return sock


def _remove_stale(path: str) -> None:
    """Remove the socket file of a server that is gone. Raises `OSError` if somebody still answers there."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except FileNotFoundError:
        return
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _close(sockets: list[socket.socket]) -> None:
    for sock in sockets:
        sock.close()
