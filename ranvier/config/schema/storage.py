"""Options: database, caches and log."""

from ranvier.config.kinds import BOOL, COUNT, DURATION, FLOAT, OBJECT, PATH, SECTION, SIZE, list_of, map_of, one_of
from ranvier.config.option import Option

_NO_EXPIRY = "caches are bounded by their number of entries, so that what is not used is the first to go"
_NO_TUNING = "caches are bounded by their number of entries; caches.global_factor makes all of them smaller"

OPTIONS = (
    Option(
        "event_cache_size",
        SIZE,
        "10K",
        "Event cache entries (scaled by global_factor)",
        honoured=True,
        reloadable=True,
    ),
    Option(
        "caches.global_factor",
        FLOAT,
        0.5,
        "Default cache multiplier; the environment variable SYNAPSE_CACHE_FACTOR wins",
        honoured=True,
        reloadable=True,
    ),
    Option(
        "caches.per_cache_factors",
        map_of(FLOAT),
        {},
        "Per-cache multiplier (events, rooms, sessions); the environment variable SYNAPSE_CACHE_FACTOR_<NAME> wins",
        honoured=True,
        reloadable=True,
    ),
    Option("caches.expire_caches", BOOL, True, "Evict entries not used for cache_entry_ttl", not_applicable=_NO_EXPIRY),
    Option("caches.cache_entry_ttl", DURATION, "30m", "Idle time before eviction", not_applicable=_NO_EXPIRY),
    Option(
        "caches.sync_response_cache_duration",
        DURATION,
        "2m",
        "Keep successful /sync responses",
        not_applicable="a sync that is asked again is answered from what is in memory anyway, without a statement",
    ),
    Option(
        "caches.cache_autotuning.max_cache_memory_usage",
        SIZE,
        None,
        "Start evicting above this; needs jemalloc and all three options",
        not_applicable=_NO_TUNING,
    ),
    Option(
        "caches.cache_autotuning.target_cache_memory_usage",
        SIZE,
        None,
        "Evict down to this",
        not_applicable=_NO_TUNING,
    ),
    Option(
        "caches.cache_autotuning.min_cache_ttl",
        DURATION,
        None,
        "Never evict entries younger than this",
        not_applicable=_NO_TUNING,
    ),
    Option("database.name", one_of("sqlite3", "psycopg2"), "sqlite3", "Engine", honoured=True),
    Option(
        "database.txn_limit", COUNT, 0, "Transactions per connection before reconnecting; 0 = unlimited", honoured=True
    ),
    Option("database.allow_unsafe_locale", BOOL, False, "Start although PostgreSQL locale is not C", honoured=True),
    Option(
        "database.args", OBJECT, {}, "Engine arguments; cp_* go to the connection pool (cp_min, cp_max)", honoured=True
    ),
    Option(
        "databases",
        SECTION,
        {},
        "Databases for parts of the tables; excludes database. One entry alone is the database, several are an error",
        honoured=True,
    ),
    Option(
        "databases.*.data_stores",
        list_of(one_of("main", "state")),
        None,
        "Stores held in that database; both, as there is only one",
        required=True,
        honoured=True,
    ),
    Option("log_config", PATH, None, "Python logging dictConfig YAML", honoured=True, reloadable=True),
    Option("databases.*.name", one_of("sqlite3", "psycopg2"), "sqlite3", "As database.name", honoured=True),
    Option("databases.*.txn_limit", COUNT, 0, "As database.txn_limit", honoured=True),
    Option("databases.*.allow_unsafe_locale", BOOL, False, "As database.allow_unsafe_locale", honoured=True),
    Option("databases.*.args", OBJECT, {}, "As database.args", honoured=True),
)
