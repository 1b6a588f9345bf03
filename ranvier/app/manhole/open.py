"""The manhole: an SSH server whose shell is a Python prompt in the running process.

Configuration: listeners of type `manhole`, `manhole_settings`. Whoever gets in can do everything: nothing but a password
stands between the port and the server, which is why the port is on the loopback unless the file says otherwise.
"""

import asyncio
import hmac
import logging
import socket
from typing import Any

import asyncssh

from ranvier.app.manhole.host_key import host_key
from ranvier.app.manhole.session import ManholeSession, greeting
from ranvier.config.model import Config
from ranvier.http.sockets import ListenError

logger = logging.getLogger(__name__)

_LOGIN_S = 30
_QUIET = logging.WARNING
"""The library tells of each channel; of logins we tell ourselves."""


class Manhole:
    """A manhole that is open."""

    def __init__(self) -> None:
        self._acceptors: list[asyncssh.SSHAcceptor] = []
        self._connections: set[asyncssh.SSHServerConnection] = set()

    async def open(self, sockets: list[socket.socket], *, config: Config, names: dict[str, Any]) -> None:
        """Accept logins on these sockets. Raises `ListenError`; then they are closed."""
        asyncssh.set_log_level(_QUIET)
        try:
            key = host_key(config.manhole_settings, config.signing_keys)
        except ListenError:
            for sock in sockets:
                sock.close()
            raise
        for sock in sockets:
            self._acceptors.append(
                await asyncssh.listen(
                    sock=sock,
                    server_factory=lambda: _Door(self._connections, config, names),
                    server_host_keys=[key],
                    login_timeout=_LOGIN_S,
                    # Nothing of the machine's own configuration of SSH counts here.
                    config=[],
                    public_key_auth=False,
                    gss_host=None,
                    agent_forwarding=False,
                    x11_forwarding=False,
                    allow_scp=False,
                    line_history=1000,
                )
            )

    async def stop(self) -> None:
        """Accept nobody more, and put out who is in."""
        for acceptor in self._acceptors:
            acceptor.close()
        for connection in tuple(self._connections):
            connection.abort()
        await asyncio.gather(*(acceptor.wait_closed() for acceptor in self._acceptors))


class _Door(asyncssh.SSHServer):
    """Who may come in, and what they find."""

    def __init__(self, connections: set[asyncssh.SSHServerConnection], config: Config, names: dict[str, Any]) -> None:
        self._connections = connections
        self._config = config
        self._names = names
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection is not None:
            self._connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        settings = self._config.manhole_settings
        # Both are compared, whatever comes of the first: how long it takes tells nothing.
        right = [
            hmac.compare_digest(given.encode(), wanted.encode())
            for given, wanted in ((username, settings.username), (password, settings.password))
        ]
        if not all(right):
            logger.warning("Somebody was refused at the manhole, from %s", self._peer())
        return all(right)

    def auth_completed(self) -> None:
        logger.warning("Somebody is in the manhole, from %s", self._peer())

    def session_requested(self) -> ManholeSession:
        return ManholeSession(self._names, greeting=greeting(self._config.server_name))

    def _peer(self) -> str:
        peer = self._connection.get_extra_info("peername") if self._connection is not None else None
        return str(peer[0]) if isinstance(peer, tuple) else "this machine"
