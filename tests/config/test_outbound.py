"""Options about reaching other machines."""

from pathlib import Path

import pytest
import trustme

from ranvier.config.load import ConfigError, load, parse


def test_the_defaults() -> None:
    config = parse({"server_name": "test"})
    assert "127.0.0.0/8" in config.outbound.ip_range_blacklist
    assert "fe80::/10" in config.outbound.ip_range_blacklist
    assert config.outbound.ip_range_whitelist == ()
    assert config.outbound.https_proxy is None
    assert config.federation.verify_certificates
    assert config.federation.custom_ca_list is None
    assert config.federation.domain_whitelist is None
    assert config.federation.client_minimum_tls_version == "1.2"
    assert config.federation.client_timeout_ms == 60_000
    assert config.federation.destination_min_retry_interval_ms == 600_000
    assert config.federation.destination_max_retry_interval_ms == 7 * 86_400_000


def test_the_older_name_of_the_blocked_networks() -> None:
    older = parse({"server_name": "test", "federation_ip_range_blacklist": ["1.0.0.0/8"]})
    assert older.outbound.ip_range_blacklist == ("1.0.0.0/8",)
    both = {"federation_ip_range_blacklist": ["1.0.0.0/8"], "ip_range_blacklist": ["2.0.0.0/8"]}
    assert parse({"server_name": "test", **both}).outbound.ip_range_blacklist == ("2.0.0.0/8",)


def test_no_network_needs_to_be_blocked() -> None:
    assert parse({"server_name": "test", "ip_range_blacklist": []}).outbound.ip_range_blacklist == ()


@pytest.mark.parametrize(("written", "spoken"), [(1, "1.2"), ("1.1", "1.2"), (1.2, "1.2"), ("1.3", "1.3")])
def test_the_oldest_tls(written: object, spoken: str) -> None:
    config = parse({"server_name": "test", "federation_client_minimum_tls_version": written})
    assert config.federation.client_minimum_tls_version == spoken


def test_nobody_to_federate_with_is_not_everybody() -> None:
    assert parse({"server_name": "test", "federation_domain_whitelist": []}).federation.domain_whitelist == ()


def test_certificates_to_trust_are_read(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    config = parse({"server_name": "test", "federation_custom_ca_list": [str(path)]})
    assert config.federation.custom_ca_list == (path.read_text(),)


def test_an_empty_list_of_certificates_is_none() -> None:
    assert parse({"server_name": "test", "federation_custom_ca_list": []}).federation.custom_ca_list is None


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "cannot read"), (b"no certificate", "no certificate in PEM"), (b"", "no certificate"), (b"\xff", "cannot")],
)
def test_files_that_hold_no_certificate(tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=problem):
        parse({"server_name": "test", "federation_custom_ca_list": [str(path)]})


_FILE = "server_name: test\nsigning_key: ed25519 a_test AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"


def test_proxies_from_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "homeserver.yaml"
    environment = {"https_proxy": "http://proxy:8080", "NO_PROXY": "localhost, 10.0.0.0/8,"}
    path.write_text(_FILE)
    outbound = load([str(path)], environment=environment).outbound
    assert outbound.https_proxy == "http://proxy:8080"
    assert outbound.no_proxy_hosts == ("localhost", "10.0.0.0/8")
    path.write_text(_FILE + "https_proxy: 'other:1'\nno_proxy_hosts: [there]\n")
    outbound = load([str(path)], environment=environment).outbound
    assert (outbound.https_proxy, outbound.no_proxy_hosts) == ("other:1", ("there",))
