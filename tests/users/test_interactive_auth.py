"""Stages, flows and sessions. Spec: client-server API, "User-Interactive Authentication API"."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ranvier.proto.errors import MatrixError, forbidden
from ranvier.users.interactive_auth import (
    SESSION_LIFETIME_MS,
    AuthSession,
    InteractiveAuth,
    InteractiveAuthRequired,
    Stage,
)
from tests.users.world import SeededRandom, StillClock

FLOWS = [("foo", "bar"), ("foo", "baz")]


class Says:
    """A stage that is passed by saying its word."""

    def __init__(self, word: str) -> None:
        self._word = word

    async def attempt(self, auth: Mapping[str, Any], session: AuthSession) -> object:
        if auth.get("word") != self._word:
            raise forbidden("Wrong word")
        return self._word


class Breaks:
    """A stage that cannot be tried now."""

    async def attempt(self, auth: Mapping[str, Any], session: AuthSession) -> object:
        raise MatrixError(429, "M_LIMIT_EXCEEDED", "Later")


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def auth(clock: StillClock) -> InteractiveAuth:
    stages: dict[str, Stage] = {"foo": Says("foo"), "bar": Says("bar"), "baz": Says("baz"), "broken": Breaks()}
    return InteractiveAuth(clock=clock, random=SeededRandom(), stages=stages)


async def _missing(
    auth: InteractiveAuth,
    given: Mapping[str, Any] | None,
    *,
    flows: Sequence[Sequence[str]] = FLOWS,
    operation: str = "op",
    user_id: str | None = "@a:b",
) -> InteractiveAuthRequired:
    with pytest.raises(InteractiveAuthRequired) as caught:
        await auth.require(given, operation=operation, flows=flows, user_id=user_id)
    assert caught.value.status == 401
    assert caught.value.extra["flows"] == [{"stages": list(flow)} for flow in flows]
    return caught.value


async def test_a_flow_of_two_stages(auth: InteractiveAuth) -> None:
    first = await _missing(auth, None)
    session = first.extra["session"]
    assert (first.errcode, "completed" in first.extra) == ("", False)
    second = await _missing(auth, {"type": "foo", "word": "foo", "session": session})
    assert (second.errcode, second.extra["completed"], second.extra["session"]) == ("", ["foo"], session)
    done = await auth.require(
        {"type": "baz", "word": "baz", "session": session}, operation="op", flows=FLOWS, user_id="@a:b"
    )
    assert done.completed == {"foo": "foo", "baz": "baz"}


async def test_a_failed_attempt_may_be_repeated(auth: InteractiveAuth) -> None:
    session = (await _missing(auth, None)).extra["session"]
    failed = await _missing(auth, {"type": "foo", "word": "x", "session": session})
    assert (failed.errcode, failed.error, failed.extra["session"]) == ("M_FORBIDDEN", "Wrong word", session)
    assert (await _missing(auth, {"type": "foo", "word": "foo", "session": session})).extra["completed"] == ["foo"]


async def test_stages_out_of_order(auth: InteractiveAuth) -> None:
    session = (await _missing(auth, None)).extra["session"]
    for kind in ("bar", "broken", "nonsense"):
        assert (await _missing(auth, {"type": kind, "word": kind, "session": session})).errcode == "M_UNRECOGNIZED"
    assert "completed" not in (await _missing(auth, {"session": session})).extra


async def test_a_completed_stage_is_not_tried_again(auth: InteractiveAuth) -> None:
    session = (await _missing(auth, None)).extra["session"]
    await _missing(auth, {"type": "foo", "word": "foo", "session": session})
    again = await _missing(auth, {"type": "foo", "word": "wrong", "session": session})
    assert (again.errcode, again.extra["completed"]) == ("", ["foo"])


async def test_the_first_attempt_needs_no_session(auth: InteractiveAuth) -> None:
    done = await auth.require({"type": "foo", "word": "foo"}, operation="op", flows=[("foo",)], user_id=None)
    assert done.completed == {"foo": "foo"}


@pytest.mark.parametrize("other", [{"operation": "other"}, {"user_id": "@c:d"}, {"user_id": None}])
async def test_a_session_belongs_to_its_operation_and_user(auth: InteractiveAuth, other: dict[str, Any]) -> None:
    session = (await _missing(auth, None)).extra["session"]
    await _missing(auth, {"type": "foo", "word": "foo", "session": session})
    given = {"type": "bar", "word": "bar", "session": session}
    required = await _missing(auth, given, **other)
    assert required.errcode == "M_UNKNOWN"
    assert required.extra["session"] != session
    assert "completed" not in required.extra


async def test_sessions_expire_and_end(auth: InteractiveAuth, clock: StillClock) -> None:
    flows = [("foo",)]
    session = (await _missing(auth, None, flows=flows)).extra["session"]
    given = {"type": "foo", "word": "foo", "session": session}
    clock.ms += SESSION_LIFETIME_MS
    assert (await _missing(auth, given, flows=flows)).errcode == "M_UNKNOWN"
    session = (await _missing(auth, None, flows=flows)).extra["session"]
    given["session"] = session
    done = await auth.require(given, operation="op", flows=flows, user_id="@a:b")
    assert auth.is_live(done.session_id)
    # Until the operation has succeeded it may be tried again.
    assert await auth.require(given, operation="op", flows=flows, user_id="@a:b") is done
    auth.end(done)
    assert not auth.is_live(done.session_id)
    assert (await _missing(auth, given, flows=flows)).errcode == "M_UNKNOWN"


async def test_other_errors_are_not_about_authentication(auth: InteractiveAuth) -> None:
    for given, errcode in (
        ({"type": "broken"}, "M_LIMIT_EXCEEDED"),
        ({"type": 1}, "M_BAD_JSON"),
        ({"type": "broken", "session": 1}, "M_BAD_JSON"),
    ):
        with pytest.raises(MatrixError) as caught:
            await auth.require(given, operation="op", flows=[("broken",)], user_id=None)
        assert caught.value.errcode == errcode
        assert not isinstance(caught.value, InteractiveAuthRequired)


async def test_params_are_told(auth: InteractiveAuth) -> None:
    with pytest.raises(InteractiveAuthRequired) as caught:
        await auth.require(None, operation="op", flows=[("foo",)], user_id=None, params={"foo": {"key": 1}})
    assert caught.value.extra["params"] == {"foo": {"key": 1}}
