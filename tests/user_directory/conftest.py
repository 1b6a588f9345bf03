"""Every test has a server of its own."""

from tests.api.fixtures import homeserver, homeserver_on_each

__all__ = ["homeserver", "homeserver_on_each"]
