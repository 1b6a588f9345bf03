"""The network as the configuration describes it."""

from ranvier import __version__
from ranvier.config.model import Config
from ranvier.net.address_rules import AddressRules
from ranvier.net.discovery import Discovery
from ranvier.net.proxies import Proxies
from ranvier.net.resolver import Resolver
from ranvier.net.tls import TrustRules
from ranvier.net.transport import NetTransport, Reach
from ranvier.net.well_known import WellKnown
from ranvier.ports import Clock


def open_transport(config: Config, *, clock: Clock, resolver: Resolver | None = None) -> NetTransport:
    """Requests to other servers. Without `resolver` names are looked up by the system's DNS.

    Costs nothing until the first request: the HTTP client, the resolver and the certificates are loaded then.
    """
    trust = TrustRules(config.federation)
    return NetTransport(
        lambda: open_reach(config, clock=clock, resolver=resolver, trust=trust), prepare_trust=trust.prepare
    )


def open_reach(config: Config, *, clock: Clock, resolver: Resolver | None, trust: TrustRules) -> Reach:
    """What requests go through, for who wants to see more than answers. Raises `OSError` if certificates cannot be loaded."""
    from ranvier.net.dns import DnsResolver
    from ranvier.net.https import Https

    trust.context_for("example.org")
    names = resolver or DnsResolver()
    suffix = config.outbound.user_agent_suffix
    https = Https(
        resolver=names,
        rules=AddressRules(blocked=config.outbound.ip_range_blacklist, allowed=config.outbound.ip_range_whitelist),
        trust=trust,
        proxies=Proxies(config.outbound),
        user_agent=f"Ranvier/{__version__}" + (f" {suffix}" if suffix else ""),
        clock=clock,
    )
    discovery = Discovery(resolver=names, well_known=WellKnown(https=https, clock=clock), clock=clock)
    return Reach(resolver=names, https=https, discovery=discovery)
