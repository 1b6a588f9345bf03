"""Every test of the API has a server of its own."""

from tests.api.fixtures import alice, bob, carol, guest, homeserver, homeserver_on_each, stranger

__all__ = ["alice", "bob", "carol", "guest", "homeserver", "homeserver_on_each", "stranger"]
