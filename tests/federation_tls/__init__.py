"""Homeservers as processes that federate over TLS."""
