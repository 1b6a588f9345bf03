"""What the authorisation rules look at inside identifiers.

Spec: appendices, "Identifier Grammar". The rules see events of old rooms too, so that the historical grammar of user ids
holds here: anything but `:` and NUL before the server name.
"""


def domain_of(identifier: str) -> str:
    """The server name in an identifier; empty where there is none."""
    return identifier.partition(":")[2]


def is_user_id(value: object) -> bool:
    """Whether this is a user id that servers must accept in events."""
    if not isinstance(value, str) or not value.startswith("@"):
        return False
    localpart, _, server_name = value.partition(":")
    return (
        bool(server_name) and "\0" not in localpart and (len(value) < 64 or len(value.encode(errors="replace")) <= 255)
    )
