"""Servers to ask."""

from tests.api.fixtures import alice, bob, carol, homeserver, homeserver_on_each

__all__ = ["alice", "bob", "carol", "homeserver", "homeserver_on_each"]
