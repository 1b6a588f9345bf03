"""`ip_range_*`, the proxies and `federation*` as typed objects."""

import ssl
from typing import Final

from ranvier.config.outbound_sections import FederationConfig, OutboundConfig
from ranvier.config.values import Values

_CUSTOM_CAS: Final = "federation_custom_ca_list"


def build_outbound(values: Values) -> OutboundConfig:
    """How other machines are reached. `federation_ip_range_blacklist` is the older name of `ip_range_blacklist`."""
    older = values.is_set("federation_ip_range_blacklist") and not values.is_set("ip_range_blacklist")
    for option in ("http_proxy", "https_proxy"):
        proxy = values.text_or_none(option)
        if proxy and "://" in proxy and not proxy.startswith("http://"):
            values.error(option, "expected host:port or an http:// URL; other ways to talk to a proxy are not known")
    return OutboundConfig(
        ip_range_blacklist=values.texts("federation_ip_range_blacklist" if older else "ip_range_blacklist"),
        ip_range_whitelist=values.texts("ip_range_whitelist"),
        user_agent_suffix=values.text_or_none("user_agent_suffix"),
        http_proxy=values.text_or_none("http_proxy") or None,
        https_proxy=values.text_or_none("https_proxy") or None,
        no_proxy_hosts=values.texts("no_proxy_hosts"),
    )


def build_federation(values: Values) -> FederationConfig:
    """How other homeservers are reached."""
    section = "federation"
    return FederationConfig(
        verify_certificates=values.boolean("federation_verify_certificates"),
        certificate_verification_whitelist=values.texts("federation_certificate_verification_whitelist"),
        custom_ca_list=_custom_cas(values),
        custom_ca_paths=values.texts(_CUSTOM_CAS) if values.is_set(_CUSTOM_CAS) else (),
        client_minimum_tls_version="1.3" if values.text("federation_client_minimum_tls_version") == "1.3" else "1.2",
        domain_whitelist=(
            None if values.get("federation_domain_whitelist") is None else values.texts("federation_domain_whitelist")
        ),
        metrics_domains=values.texts("federation_metrics_domains"),
        shows_public_rooms=values.boolean("allow_public_rooms_over_federation"),
        shows_profiles=values.boolean("allow_profile_lookup_over_federation"),
        shows_device_names=values.boolean("allow_device_name_lookup_over_federation"),
        client_timeout_ms=values.integer(f"{section}.client_timeout"),
        max_short_retry_delay_ms=values.integer(f"{section}.max_short_retry_delay"),
        max_long_retry_delay_ms=values.integer(f"{section}.max_long_retry_delay"),
        max_short_retries=values.integer(f"{section}.max_short_retries"),
        max_long_retries=values.integer(f"{section}.max_long_retries"),
        destination_min_retry_interval_ms=values.integer(f"{section}.destination_min_retry_interval"),
        destination_retry_multiplier=values.integer(f"{section}.destination_retry_multiplier"),
        destination_max_retry_interval_ms=values.integer(f"{section}.destination_max_retry_interval"),
        receipts_per_room_per_second=max(1, values.integer("federation_rr_transactions_per_room_per_second")),
    )


def read_certificates(path: str) -> str:
    """A file of certificates in PEM. Raises `OSError`, `UnicodeDecodeError`, or `ssl.SSLError` if it holds none."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    return text


def _custom_cas(values: Values) -> tuple[str, ...] | None:
    """What the files of `federation_custom_ca_list` hold. A file that holds no certificate is a mistake."""
    option = _CUSTOM_CAS
    if not values.is_set(option):
        return None
    texts = []
    for path in values.texts(option):
        try:
            texts.append(read_certificates(path))
        except UnicodeDecodeError:
            values.error(option, f"cannot read {path}: not a text file")
        except (ssl.SSLError, ValueError):
            values.error(option, f"{path} holds no certificate in PEM")
        except OSError as error:
            values.error(option, f"cannot read {path}: {error.strerror}")
    return tuple(texts) or None
