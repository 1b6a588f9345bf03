"""What every answer has in common: errors, CORS, lengths, the limits of bodies."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

import msgspec
import pytest

from ranvier.http.request import Request
from ranvier.http.response import (
    EMPTY_OBJECT,
    Response,
    html_response,
    json_response,
    stream_response,
    text_response,
)
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.log_context import current_request
from ranvier.proto.errors import forbidden
from tests.http.server import LISTENER, ask, exchange, parse, port_of, serving


class Body(msgspec.Struct):
    name: str
    count: int = 0


class Optional(msgspec.Struct):
    reason: str = ""


class Query(msgspec.Struct):
    limit: int
    full: bool = False
    via: list[str] = []


async def echo_body(request: Request) -> Response:
    body = request.json(Body)
    return json_response({"name": body.name, "count": body.count})


async def echo_query(request: Request) -> Response:
    return json_response(request.query(Query))


async def echo_params(request: Request) -> Response:
    return json_response(dict(request.params))


async def crash(request: Request) -> Response:
    raise RuntimeError("the secret of the house")


async def refuse(request: Request) -> Response:
    raise forbidden("You may not")


async def optional(request: Request) -> Response:
    return json_response({"reason": request.json(Optional).reason})


async def free(request: Request) -> Response:
    return json_response(request.json_object())


async def count(request: Request) -> Response:
    return json_response({"size": sum([len(part) async for part in request.stream()])})


async def pieces(request: Request) -> Response:
    async def produce() -> AsyncIterator[bytes]:
        yield b"one "
        yield b""
        yield b"two"

    return stream_response(produce(), content_type=b"text/plain")


async def page(request: Request) -> Response:
    return html_response("<p>hello</p>")


async def name_request(request: Request) -> Response:
    return json_response(
        {
            "id": request.request_id,
            "context": current_request.get(),
            "ip": request.client_ip,
        }
    )


async def empty(request: Request) -> Response:
    return EMPTY_OBJECT


async def large(request: Request) -> Response:
    return text_response("a" * 5000)


TABLE: list[Route] = [
    *routes("POST", "/_matrix/client/v3/body", echo_body, auth=Auth.NONE, body=Body),
    *routes("GET", "/_matrix/client/v3/query", echo_query, auth=Auth.NONE, query=Query),
    *routes(
        "GET",
        "/_matrix/client/v3/rooms/{room_id}/state/{type}/{key}",
        echo_params,
        auth=Auth.NONE,
    ),
    *routes(
        "GET",
        "/_matrix/client/v3/rooms/{room_id}/state/{type}/",
        echo_params,
        auth=Auth.NONE,
    ),
    *routes("GET", "/_matrix/client/v3/crash", crash, auth=Auth.NONE),
    *routes("GET", "/_matrix/client/v3/refuse", refuse, auth=Auth.NONE),
    *routes("POST", "/_matrix/client/v3/optional", optional, auth=Auth.NONE, body=Optional),
    *routes("PUT", "/_matrix/client/v3/free", free, auth=Auth.NONE, body_limit_bytes=2000),
    *routes(
        "POST",
        "/_matrix/client/v3/count",
        count,
        auth=Auth.NONE,
        stream=True,
        body_limit_bytes=200_000,
    ),
    *routes("GET", "/_matrix/client/v3/pieces", pieces, auth=Auth.NONE),
    *routes("GET", "/page", page, auth=Auth.NONE, resource="static"),
    *routes("GET", paths("/name"), name_request, auth=Auth.NONE),
    *routes(
        "GET",
        "/_matrix/federation/v1/version",
        empty,
        auth=Auth.NONE,
        resource="federation",
    ),
    *routes("GET", "/large", large, auth=Auth.NONE),
]


async def test_unknown_path_is_404_and_unknown_method_405() -> None:
    async with serving(TABLE) as server:
        unknown = await ask(server, "GET", "/_matrix/client/v3/nothing")
        assert (unknown.status, unknown.errcode) == (404, "M_UNRECOGNIZED")
        wrong = await ask(server, "DELETE", "/_matrix/client/v3/body")
        assert (wrong.status, wrong.errcode) == (405, "M_UNRECOGNIZED")
        assert wrong.headers["allow"] == "OPTIONS, POST"


async def test_a_resource_is_served_only_where_it_is_listed() -> None:
    async with serving(TABLE) as server:
        assert (await ask(server, "GET", "/_matrix/federation/v1/version")).status == 404
        assert (await ask(server, "GET", "/page")).status == 200, "client implies static"


async def test_every_client_answer_carries_cors_also_errors() -> None:
    async with serving(TABLE) as server:
        for path in (
            "/_matrix/client/v3/refuse",
            "/_matrix/client/v3/crash",
            "/_matrix/client/v3/query?limit=1",
            "/no",
        ):
            answer = await ask(server, "GET", path)
            assert answer.headers["access-control-allow-origin"] == "*"
            assert "PUT" in answer.headers["access-control-allow-methods"]
            assert "Authorization" in answer.headers["access-control-allow-headers"]


async def test_options_answers_without_calling() -> None:
    async with serving(TABLE) as server:
        for path in ("/_matrix/client/v3/crash", "/anything"):
            answer = await ask(server, "OPTIONS", path)
            assert answer.status == 204
            assert answer.headers["access-control-allow-origin"] == "*"
            assert "content-length" not in answer.headers


async def test_head_is_get_without_its_body() -> None:
    async with serving(TABLE) as server:
        answer = await ask(server, "HEAD", "/page")
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["content-length"] == str(len("<p>hello</p>"))


async def test_a_bug_is_500_without_a_trace_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(TABLE) as server:
        answer = await ask(server, "GET", "/_matrix/client/v3/crash")
    assert answer.status == 500
    assert answer.json == {"errcode": "M_UNKNOWN", "error": "Internal server error"}
    assert "the secret of the house" in caplog.text


@pytest.mark.parametrize(
    ("content", "errcode"),
    [
        (b"", "M_NOT_JSON"),
        (b"{", "M_NOT_JSON"),
        (b"not json", "M_NOT_JSON"),
        (b'{"name": "\xff"}', "M_NOT_JSON"),
        (b'{"name": "\\ud800"}', "M_NOT_JSON"),
        (b'{"name": "a", "count": NaN}', "M_NOT_JSON"),
        (b'\xef\xbb\xbf{"name": "a"}', "M_NOT_JSON"),
        (b"[]", "M_BAD_JSON"),
        (b"{}", "M_BAD_JSON"),
        (b'{"name": 1}', "M_BAD_JSON"),
        (b'{"name": "a", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "M_BAD_JSON"),
        (b'{"name": "a", "x": ' + b'{"a":' * 300, "M_BAD_JSON"),
    ],
)
async def test_bad_bodies_are_the_clients_error(content: bytes, errcode: str) -> None:
    async with serving(TABLE) as server:
        answer = await ask(server, "POST", "/_matrix/client/v3/body", content=content)
    assert (answer.status, answer.errcode) == (400, errcode)


async def test_a_wrong_type_names_its_field() -> None:
    async with serving(TABLE) as server:
        answer = await ask(
            server,
            "POST",
            "/_matrix/client/v3/body",
            json={"name": "a", "count": "many"},
        )
    assert answer.json["error"].startswith("count: ")


async def test_many_brackets_in_strings_are_not_deep() -> None:
    async with serving(TABLE) as server:
        answer = await ask(server, "POST", "/_matrix/client/v3/body", json={"name": '[{\\"' * 300})
        assert answer.status == 200
        wide = b'{"name": "a", "x": [' + b"[]," * 500 + b"[]]}"
        assert (await ask(server, "POST", "/_matrix/client/v3/body", content=wide)).status == 200


async def test_of_a_repeated_key_the_last_counts() -> None:
    async with serving(TABLE) as server:
        answer = await ask(
            server,
            "POST",
            "/_matrix/client/v3/body",
            content=b'{"name": "a", "name": "b"}',
        )
    assert answer.json["name"] == "b"


async def test_an_empty_body_is_an_empty_object_where_nothing_is_required() -> None:
    async with serving(TABLE) as server:
        assert (await ask(server, "POST", "/_matrix/client/v3/optional")).json == {"reason": ""}
        assert (await ask(server, "PUT", "/_matrix/client/v3/free")).json == {}


async def test_query_strings_are_converted() -> None:
    async with serving(TABLE) as server:
        answer = await ask(
            server,
            "GET",
            "/_matrix/client/v3/query?limit=5&full=true&via=a&via=b%20c&other=1",
        )
        assert answer.json == {"limit": 5, "full": True, "via": ["a", "b c"]}
        missing = await ask(server, "GET", "/_matrix/client/v3/query?full=true")
        assert (missing.status, missing.errcode) == (400, "M_MISSING_PARAM")
        wrong = await ask(server, "GET", "/_matrix/client/v3/query?limit=five")
        assert (wrong.status, wrong.errcode) == (400, "M_INVALID_PARAM")
        assert "limit" in wrong.json["error"]
        not_text = await ask(server, "GET", "/_matrix/client/v3/query?limit=%ff")
        assert (not_text.status, not_text.errcode) == (400, "M_INVALID_PARAM")


async def test_an_encoded_slash_does_not_split_a_segment() -> None:
    async with serving(TABLE) as server:
        answer = await ask(server, "GET", "/_matrix/client/v3/rooms/%21a%2Fb%3Ac/state/m.x%20y/%C3%A9+")
        assert answer.json == {"room_id": "!a/b:c", "type": "m.x y", "key": "é+"}
        no_key = await ask(server, "GET", "/_matrix/client/v3/rooms/!a:b/state/m.x/")
        assert no_key.json == {"room_id": "!a:b", "type": "m.x"}
        broken = await ask(server, "GET", "/_matrix/client/v3/rooms/%ff/state/m.x/")
        assert (broken.status, broken.errcode) == (400, "M_INVALID_PARAM")


async def test_too_large_bodies_are_413() -> None:
    async with serving(TABLE) as server:
        announced = await ask(server, "PUT", "/_matrix/client/v3/free", json={"a": "b" * 3000})
        assert (announced.status, announced.errcode) == (413, "M_TOO_LARGE")
        chunked = (
            b"PUT /_matrix/client/v3/free HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n" + (b"3e8\r\n" + b" " * 1000 + b"\r\n") * 5 + b"0\r\n\r\n"
        )
        assert parse(await exchange(server, chunked)).status == 413


async def test_bodies_can_be_streamed_both_ways() -> None:
    async with serving(TABLE) as server:
        answer = await ask(server, "POST", "/_matrix/client/v3/count", content=b"x" * 150_000)
        assert answer.json == {"size": 150_000}
        head = (
            b"POST /_matrix/client/v3/count HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 200001\r\n\r\n"
        )
        assert parse(await exchange(server, head)).status == 413
        produced = await ask(server, "GET", "/_matrix/client/v3/pieces")
        assert (produced.body, produced.headers["content-type"]) == (
            b"one two",
            "text/plain",
        )


async def test_health_is_ok_on_every_listener(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with serving([]) as server:
            answer = await ask(server, "GET", "/health")
    assert (answer.status, answer.body) == (200, b"OK")
    assert not [record for record in caplog.records if record.name.startswith("synapse.access")]


async def test_a_request_is_named_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with serving(TABLE) as server:
            path = "/_matrix/client/v3/name?access_token=s3cret&a=b"
            answer = await ask(server, "GET", path, headers={"User-Agent": "Tester/1"})
            port = server.addresses[0][0].log_tag
    assert answer.json["id"] == answer.json["context"]
    assert answer.json["id"].startswith("GET-")
    [record] = [record for record in caplog.records if record.name == f"synapse.access.http.{port}"]
    line = record.getMessage()
    assert line.startswith(f"127.0.0.1 - {port} - {{}} Processed request: 0.")
    assert f"{len(answer.body)}B 200 " in line
    assert line.endswith('"GET /_matrix/client/v3/name?access_token=<redacted>&a=b HTTP/1.1" "Tester/1" [0 dbevts]')


async def test_request_id_and_address_come_from_headers_only_if_configured() -> None:
    headers = {"X-Forwarded-For": "192.0.2.7, 198.51.100.1", "X-Trace": "abc"}
    async with serving(TABLE) as server:
        plain = await ask(server, "GET", "/_matrix/client/v3/name", headers=headers)
    assert plain.json["ip"] == "127.0.0.1"
    assert plain.json["id"] != "abc"
    listener = replace(LISTENER, x_forwarded=True, request_id_header="x-trace")
    async with serving(TABLE, listener=listener) as server:
        proxied = await ask(server, "GET", "/_matrix/client/v3/name", headers=headers)
        assert proxied.json == {"id": "abc", "context": "abc", "ip": "192.0.2.7"}
        nonsense = await ask(
            server,
            "GET",
            "/_matrix/client/v3/name",
            headers={"X-Forwarded-For": "evil"},
        )
        assert nonsense.json["ip"] == "127.0.0.1"


async def test_two_requests_on_one_connection() -> None:
    async with serving(TABLE) as server:
        one = b"GET /_matrix/client/v3/query?limit=1 HTTP/1.1\r\nHost: a\r\n\r\n"
        two = b"GET /_matrix/client/v3/query?limit=2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        raw = await exchange(server, one + two)
    assert raw.count(b"HTTP/1.1 200") == 2
    assert raw.index(b'"limit":1') < raw.index(b'"limit":2')


async def test_a_client_that_sends_half_a_body_and_leaves_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(TABLE) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
        writer.write(b"PUT /_matrix/client/v3/free HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.close()
        await asyncio.sleep(0.05)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
