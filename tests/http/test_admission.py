"""Who may call a route: tokens, guests, locked users, admins, application services, rate limits."""

import pytest

from ranvier.config.rates import RateLimit
from ranvier.http.request import Request
from ranvier.http.response import Response, json_response
from ranvier.http.route import Auth, routes
from ranvier.ratelimit import RateLimiter
from ranvier.users.requester import Masquerade
from tests.http.clock import ManualClock
from tests.http.server import Tokens, ask, serving


async def who(request: Request) -> Response:
    return json_response({"user_id": request.requester.user_id if request.has_requester else None})


TABLE = [
    *routes("GET", "/_matrix/client/v3/user", who),
    *routes("GET", "/_matrix/client/v3/guest", who, guest=True),
    *routes("GET", "/_matrix/client/v3/optional", who, auth=Auth.OPTIONAL, guest=True),
    *routes("GET", "/_matrix/client/v3/none", who, auth=Auth.NONE),
    *routes("GET", "/_matrix/client/v3/admin", who, auth=Auth.ADMIN),
    *routes("POST", "/_matrix/client/v3/logout", who, locked=True),
]


@pytest.mark.parametrize(
    ("path", "token", "status", "errcode"),
    [
        ("user", None, 401, "M_MISSING_TOKEN"),
        ("user", "nobody", 401, "M_UNKNOWN_TOKEN"),
        ("user", "alice", 200, None),
        ("user", "guest", 403, "M_GUEST_ACCESS_FORBIDDEN"),
        ("user", "locked", 401, "M_USER_LOCKED"),
        ("guest", "guest", 200, None),
        ("optional", None, 200, None),
        ("optional", "nobody", 401, "M_UNKNOWN_TOKEN"),
        ("none", "nobody", 200, None),
        ("admin", "alice", 403, "M_FORBIDDEN"),
        ("admin", "admin", 200, None),
    ],
)
async def test_a_route_admits_whom_it_says(path: str, token: str | None, status: int, errcode: str | None) -> None:
    async with serving(TABLE) as server:
        answer = await ask(server, "GET", f"/_matrix/client/v3/{path}", token=token)
    assert answer.status == status
    if errcode is not None:
        assert answer.errcode == errcode


async def test_locked_users_may_log_out_and_are_told_to_keep_their_data() -> None:
    async with serving(TABLE) as server:
        assert (await ask(server, "POST", "/_matrix/client/v3/logout", token="locked")).status == 200
        assert (await ask(server, "GET", "/_matrix/client/v3/user", token="locked")).json["soft_logout"] is True


async def test_the_token_may_be_in_the_query_string() -> None:
    async with serving(TABLE) as server:
        answer = await ask(server, "GET", "/_matrix/client/v3/user?access_token=alice")
        assert answer.json == {"user_id": "@alice:test"}
        header_wins = await ask(server, "GET", "/_matrix/client/v3/user?access_token=nobody", token="alice")
        assert header_wins.status == 200


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Basic alice", "alice"])
async def test_other_authorization_headers_are_no_token(value: str) -> None:
    async with serving(TABLE) as server:
        answer = await ask(server, "GET", "/_matrix/client/v3/user", headers={"Authorization": value})
    assert answer.errcode == "M_MISSING_TOKEN"


async def test_whom_a_service_acts_for_is_passed_on() -> None:
    tokens = Tokens()
    async with serving(TABLE, tokens=tokens) as server:
        await ask(server, "GET", "/_matrix/client/v3/user", token="alice")
        assert tokens.masquerade is None
        await ask(
            server,
            "GET",
            "/_matrix/client/v3/user?user_id=%40_irc_bob%3Atest&device_id=D",
            token="alice",
        )
        assert tokens.masquerade == Masquerade("@_irc_bob:test", "D")


async def test_a_limit_is_spent_per_user_or_address() -> None:
    clock = ManualClock()
    table = [
        *routes(
            "GET",
            "/_matrix/client/v3/open",
            who,
            auth=Auth.NONE,
            limit="rc_login.address",
        ),
        *routes("GET", "/_matrix/client/v3/mine", who, limit="rc_reports"),
    ]
    rate = RateLimit(per_second=0.5, burst_count=1)
    limiters = {name: RateLimiter(rate, clock=clock) for name in ("rc_login.address", "rc_reports")}
    async with serving(table, limiters=limiters) as server:
        for path, token in (("open", None), ("mine", "alice")):
            assert (await ask(server, "GET", f"/_matrix/client/v3/{path}", token=token)).status == 200
            refused = await ask(server, "GET", f"/_matrix/client/v3/{path}", token=token)
            assert (refused.status, refused.errcode) == (429, "M_LIMIT_EXCEEDED")
            assert refused.json["retry_after_ms"] == 2000
            assert refused.headers["retry-after"] == "2"
        assert (await ask(server, "GET", "/_matrix/client/v3/mine", token="admin")).status == 200
        clock.advance(2.0)
        assert (await ask(server, "GET", "/_matrix/client/v3/open")).status == 200


async def test_a_limit_that_does_not_exist_is_noticed_at_the_start() -> None:
    table = routes("GET", "/_matrix/client/v3/open", who, limit="rc_nothing")
    with pytest.raises(ValueError, match="rc_nothing"):
        async with serving(table):
            pass
