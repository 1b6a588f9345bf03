"""The header of signed requests. Spec: server-server API, "Request Authentication"."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.proto.canonical_json import encode
from ranvier.proto.signing import SigningKey
from ranvier.proto.x_matrix import (
    MAX_HEADER_CHARS,
    MalformedXMatrix,
    XMatrix,
    is_x_matrix,
    parse_x_matrix,
    request_bytes,
    x_matrix_header,
)

KEY = SigningKey("ed25519:key1", b"k" * 32)
FULL = XMatrix("origin.hs.example.com", "destination.hs.example.com", "ed25519:key1", "ABCDEF+/")


@pytest.mark.parametrize(
    "header",
    [
        'X-Matrix origin="origin.hs.example.com",destination="destination.hs.example.com",key="ed25519:key1",sig="ABCDEF+/"',
        "X-Matrix origin=origin.hs.example.com,destination=destination.hs.example.com,key=ed25519:key1,sig=ABCDEF+/",
        'x-matrix   SIG="ABCDEF+/" ,\t Key="ed25519:key1", Origin=origin.hs.example.com\t,'
        ' Destination="destination.hs.example.com"',
        'X-Matrix origin="origin\\.hs.example.com",destination="destination.hs.example.com",key="ed25519:\\key1",'
        'sig="ABCDEF+/"',
        'X-Matrix origin="origin.hs.example.com",unknown="a,b=\\"c\\"",destination="destination.hs.example.com",'
        'key="ed25519:key1",sig="ABCDEF+/",more=1',
        'X-Matrix ,origin = "origin.hs.example.com", ,destination="destination.hs.example.com",key="ed25519:key1",'
        'sig="ABCDEF+/", ',
    ],
)
def test_ways_to_write_it(header: str) -> None:
    assert is_x_matrix(header)
    assert parse_x_matrix(header) == FULL


def test_older_servers_name_no_destination() -> None:
    assert parse_x_matrix('X-Matrix origin=a:8448,key="ed25519:1",sig="x"') == XMatrix("a:8448", None, "ed25519:1", "x")
    assert parse_x_matrix('X-Matrix origin="[::1]:80",key=ed25519:1,sig=x').origin == "[::1]:80"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer token",
        "X-Matrix",
        "X-Matrixorigin=a,key=b,sig=c",
        "X-Matrix ",
        "X-Matrix origin=a,key=b",
        "X-Matrix origin=a,sig=b",
        "X-Matrix key=a,sig=b",
        "X-Matrix origin=a,origin=a,key=b,sig=c",
        "X-Matrix origin=a,ORIGIN=b,key=b,sig=c",
        "X-Matrix origin=a key=b sig=c",
        'X-Matrix origin="a,key=b,sig=c',
        'X-Matrix origin="a"b,key=b,sig=c',
        'X-Matrix origin="a\\',
        "X-Matrix origin=,key=b,sig=c",
        "X-Matrix origin=a;key=b;sig=c",
        "X-Matrix origin=a,key=b,sig=" + "c" * MAX_HEADER_CHARS,
    ],
)
def test_what_is_none(header: str) -> None:
    with pytest.raises(MalformedXMatrix):
        parse_x_matrix(header)


@given(st.text(max_size=200))
def test_nothing_else_happens(rest: str) -> None:
    with contextlib.suppress(MalformedXMatrix):
        parse_x_matrix("X-Matrix " + rest)


def _quoted(value: str) -> str:
    return '"' + "".join("\\" + char if char in '"\\' else char for char in value) + '"'


values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)


@given(values, values, values, values)
def test_any_value_can_be_quoted(origin: str, destination: str, key: str, sig: str) -> None:
    header = (
        f"X-Matrix origin={_quoted(origin)},destination={_quoted(destination)},key={_quoted(key)},sig={_quoted(sig)}"
    )
    assert parse_x_matrix(header) == XMatrix(origin, destination, key, sig)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, st.text())
def test_the_signed_bytes_are_the_canonical_json_of_the_request(content: object, uri: str) -> None:
    parts = {"method": "PUT", "uri": uri, "origin": "a", "destination": "b"}
    written = request_bytes(method="PUT", uri=uri, origin="a", destination="b", content=encode(content))
    assert written == encode({**parts, "content": content})
    assert request_bytes(method="PUT", uri=uri, origin="a", destination="b", content=None) == encode(parts)


def test_what_we_write_reads_as_the_spec_wants_it() -> None:
    header = x_matrix_header(method="GET", uri="/x?y", origin="a:1", destination="b", content=None, key=KEY)
    assert header.startswith('X-Matrix origin="a:1",destination="b",key="ed25519:key1",sig="')
    assert parse_x_matrix(header).key_id == "ed25519:key1"
