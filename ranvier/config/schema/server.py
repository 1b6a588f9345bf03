"""Options: the server as a whole: its name, process and address."""

from ranvier.config.kinds import BOOL, COUNT, DURATION, OBJECT, PATH, SERVER_NAME, URL, triple_of
from ranvier.config.option import Option

OPTIONS = (
    Option(
        "server_name",
        SERVER_NAME,
        None,
        "Domain part of the ids of this server; never changes; may carry a port; lower case",
        required=True,
        honoured=True,
    ),
    Option("pid_file", PATH, None, "File that holds the daemon's PID", honoured=True),
    Option("web_client_location", URL, None, "Where GET / redirects to", honoured=True),
    Option(
        "public_baseurl",
        URL,
        None,
        "Base URL that clients use, without /_matrix; https://<server_name>/ when not set",
        honoured=True,
    ),
    Option(
        "serve_server_wellknown",
        BOOL,
        False,
        "Serve /.well-known/matrix/server pointing at <server_name>:443",
        honoured=True,
    ),
    Option(
        "extra_well_known_client_content",
        OBJECT,
        None,
        "Extra keys merged into /.well-known/matrix/client (only served when public_baseurl is set)",
        honoured=True,
    ),
    Option("soft_file_limit", COUNT, 0, "Soft RLIMIT_NOFILE; 0 = raise to the hard limit", honoured=True),
    Option("gc_thresholds", triple_of(COUNT), None, "Arguments to gc.set_threshold", honoured=True),
    Option(
        "gc_min_interval",
        triple_of(DURATION),
        ["1s", "10s", "30s"],
        "Minimum time between collections of each generation",
        not_applicable="garbage is collected by Python itself, which counts objects and not seconds; see gc_thresholds",
    ),
    Option("daemonize", BOOL, False, "Daemonize (also -D/--daemonize)", honoured=True),
    Option(
        "print_pidfile", BOOL, False, "Print PID file path before daemonizing (also --print-pidfile)", honoured=True
    ),
    Option(
        "use_frozen_dicts",
        BOOL,
        False,
        "Freeze event dicts",
        not_applicable="events are never changed once they are made, so there is nothing to freeze",
    ),
)
