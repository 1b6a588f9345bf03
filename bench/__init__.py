"""What a homeserver costs, beside another one: `make bench`. Speaks only the standard client API."""
