"""Whether a connection goes through the operator's forward proxy: `http_proxy`, `https_proxy`, `no_proxy_hosts`. Pure."""

from ipaddress import ip_address, ip_network

from ranvier.config.outbound_sections import OutboundConfig

_DEFAULT_PORT = 1080


class Proxies:
    """Tells the proxy for a host."""

    def __init__(self, outbound: OutboundConfig) -> None:
        self._http = _url(outbound.http_proxy)
        self._https = _url(outbound.https_proxy)
        self._without = tuple(host.strip().lower() for host in outbound.no_proxy_hosts if host.strip())

    def for_https(self, host: str) -> str | None:
        """The URL of the proxy for a connection to this name or IP literal; `None`: connect directly."""
        return None if self._https is None or self._is_exempt(host.lower().rstrip(".")) else self._https

    def for_http(self, host: str) -> str | None:
        """As `for_https`, for a connection without TLS."""
        return None if self._http is None or self._is_exempt(host.lower().rstrip(".")) else self._http

    def _is_exempt(self, host: str) -> bool:
        return any(entry == "*" or _covers(entry, host) for entry in self._without)


def _covers(entry: str, host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        name = entry.removeprefix("*").removeprefix(".")
        return host == name or host.endswith("." + name)
    try:
        network = ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return False
    return address.version == network.version and address in network


def _url(proxy: str | None) -> str | None:
    """`host:port` is as good as `http://host:port`."""
    if not proxy:
        return None
    url = proxy if "://" in proxy else f"http://{proxy}"
    authority = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    has_port = ":" in authority.rpartition("]")[2]
    return url.rstrip("/") if has_port else f"{url.rstrip('/')}:{_DEFAULT_PORT}"
