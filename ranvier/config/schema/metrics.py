"""Options: metrics, statistics and tracing."""

from ranvier.config.kinds import BOOL, OBJECT, REGEX, STRING, URL, list_of
from ranvier.config.option import Option

_NO_REPORTS = "this server tells nobody how it is used"

OPTIONS = (
    Option("enable_metrics", BOOL, False, "Collect and expose Prometheus metrics", honoured=True),
    Option("sentry.dsn", STRING, None, "Sentry DSN", honoured=True),
    Option("metrics_flags.known_servers", BOOL, False, "Expose synapse_federation_known_servers", honoured=True),
    Option("report_stats", BOOL, False, "Report anonymous statistics", not_applicable=_NO_REPORTS),
    Option(
        "report_stats_endpoint", URL, "https://matrix.org/report-usage-stats/push", "Target", not_applicable=_NO_REPORTS
    ),
    Option("opentracing.enabled", BOOL, False, "Tracing on", honoured=True),
    Option("opentracing.homeserver_whitelist", list_of(REGEX), [], "Servers to exchange spans with", honoured=True),
    Option("opentracing.force_tracing_for_users", list_of(STRING), [], "Always trace these", honoured=True),
    Option(
        "opentracing.jaeger_config",
        OBJECT,
        {},
        "Which requests are traced, and where traces go; docs/tracing.md",
        honoured=True,
    ),
    Option("sentry.environment", STRING, None, "Sentry environment", honoured=True),
)
