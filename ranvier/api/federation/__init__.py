"""The federation API: what other servers ask. Spec: server-server API."""
