"""Ports that nobody listens on."""

import socket


def free_port() -> int:
    """A TCP port of this machine that is free now; the kernel does not hand it out again soon."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
