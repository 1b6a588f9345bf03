"""The web as the configuration describes it."""

from collections.abc import Callable

from ranvier.config.model import Config
from ranvier.net.address_rules import AddressRules
from ranvier.net.resolver import Resolver
from ranvier.net.web import Web


def open_web(config: Config, *, resolver: Resolver | None = None) -> Web:
    """Where media of other servers have gone: not to addresses of `ip_range_blacklist`."""
    outbound = config.outbound
    rules = AddressRules(blocked=outbound.ip_range_blacklist, allowed=outbound.ip_range_whitelist)
    return Web(outbound=outbound, rules=rules, open_resolver=lambda: resolver or _dns())


def open_preview_web(config: Config, allows: Callable[[str], bool], *, resolver: Resolver | None = None) -> Web | None:
    """Pages to preview: not at addresses of `url_preview_ip_range_blacklist`; `None` where there are no previews."""
    previews = None if config.media is None else config.media.previews
    if previews is None:
        return None
    rules = AddressRules(blocked=previews.ip_range_blacklist, allowed=previews.ip_range_whitelist)
    return Web(outbound=config.outbound, rules=rules, open_resolver=lambda: resolver or _dns(), allows=allows)


def _dns() -> Resolver:
    from ranvier.net.dns import DnsResolver

    return DnsResolver()
