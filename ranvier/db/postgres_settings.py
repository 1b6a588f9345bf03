"""`database.args` as asyncpg's arguments.

The file speaks libpq's language (psycopg2's keywords). asyncpg understands most of it in a connection URI.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

_URI: Final = frozenset(
    (
        "host",
        "port",
        "user",
        "password",
        "dbname",
        "database",
        "passfile",
        "service",
        "sslmode",
        "sslcert",
        "sslkey",
        "sslrootcert",
        "sslcrl",
        "sslpassword",
        "sslnegotiation",
        "ssl_min_protocol_version",
        "ssl_max_protocol_version",
        "target_session_attrs",
        "krbsrvname",
        "gsslib",
        "application_name",
        "options",
    )
)
"""Keywords with a meaning for the driver or the server. The rest (keepalives and the like) tunes libpq itself."""
_CONNECT_TIMEOUT_S: Final = 60.0


def connect_arguments(args: Mapping[str, object]) -> dict[str, Any]:
    """Keyword arguments for `asyncpg.connect`."""
    words = {key: str(value) for key, value in args.items() if key in _URI and value is not None}
    words.setdefault("application_name", "ranvier")
    timeout = args.get("connect_timeout")
    return {
        "dsn": f"postgresql://?{urlencode(words)}",
        "timeout": float(timeout) if isinstance(timeout, (int, float)) and timeout > 0 else _CONNECT_TIMEOUT_S,
        # Our statements are short; compiling a plan costs more than it saves.
        "server_settings": {"jit": "off"},
    }
