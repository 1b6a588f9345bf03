"""Options: older names and switches that a file may still hold."""

from ranvier.config.kinds import ANY, BOOL, LIST, NETWORK, OBJECT, URL, list_of
from ranvier.config.option import Option

OPTIONS = (
    Option("experimental_features", OBJECT, {}, "Feature flags, each named after its MSC"),
    Option(
        "experimental_features.faster_joins",
        BOOL,
        True,
        "Ask for partial state when joining a remote room",
        honoured=True,
    ),
    Option("notify_appservices", BOOL, True, "Older switch: the main process notifies application services"),
    Option("update_user_directory", BOOL, True, "Older switch: the main process updates the user directory"),
    Option("worker_main_http_uri", URL, None, "Not needed any more; ignored", honoured=True),
    Option("perspectives", OBJECT, None, "Legacy form of trusted_key_servers"),
    Option("oidc_config", OBJECT, None, "Legacy form of oidc_providers"),
    Option("use_presence", BOOL, None, "Legacy form of presence.enabled", honoured=True),
    Option(
        "federation_ip_range_blacklist",
        list_of(NETWORK),
        None,
        "Legacy form of ip_range_blacklist",
        honoured=True,
    ),
    Option("password_providers", LIST, None, "Legacy password auth providers (replaced by modules)"),
    Option("spam_checker", ANY, None, "Legacy spam checker modules"),
    Option("third_party_event_rules", OBJECT, None, "Legacy third-party rules module"),
    Option(
        "account_validity",
        OBJECT,
        None,
        "Legacy account validity (enabled, period, renew_at, renew_by_email_enabled, ...)",
    ),
    Option("experimental", OBJECT, {}, "Other spelling of experimental_features"),
    Option("experimental.faster_joins", BOOL, True, "As experimental_features.faster_joins", honoured=True),
)
