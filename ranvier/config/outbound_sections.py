"""What the configuration says about reaching other machines: frozen, typed."""

from dataclasses import dataclass
from typing import Literal

TlsVersion = Literal["1.2", "1.3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundConfig:
    """Options for every outgoing connection."""

    ip_range_blacklist: tuple[str, ...]
    """Addresses and networks that are never connected to, unless a proxy does it. `0.0.0.0` and `::` come with it."""
    ip_range_whitelist: tuple[str, ...]
    """Exceptions from it."""
    user_agent_suffix: str | None
    http_proxy: str | None
    """From the file, else from the environment."""
    https_proxy: str | None
    """From the file, else from the environment."""
    no_proxy_hosts: tuple[str, ...]
    """Hosts (with their subdomains), addresses and networks that are reached without the proxy; `*`: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FederationConfig:
    """Options for requests to other homeservers: `federation_*`, and the section `federation`."""

    verify_certificates: bool
    certificate_verification_whitelist: tuple[str, ...]
    """Glob patterns of names whose certificates are not verified."""
    custom_ca_list: tuple[str, ...] | None
    """Certificates (PEM, one text for each file) to trust instead of the system's; `None`: the system's."""
    custom_ca_paths: tuple[str, ...]
    """The files of `custom_ca_list`, which SIGHUP reads again."""
    client_minimum_tls_version: TlsVersion
    """Older ones than 1.2 are not spoken, whatever the file says."""
    domain_whitelist: tuple[str, ...] | None
    """The only servers to federate with; `None`: all."""
    metrics_domains: tuple[str, ...]
    """Servers of which metrics tell how old the events are that come and go."""
    shows_public_rooms: bool
    """`allow_public_rooms_over_federation`."""
    shows_profiles: bool
    """`allow_profile_lookup_over_federation`."""
    shows_device_names: bool
    """`allow_device_name_lookup_over_federation`."""
    client_timeout_ms: int
    max_short_retry_delay_ms: int
    max_long_retry_delay_ms: int
    max_short_retries: int
    max_long_retries: int
    destination_min_retry_interval_ms: int
    destination_retry_multiplier: int
    destination_max_retry_interval_ms: int
    receipts_per_room_per_second: int
    """`federation_rr_transactions_per_room_per_second`; at least 1."""
