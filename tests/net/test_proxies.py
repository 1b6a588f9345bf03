"""Which connections go through the operator's proxy."""

import pytest

from ranvier.config.load import ConfigError, parse
from ranvier.net.proxies import Proxies


def _proxies(**options: object) -> Proxies:
    return Proxies(parse({"server_name": "test", **options}).outbound)


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("proxy.example:3128", "http://proxy.example:3128"),
        ("http://proxy.example:3128/", "http://proxy.example:3128"),
        ("http://user:pass@proxy.example", "http://user:pass@proxy.example:1080"),
        ("[::1]", "http://[::1]:1080"),
        ("[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_the_proxy_is_a_url(written: str, url: str) -> None:
    assert _proxies(https_proxy=written).for_https("there.example") == url


def test_another_way_to_talk_to_a_proxy_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="https_proxy"):
        _proxies(https_proxy="socks5://proxy.example")


def test_without_a_proxy() -> None:
    assert _proxies().for_https("there.example") is None
    assert _proxies(http_proxy="proxy.example").for_https("there.example") is None


@pytest.mark.parametrize(
    ("exempt", "host", "is_exempt"),
    [
        ("there.example", "there.example", True),
        ("there.example", "THERE.example.", True),
        ("there.example", "sub.there.example", True),
        ("there.example", "elsethere.example", False),
        (".there.example", "sub.there.example", True),
        ("*.there.example", "sub.there.example", True),
        ("*", "anything.example", True),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8", "fd00::1", False),
        ("[fd00::1]", "fd00::1", True),
        ("there.example", "10.1.2.3", False),
    ],
)
def test_hosts_that_need_no_proxy(exempt: str, host: str, is_exempt: bool) -> None:
    proxies = _proxies(https_proxy="proxy.example", no_proxy_hosts=["localhost", exempt])
    assert (proxies.for_https(host) is None) == is_exempt
