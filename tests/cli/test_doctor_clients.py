"""`ranvier doctor` on how clients find a server: by its name, and at its address."""

import pytest

from ranvier.cli.doctor_clients import examine_clients
from ranvier.cli.doctor_findings import Finding
from ranvier.config.load import parse
from ranvier.net.well_known import WellKnown
from tests.net.clock import ManualClock
from tests.net.exchange import FakeExchange, Page

NAMED = "https://a.test/.well-known/matrix/client"
VERSIONS = "https://matrix.a.test/_matrix/client/versions"
CORS = {"access-control-allow-origin": "*"}
TOLD = b'{"m.homeserver": {"base_url": "https://matrix.a.test"}}'
GOOD = {NAMED: Page(200, TOLD, CORS), VERSIONS: Page(200, b'{"versions": []}')}


async def _look(pages: dict[str, Page], *, server_name: str = "a.test", base: str | None = None) -> list[Finding]:
    options = {"server_name": server_name, "public_baseurl": base or "https://matrix.a.test/"}
    https = FakeExchange(pages)
    return await examine_clients(parse(options), https, WellKnown(https=https, clock=ManualClock()))


@pytest.mark.parametrize("server_name", ["a.test", "a.test:8448"])
async def test_a_sound_server(server_name: str) -> None:
    found = await _look(GOOD, server_name=server_name)
    assert [(finding.level, finding.remedy) for finding in found] == [("ok", None), ("ok", None)]


@pytest.mark.parametrize(
    ("page", "level", "text"),
    [
        (Page(404, b"", CORS), "note", "people have to type https://matrix.a.test/"),
        (Page(200, b"<html>", CORS), "warning", "names no server"),
        (Page(200, b'{"m.homeserver": "matrix.a.test"}', CORS), "warning", "names no server"),
        (Page(200, b"\xff", CORS), "warning", "names no server"),
        (Page(500, TOLD, CORS), "warning", "names no server"),
        (Page(302, b"", {"location": "http://a.test/"}), "warning", "is redirected to nowhere"),
        (Page(200, TOLD), "warning", "clients in browsers cannot read"),
        (Page(200, TOLD.replace(b"matrix.", b"")), "warning", "leads to https://a.test, and public_baseurl is"),
    ],
)
async def test_by_name(page: Page, level: str, text: str) -> None:
    found, address = await _look(GOOD | {NAMED: page})
    assert (found.level, address.level) == (level, "ok")
    assert text in found.text
    assert found.remedy is not None


@pytest.mark.parametrize(
    "page", [Page(404, b"{}"), Page(200, b"<html>"), Page(200, b'{"versions": 1}'), Page(502, b'{"versions": []}')]
)
async def test_at_the_address(page: Page) -> None:
    _, found = await _look(GOOD | {VERSIONS: page})
    assert found.level == "warning"
    assert f"is no homeserver (status {page.status})" in found.text


async def test_nobody_there() -> None:
    found = await _look({})
    assert [finding.level for finding in found] == ["warning", "warning"]
    assert "nobody there" in found[0].text


async def test_an_address_without_tls() -> None:
    """Which the configuration is blamed for."""
    (found,) = await _look(GOOD, base="http://matrix.a.test/")
    assert "leads to https://matrix.a.test, and public_baseurl is http://matrix.a.test/" in found.text
