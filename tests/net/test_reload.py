"""Certificate authorities that change while the server runs."""

from pathlib import Path

import pytest
import trustme

from ranvier.config.load import parse
from ranvier.config.outbound_sections import FederationConfig
from ranvier.net.tls import TrustRules


def _config(path: Path) -> FederationConfig:
    return parse({"server_name": "here.example", "federation_custom_ca_list": [str(path)]}).federation


def _rules(path: Path) -> TrustRules:
    return TrustRules(_config(path))


def _trusted(rules: TrustRules) -> set[bytes]:
    return set(rules.context_for("other.example").get_ca_certs(binary_form=True))


@pytest.mark.parametrize("is_used", [True, False])
def test_new_connections_trust_what_the_files_hold(tmp_path: Path, is_used: bool) -> None:
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    rules = _rules(path)
    before = _trusted(rules) if is_used else set[bytes]()
    trustme.CA().cert_pem.write_to_path(str(path))
    rules.prepare(_config(path))()
    after = _trusted(rules)
    assert len(after) == 1 and after.isdisjoint(before)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff"])
def test_what_cannot_be_read_changes_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    rules = _rules(path)
    federation, before = _config(path), _trusted(rules)
    path.write_bytes(content)
    with pytest.raises((OSError, ValueError)):
        rules.prepare(federation)
    path.unlink()
    with pytest.raises(OSError, match="No such file"):
        rules.prepare(federation)
    assert _trusted(rules) == before


def test_without_files_there_is_nothing_to_read() -> None:
    federation = parse({"server_name": "here.example"}).federation
    rules = TrustRules(federation)
    rules.prepare(federation)()
    assert rules.context_for("other.example")
