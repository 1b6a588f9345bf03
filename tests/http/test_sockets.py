"""Addresses that a machine does not have, and ports that are taken."""

import errno
import logging
import socket
from dataclasses import replace
from typing import Any

import pytest

from ranvier.http.sockets import ListenError, open_sockets
from tests.http.server import LISTENER


@pytest.fixture
def no_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose kernel has IPv6 and no address for it, as containers do."""
    bind = socket.socket.bind

    class Socket(socket.socket):
        def bind(self, address: Any) -> None:
            if self.family == socket.AF_INET6:
                raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
            bind(self, address)

    monkeypatch.setattr(socket, "socket", Socket)


def _opened(*addresses: str) -> list[str]:
    sockets = open_sockets(replace(LISTENER, bind_addresses=addresses))
    try:
        return [sock.getsockname()[0] for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()


@pytest.mark.usefixtures("no_ipv6")
@pytest.mark.parametrize("lacking", ["::1", "::"])
def test_what_the_machine_lacks_is_left_out(lacking: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert _opened(lacking, "127.0.0.1") == ["127.0.0.1"]
    assert f"cannot listen on {lacking} port 0" in caplog.text


@pytest.mark.usefixtures("no_ipv6")
@pytest.mark.parametrize("addresses", [("::1",), ("2001:db8::1", "127.0.0.1")])
def test_but_something_has_to_be_there_and_what_is_named_too(addresses: tuple[str, ...]) -> None:
    with pytest.raises(ListenError, match=r"cannot listen on .*::1"):
        _opened(*addresses)


def test_a_port_that_is_taken_is_never_passed_over() -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=rf"0\.0\.0\.0 port {port}"):
            open_sockets(replace(LISTENER, port=port, bind_addresses=("::", "0.0.0.0")))
