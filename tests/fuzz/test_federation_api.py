"""Whatever another server sends, signed, in the shape that the OpenAPI document describes or in none, is never a 500."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from ranvier.http.openapi import document
from ranvier.http.route import Route
from tests.federation.signed import EVIL, Door, behind_door
from tests.fuzz.test_client_api import EXAMPLES

_BASE = "https://ranvier.test"


def cases_of(operation: Any, mode: GenerationMode) -> list[Any]:
    """Requests for this; none if there is nothing in them to get wrong."""
    made: list[Any] = []

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def collect(case: Any) -> None:
        made.append(case)

    with contextlib.suppress(Unsatisfiable):
        collect()
    return made


def cases(routes: list[Route], mode: GenerationMode) -> Iterator[Any]:
    """Requests to each of these routes."""
    for found in schemathesis.openapi.from_dict(document(routes)).get_all_operations():
        assert isinstance(found, Ok), found
        yield from cases_of(found.ok(), mode)


async def known(door: Door) -> dict[str, str]:
    """What half of the requests are about."""
    alice = door.alice.user_id
    return {
        "roomId": door.room.room_id,
        "room_id": door.room.room_id,
        "userId": alice,
        "user_id": f"@u:{EVIL}",
        "eventId": (await door.ends()).pop(),
        "serverName": EVIL,
    }


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
async def test_nothing_is_an_internal_error(tmp_path: Path, mode: GenerationMode) -> None:
    failures: list[str] = []
    passed = 0
    async with behind_door(tmp_path) as door:
        routes = [route for route in door.at.server.routes if route.path.startswith("/_matrix/federation/")]
        names = await known(door)
        for number, case in enumerate(cases(routes, mode)):
            if number % 2:
                for name in case.path_parameters:
                    case.path_parameters[name] = names.get(name, case.path_parameters[name])
            request = requests.Request(**case.as_transport_kwargs(base_url=_BASE)).prepare()
            address = urlsplit(request.url or "")
            target = f"{address.path}?{address.query}" if address.query else address.path
            body = (
                request.body.encode()
                if isinstance(request.body, str)
                else request.body
                if isinstance(request.body, bytes)
                else b""
            )
            status, _ = await door.ask(request.method or "GET", target, body)
            if status >= 500 and status != 502:
                failures.append(f"{status} {request.method} {target} {body!r}")
            passed += status not in (401, 404)
        # It is as well as before.
        (await door.alice.send(door.room.room_id, "m.room.message", {"body": "still here"})).ok()
    assert not failures, "\n".join(failures[:20])
    assert passed > 30
