"""Options: outbound connections and federation."""

from ranvier.config.kinds import BOOL, COUNT, DURATION, GLOB, NETWORK, PATH, SECTION, STRING, list_of, one_of
from ranvier.config.option import Option

OPTIONS = (
    Option(
        "ip_range_blacklist",
        list_of(NETWORK),
        [
            "127.0.0.0/8",
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "192.0.0.0/24",
            "169.254.0.0/16",
            "192.88.99.0/24",
            "198.18.0.0/15",
            "192.0.2.0/24",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "::1/128",
            "fe80::/10",
            "fc00::/7",
            "2001:db8::/32",
            "ff00::/8",
            "fec0::/10",
        ],
        "Networks that outbound connections must not reach",
    ),
    Option("ip_range_whitelist", list_of(NETWORK), [], "Exceptions to ip_range_blacklist"),
    Option("federation_verify_certificates", BOOL, True, "Verify certificates outbound"),
    Option(
        "federation_client_minimum_tls_version",
        one_of("1", "1.0", "1.1", "1.2", "1.3"),
        "1",
        "Lowest outbound TLS version",
    ),
    Option("federation_certificate_verification_whitelist", list_of(GLOB), [], "Skip verification for these domains"),
    Option("federation_custom_ca_list", list_of(PATH), None, "Replaces the OS CA bundle for federation"),
    Option("federation_domain_whitelist", list_of(STRING), None, "Only federate with these"),
    Option("federation_metrics_domains", list_of(STRING), [], "Domains with PDU-age metrics"),
    Option(
        "allow_device_name_lookup_over_federation",
        BOOL,
        False,
        "Include device display names in federation key queries",
    ),
    Option(
        "federation_rr_transactions_per_room_per_second",
        COUNT,
        50,
        "Outgoing read-receipt transactions per room per second",
    ),
    Option(
        "federation_sender_instances", list_of(STRING), [], "Workers that send federation; stop all before changing"
    ),
    Option("user_agent_suffix", STRING, None, "Appended to the outgoing User-Agent"),
    Option("http_proxy", STRING, None, "Proxy for http (else environment)"),
    Option("https_proxy", STRING, None, "Proxy for https"),
    Option("no_proxy_hosts", list_of(STRING), None, "Hosts/CIDRs that bypass the proxy"),
    Option(
        "federation_whitelist_endpoint_enabled",
        BOOL,
        False,
        "Serve GET /_synapse/client/v1/config/federation_whitelist",
    ),
    Option("federation", SECTION, None, "Timeout/retry tuning of the federation client"),
    Option("federation.client_timeout", DURATION, "60s", "Request timeout"),
    Option("federation.max_short_retry_delay", DURATION, "2s", "Cap of short retry delay"),
    Option("federation.max_long_retry_delay", DURATION, "60s", "Cap of long retry delay"),
    Option("federation.max_short_retries", COUNT, 3, "Count of short retries"),
    Option("federation.max_long_retries", COUNT, 10, "Count of long retries"),
    Option("federation.destination_min_retry_interval", DURATION, "10m", "First backoff of a destination"),
    Option("federation.destination_retry_multiplier", COUNT, 2, "Backoff multiplier"),
    Option("federation.destination_max_retry_interval", DURATION, "1w", "Backoff cap"),
)
