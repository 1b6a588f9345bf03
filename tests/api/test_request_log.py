"""The line of a request to a whole server: what its database did, on both engines."""

import logging
from collections.abc import Mapping

import pytest

from tests.api.homeserver import Homeserver
from tests.http.test_access_log import LINE


def _lines(caplog: pytest.LogCaptureFixture, uri: str) -> list[Mapping[str, str]]:
    formatter = logging.Formatter("%(asctime)s - %(name)s - %(lineno)d - %(levelname)s - GET-1 - %(message)s")
    lines = [formatter.format(record) for record in caplog.records if record.name.startswith("synapse.access.http.")]
    found = [LINE.fullmatch(line) for line in lines if uri in line]
    assert all(found), lines
    return [line.groupdict() for line in found if line is not None]


async def test_the_figures_of_the_database(homeserver_on_each: Homeserver, caplog: pytest.LogCaptureFixture) -> None:
    homeserver = homeserver_on_each
    alice = await homeserver.register("alice")
    room_id = await alice.create_room()
    event_id = await alice.say(room_id, "hello")
    caplog.set_level(logging.INFO)
    await alice.say(room_id, "hello again")
    [sent] = _lines(caplog, "/send/")
    assert sent["requester"] == alice.user_id
    # The commit it waited for, and perhaps what came first.
    assert int(sent["transactions"]) >= 1
    homeserver.server.rooms.cache.clear()
    (await alice.get(f"/rooms/{room_id}/event/{event_id}")).ok()
    [read] = _lines(caplog, "/event/")
    assert int(read["events"]) >= 1
    assert int(read["transactions"]) >= 1
    caplog.clear()
    (await alice.get("/account/whoami")).ok()
    [idle] = _lines(caplog, "/whoami")
    assert (idle["transactions"], idle["database"], idle["events"]) == ("0", "0.000", "0")
