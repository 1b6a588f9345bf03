"""Whatever a client sends, in the shape that the OpenAPI document describes or in none: the answer is never a 500, and
never takes long.

The document is made from the route table, so a new route is fuzzed from its first day.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from ranvier.http.openapi import document
from ranvier.http.route import Route
from tests.fuzz.server import Target, serving

EXAMPLES = int(os.environ.get("RANVIER_FUZZ_EXAMPLES", "4"))
"""For each operation, once as described and once not."""

LONGEST_S = 1.0
"""No request, whatever is in it, may keep the event loop busy for longer."""

ENDS_IT = ("/logout", "/logout/all", "/account/deactivate", "/leave")
"""Would make the rest of the run a test of 401s and 403s."""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    path = tmp_path_factory.mktemp("fuzz") / "homeserver.db"
    with serving({"name": "sqlite3", "args": {"database": str(path)}}) as found:
        yield found


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """One connection for all requests: to open one for each takes longer than to answer."""
    with requests.Session() as found:
        yield found


def fuzzed(routes: tuple[Route, ...]) -> list[Route]:
    """One version of each path; no streams."""
    return [
        route for route in routes if "/r0/" not in route.path and not route.stream and not route.path.endswith(ENDS_IT)
    ]


def aim(case: Any, target: Target, *, is_known: bool) -> None:
    """Let half of the requests be about what exists."""
    if is_known:
        known = {"room_id": target.room_id, "user_id": target.user_id}
        for name in case.path_parameters:
            case.path_parameters[name] = known.get(name, case.path_parameters[name])
    if case.query and "timeout" in case.query:
        case.query["timeout"] = "0"


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_nothing_is_an_internal_error(target: Target, session: requests.Session, mode: GenerationMode) -> None:
    described = schemathesis.openapi.from_dict(document(fuzzed(target.routes)))
    described.config.update(base_url=target.base_url)
    failures: list[str] = []
    asked = 0
    for found in described.get_all_operations():
        assert isinstance(found, Ok), found

        @given(case=found.ok().as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def check(case: Any) -> None:
            nonlocal asked
            asked += 1
            aim(case, target, is_known=asked % 2 == 0)
            before_s = target.cpu_s()
            answer = case.call(headers={"Authorization": f"Bearer {target.token}"}, timeout=10, session=session)
            taken_s = target.cpu_s() - before_s
            if taken_s > LONGEST_S:
                failures.append(f"{taken_s:.1f} s {case.as_curl_command()}")
            # 502: a server of this name could not be asked ("null" is a good name), which the client has to be told.
            if answer.status_code >= 500 and answer.status_code != 502:
                failures.append(f"{answer.status_code} {case.as_curl_command()}")
            elif answer.content and not "".join(answer.headers.get("content-type", [])).startswith("text/html"):
                answer.json()

        # Of an operation without parameters there is nothing to get wrong.
        with contextlib.suppress(Unsatisfiable):
            check()
    assert not failures, "\n".join(failures[:20])
    assert asked > 100
