"""When PostgreSQL drops its connections, the server gets new ones; what was acknowledged stays."""

from http import HTTPStatus

import aiohttp

from tests.conftest import StartHomeserver
from tests.process.person import Person, open_person
from tests.services.postgres import Postgres

_MESSAGES = 60
_CUT_EVERY = 15
_TRIES = 20


async def test_cut_connections_lose_nothing(
    start_homeserver: StartHomeserver, postgres: Postgres, postgres_database: str
) -> None:
    server = start_homeserver({"name": "psycopg2", "args": postgres.args(postgres_database)})
    promised = []
    async with aiohttp.ClientSession() as session:
        person = await open_person(session, server.url)
        for number in range(_MESSAGES):
            if number % _CUT_EVERY == 0:
                await postgres.cut_connections(postgres_database)
            promised.append(await _send_persistently(person, f"t{number}"))
        assert await person.history() == dict.fromkeys(promised, 1)


async def _send_persistently(person: Person, txn_id: str) -> str:
    """A refusal is allowed, not silence; asking again under the same transaction ID is safe. The event's ID."""
    for _ in range(_TRIES):
        status, answer = await person.send(txn_id, "hello")
        if status == HTTPStatus.OK:
            return str(answer["event_id"])
        assert status >= HTTPStatus.INTERNAL_SERVER_ERROR
        assert answer["errcode"] == "M_UNKNOWN"
    raise AssertionError("the server does not get over it")
