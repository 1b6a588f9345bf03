"""Rooms that began on another server."""

from tests.api.fixtures import alice, bob, homeserver, homeserver_on_each, stranger

__all__ = ["alice", "bob", "homeserver", "homeserver_on_each", "stranger"]
