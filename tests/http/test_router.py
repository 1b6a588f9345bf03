"""From paths to routes."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.http.request import Request
from ranvier.http.response import EMPTY_OBJECT, Response
from ranvier.http.route import Route, routes
from ranvier.http.router import Router
from ranvier.proto.errors import MatrixError


async def call(request: Request) -> Response:
    return EMPTY_OBJECT


def table(*lines: str) -> list[Route]:
    return [route for line in lines for route in routes(line.split(" ")[0], line.split(" ")[1], call)]


def test_static_segments_win_over_parameters_and_the_search_goes_back() -> None:
    router = Router(
        table(
            "GET /profile/{user}/displayname",
            "PUT /profile/{user}/{field}",
            "GET /a/b/c",
            "GET /a/{x}/d",
            "GET /{one}/{two}/{three}/{four}",
        )
    )
    assert router.find("GET", b"/profile/@a/displayname")[0].path == "/profile/{user}/displayname"
    route, params = router.find("PUT", b"/profile/@a/displayname")
    assert (route.path, params) == ("/profile/{user}/{field}", {"user": "@a", "field": "displayname"})
    assert router.find("GET", b"/a/b/d")[1] == {"x": "b"}
    assert router.find("GET", b"/a/b/c/d")[1] == {"one": "a", "two": "b", "three": "c", "four": "d"}


@pytest.mark.parametrize("path", [b"/a", b"/a/", b"//", b"/", b"", b"/a/b/c", b"/a//", b"*"])
def test_what_is_not_in_the_table_is_not_found(path: bytes) -> None:
    with pytest.raises(MatrixError) as refused:
        Router(table("GET /a/{b}", "GET /b/{c}/d")).find("GET", path)
    assert (refused.value.status, refused.value.errcode) == (404, "M_UNRECOGNIZED")


def test_a_path_with_a_slash_at_its_end_is_another_path() -> None:
    router = Router(table("GET /rules/", "GET /rules/{scope}"))
    assert router.find("GET", b"/rules/")[0].path == "/rules/"
    with pytest.raises(MatrixError):
        router.find("GET", b"/rules")


def test_the_methods_of_every_matching_path_are_named() -> None:
    router = Router(table("PUT /a/{b}", "GET /a/b", "DELETE /{c}/b"))
    with pytest.raises(MatrixError) as refused:
        router.find("POST", b"/a/b")
    assert refused.value.status == 405
    assert refused.value.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS, PUT"


def test_two_routes_for_one_path_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="two routes"):
        Router(table("GET /a/{b}", "GET /a/{c}"))


@given(st.lists(st.text(min_size=1, max_size=8), min_size=3, max_size=3), st.booleans())
def test_every_parameter_comes_back_as_it_was_encoded(values: list[str], plus_is_safe: bool) -> None:
    router = Router(table("GET /x/{a}/y/{b}/z/{c}"))
    encoded = [quote(value, safe="+!@:$" if plus_is_safe else "") for value in values]
    path = "/x/{}/y/{}/z/{}".format(*encoded).encode("ascii")
    assert list(router.find("GET", path)[1].values()) == values


@given(st.binary(max_size=40))
def test_no_path_is_an_internal_error(path: bytes) -> None:
    router = Router(table("GET /a/{b}", "GET /{c}"))
    try:
        router.find("GET", b"/" + path)
    except MatrixError as refused:
        assert refused.status in (400, 404)
