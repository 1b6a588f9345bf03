"""Options: sockets, TLS files and the manhole."""

from ranvier.config.kinds import BOOL, LIST, OBJECT, PATH, PERMISSIONS, PORT, SECTION, STRING, list_of, one_of
from ranvier.config.option import Option

_NO_CLASSES = (
    "classes are written against another server's web framework; a reverse proxy can send the path to a program of its "
    "own (setting it is an error that says so)"
)

RESOURCES = list_of(
    one_of("client", "consent", "federation", "health", "keys", "media", "metrics", "openid", "replication", "static")
)

OPTIONS = (
    Option("listeners", LIST, [], "Sockets to open", honoured=True),
    Option("listeners[].port", PORT, None, "TCP port", honoured=True),
    Option(
        "listeners[].tag",
        STRING,
        None,
        "Name of this listener in the logger of its requests, instead of the port; only for type http",
        honoured=True,
    ),
    Option("listeners[].bind_addresses", list_of(STRING), None, "Local addresses; all when not set", honoured=True),
    Option("listeners[].type", one_of("http", "manhole", "metrics"), "http", "Listener kind", honoured=True),
    Option("listeners[].tls", BOOL, False, "Use tls_certificate_path / tls_private_key_path", honoured=True),
    Option("listeners[].x_forwarded", BOOL, False, "Take client IP from X-Forwarded-For (http only)", honoured=True),
    Option(
        "listeners[].request_id_header",
        STRING,
        None,
        "Header whose value becomes the request id in logs and traces",
        honoured=True,
    ),
    Option("listeners[].resources", LIST, [], "Resources to host (http only)", honoured=True),
    Option(
        "listeners[].resources[].names",
        RESOURCES,
        None,
        "What to serve: client, consent, federation, health, keys, media, metrics, openid, replication, static",
        required=True,
        honoured=True,
    ),
    Option(
        "listeners[].resources[].compress",
        BOOL,
        False,
        "gzip bodies; only for client, consent, metrics, federation",
        honoured=True,
    ),
    Option(
        "listeners[].additional_resources",
        SECTION,
        {},
        "Extra endpoints from python classes",
        not_applicable=_NO_CLASSES,
    ),
    Option(
        "listeners[].additional_resources.*.module",
        STRING,
        None,
        "Class of the extra resource",
        required=True,
        not_applicable=_NO_CLASSES,
    ),
    Option("listeners[].additional_resources.*.config", OBJECT, {}, "Its configuration", not_applicable=_NO_CLASSES),
    Option("manhole_settings.username", STRING, "matrix", "SSH user name for the manhole", honoured=True),
    Option("manhole_settings.password", STRING, "rabbithole", "SSH password for the manhole", honoured=True),
    Option("manhole_settings.ssh_priv_key_path", PATH, None, "SSH host private key", honoured=True),
    Option("manhole_settings.ssh_pub_key_path", PATH, None, "SSH host public key", honoured=True),
    Option("tls_certificate_path", PATH, None, "PEM chain", honoured=True, reloadable=True),
    Option("tls_private_key_path", PATH, None, "PEM key", honoured=True, reloadable=True),
    Option("listeners[].bind_address", STRING, None, "Older singular form of bind_addresses", honoured=True),
    Option("listeners[].path", STRING, None, "Unix socket instead of a TCP port", honoured=True),
    Option("listeners[].mode", PERMISSIONS, None, "Permissions of the unix socket", honoured=True),
    Option(
        "request_log_prefix",
        STRING,
        "synapse.access",
        "What the names of the loggers of requests begin with, before .http.8008",
        honoured=True,
    ),
    Option("manhole", PORT, None, "Short form: manhole listener on that localhost port", honoured=True),
)
