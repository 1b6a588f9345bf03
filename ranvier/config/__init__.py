"""The typed configuration of a homeserver."""
