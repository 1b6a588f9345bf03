"""Servers that are started to be measured: this Ranvier, and a Synapse from the Python Package Index."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.process import memory_mib
from tests.federation_tls.server import FederatingServer, issue
from tests.interop.environment import synapse_python
from tests.interop.synapse import SynapseServer


@contextmanager
def both(folder: Path) -> Iterator[list[FederatingServer]]:
    """A Synapse and a Ranvier with empty SQLite databases, configured alike, not started."""
    certificates = issue(folder)
    servers = [
        SynapseServer(folder / "synapse", certificates, python=synapse_python(), host="localhost"),
        FederatingServer(folder / "ranvier", certificates, host="localhost", options={}),
    ]
    try:
        yield servers
    finally:
        for server in servers:
            server.close()


def start(server: FederatingServer, *, times: int) -> tuple[float, float]:
    """Start it so often; the shortest time until it answered, and its memory after some idle seconds, in MiB.

    The first start makes the database and does not count. It is left running.
    """
    server.start()
    shortest_s = float("inf")
    for _ in range(times):
        server.stop()
        began = time.monotonic()
        server.start()
        shortest_s = min(shortest_s, time.monotonic() - began)
    time.sleep(2)
    return shortest_s, memory_mib(server.pid)
