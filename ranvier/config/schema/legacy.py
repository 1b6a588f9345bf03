"""Options: older names and switches that a file may still hold."""

from ranvier.config.kinds import ANY, BASE64, BOOL, LIST, NETWORK, OBJECT, SECTION, URL, list_of
from ranvier.config.option import Option
from ranvier.config.schema.modules import NO_MODULES

OPTIONS = (
    Option(
        "experimental_features",
        OBJECT,
        {},
        "Feature flags, each named after its MSC. What is built is on; faster_joins alone is a switch",
        honoured=True,
    ),
    Option(
        "experimental_features.faster_joins",
        BOOL,
        True,
        "Ask for partial state when joining a remote room",
        honoured=True,
    ),
    Option("notify_appservices", BOOL, True, "Older switch: the main process notifies application services"),
    Option(
        "update_user_directory",
        BOOL,
        True,
        "Older switch: the main process updates the user directory",
        not_applicable="the process that changes a profile notes it for the directory in the same transaction",
    ),
    Option("worker_main_http_uri", URL, None, "Not needed any more; ignored", honoured=True),
    Option("perspectives", SECTION, None, "Legacy form of trusted_key_servers", honoured=True),
    Option("perspectives.servers", SECTION, {}, "Notaries by their names", honoured=True),
    Option("perspectives.servers.*.verify_keys", SECTION, {}, "Their public keys by key id", honoured=True),
    Option("perspectives.servers.*.verify_keys.*.key", BASE64, None, "One of the keys", required=True, honoured=True),
    Option("oidc_config", OBJECT, None, "Legacy form of oidc_providers"),
    Option("use_presence", BOOL, None, "Legacy form of presence.enabled", honoured=True),
    Option(
        "federation_ip_range_blacklist",
        list_of(NETWORK),
        None,
        "Legacy form of ip_range_blacklist",
        honoured=True,
    ),
    Option(
        "password_providers",
        LIST,
        None,
        "Legacy password auth providers (replaced by modules)",
        not_applicable=NO_MODULES,
    ),
    Option("spam_checker", ANY, None, "Legacy spam checker modules", not_applicable=NO_MODULES),
    Option("third_party_event_rules", OBJECT, None, "Legacy third-party rules module", not_applicable=NO_MODULES),
    Option(
        "account_validity",
        OBJECT,
        None,
        "Legacy account validity (enabled, period, renew_at, renew_by_email_enabled, ...)",
    ),
    Option("experimental", OBJECT, {}, "Other spelling of experimental_features", honoured=True),
    Option("experimental.faster_joins", BOOL, True, "As experimental_features.faster_joins", honoured=True),
)
