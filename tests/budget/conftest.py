"""Every budget is measured on a server of its own."""

from tests.api.fixtures import alice, bob, carol, guest, homeserver, stranger

__all__ = ["alice", "bob", "carol", "guest", "homeserver", "stranger"]
