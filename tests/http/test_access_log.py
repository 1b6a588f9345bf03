"""The line of a request: every part of it, as operators' tools read it."""

import asyncio
import logging
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from ranvier.http.protocol import PATIENCE_S
from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Response
from ranvier.http.route import Auth, routes
from ranvier.log.record import RequestRecord
from ranvier.log.setup import PRECISE
from ranvier.usage import current_usage
from tests.http.server import LISTENER, USERS, ask, port_of, serving

LINE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) - (?P<logger>synapse\.access\.https?\.[^ ]+) - (?P<lineno>\d+)"
    r" - (?P<level>INFO) - (?P<request>[^ ]+) - (?P<ip>[^ ]*) - (?P<port>[^ ]+) - \{(?P<requester>[^}]*)\}"
    r" Processed request: (?P<total>\d+\.\d{3})sec/(?P<send>-?\d+\.\d{3})sec"
    r" \((?P<user>\d+\.\d{3})sec, (?P<system>\d+\.\d{3})sec\)"
    r" \((?P<wait>\d+\.\d{3})sec/(?P<database>\d+\.\d{3})sec/(?P<transactions>\d+)\)"
    r" (?P<size>\d+)B (?P<status>\d{3}!?) \"(?P<method>[A-Z]+) (?P<uri>[^ ]+) HTTP/(?P<version>\d\.\d)\""
    r" \"(?P<agent>[^\"]*)\" \[(?P<events>\d+) dbevts\]"
)
"""The manual's parts A to T."""


async def _said(request: Request) -> Response:
    logging.getLogger("ranvier.test").info("While it is served")
    return EMPTY_OBJECT


async def _slow(request: Request) -> Response:
    await asyncio.sleep(0.2)
    return EMPTY_OBJECT


async def _slower(request: Request) -> Response:
    await asyncio.sleep(PATIENCE_S + 0.3)
    return EMPTY_OBJECT


async def _used(request: Request) -> Response:
    usage = current_usage.get()
    assert usage is not None
    usage.waited_s, usage.busy_s, usage.transactions, usage.events = 1.5, 2.25, 3, 4
    return EMPTY_OBJECT


_TABLE = [
    *routes("GET", "/said", _said, auth=Auth.OPTIONAL),
    *routes("GET", "/slow", _slow, auth=Auth.NONE),
    *routes("GET", "/slower", _slower, auth=Auth.NONE),
    *routes("PUT", "/slower", _slower, auth=Auth.NONE),
    *routes("GET", "/used", _used, auth=Auth.NONE),
]


def _lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    formatter = logging.Formatter(PRECISE)
    return [formatter.format(record) for record in caplog.records]


def _parts(caplog: pytest.LogCaptureFixture) -> Mapping[str, str]:
    [line] = [line for line in _lines(caplog) if "Processed request" in line]
    found = LINE.fullmatch(line)
    assert found is not None, line
    return found.groupdict()


@pytest.fixture(autouse=True)
def _records(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    factory = logging.getLogRecordFactory()
    logging.setLogRecordFactory(RequestRecord)
    caplog.set_level(logging.INFO)
    yield
    logging.setLogRecordFactory(factory)


async def test_every_part(caplog: pytest.LogCaptureFixture) -> None:
    listener = replace(LISTENER, tag="outside")
    async with serving(_TABLE, listener=listener) as server:
        answer = await ask(server, "GET", "/said?a=b", token="alice", headers={"User-Agent": "Tester/1 (x)"})
    parts = _parts(caplog)
    assert parts["logger"] == "synapse.access.http.outside"
    assert (parts["ip"], parts["port"], parts["requester"]) == ("127.0.0.1", "outside", "@alice:test")
    assert (parts["status"], parts["size"]) == ("200", str(len(answer.body)))
    assert (parts["method"], parts["uri"], parts["version"]) == ("GET", "/said?a=b", "1.1")
    assert parts["agent"] == "Tester/1 (x)"
    assert (parts["wait"], parts["database"], parts["transactions"], parts["events"]) == ("0.000", "0.000", "0", "0")


async def test_the_id_stands_in_every_line_of_the_request(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(_TABLE) as server:
        await asyncio.gather(*(ask(server, "GET", "/said") for _ in range(2)))
    ids = [line.split(" - ")[4] for line in _lines(caplog) if "While it" in line or "Processed" in line]
    assert sorted(set(ids)) == ["GET-1", "GET-2"]
    assert sorted(ids) == ["GET-1", "GET-1", "GET-2", "GET-2"]


async def test_the_time_is_that_of_the_line_and_not_of_the_request(caplog: pytest.LogCaptureFixture) -> None:
    began = time.time()
    async with serving(_TABLE) as server:
        await ask(server, "GET", "/slow")
    [record] = [record for record in caplog.records if "Processed" in record.getMessage()]
    assert record.created >= began + 0.2
    assert float(_parts(caplog)["total"]) >= 0.2


async def test_what_the_database_did(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(_TABLE) as server:
        await ask(server, "GET", "/used")
    parts = _parts(caplog)
    assert (parts["wait"], parts["database"], parts["transactions"], parts["events"]) == ("1.500", "2.250", "3", "4")


@pytest.mark.parametrize(("method", "status"), [("GET", "499!"), ("PUT", "200!")])
async def test_a_client_that_has_left(caplog: pytest.LogCaptureFixture, method: str, status: str) -> None:
    """What changes something is finished all the same."""
    async with serving(_TABLE) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
        writer.write(f"{method} /slower HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.transport.abort()
        for _ in range(500):
            if any("Processed" in line for line in _lines(caplog)):
                break
            await asyncio.sleep(0.01)
    assert _parts(caplog)["status"] == status


async def test_who_acts_as_somebody_else(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(USERS, "puppet", replace(USERS["alice"], puppeted_by="@admin:test"))
    async with serving(_TABLE) as server:
        await ask(server, "GET", "/said", token="puppet")
    assert _parts(caplog)["requester"] == "@admin:test|@alice:test"


async def test_the_loggers_may_be_called_otherwise(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(_TABLE, listener=replace(LISTENER, tag="a", log_prefix="our.requests")) as server:
        await ask(server, "GET", "/said")
    assert "our.requests.http.a" in [record.name for record in caplog.records]


def test_the_line_in_the_documentation_is_one() -> None:
    page = (Path(__file__).parents[2] / "docs" / "logging.md").read_text()
    [example] = [line for line in page.splitlines() if "Processed request" in line]
    assert LINE.fullmatch(example)
