"""Names of media, names of files, and the two parts in which servers exchange them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.proto.content_disposition import read_file_name, write_disposition
from ranvier.proto.multipart_mixed import MixedReader, NotMultipart, boundary_of, write_frame
from ranvier.proto.mxc import Mxc, parse_mxc


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("mxc://a.test/Ab-_9", Mxc("a.test", "Ab-_9")),
        ("mxc://a.test:8448/x", Mxc("a.test:8448", "x")),
        ("mxc://a.test/", None),
        ("mxc://a.test/x/y", None),
        ("mxc://../x", None),
        ("mxc://a..b/x", None),
        ("mxc://a.test/..", None),
        ("http://a.test/x", None),
    ],
)
def test_mxc(uri: str, name: Mxc | None) -> None:
    assert parse_mxc(uri) == name
    assert name is None or name.uri == uri


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100))
def test_a_file_name_goes_and_comes_back(name: str) -> None:
    header = write_disposition("image/png", name)
    assert header.isascii()
    assert "\r" not in header
    assert "\n" not in header
    assert read_file_name(header) == name


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("inline", None),
        ("attachment; filename=a.txt", "a.txt"),
        ('attachment; filename="a; b.txt"', "a; b.txt"),
        ("attachment; filename=old; filename*=UTF-8'en'n%C3%A4u", "näu"),
        ("attachment; filename=old; filename*=x'y", "old"),
        ("attachment; filename*=utf-8''%FF", None),
        ('attachment; filename="n\u00c3\u00a4u"', "näu"),
        ('attachment; filename=""', None),
    ],
)
def test_names_that_others_write(header: str, name: str | None) -> None:
    assert read_file_name(header) == name


@given(st.binary(max_size=300), st.lists(st.integers(min_value=1, max_value=60)))
def test_two_parts_in_whatever_pieces_they_come(content: bytes, cuts: list[int]) -> None:
    before, after = write_frame("bound", "image/png", "inline")
    body = before + content + after
    reader = MixedReader("bound")
    pieces = []
    for cut in [*cuts, len(body)]:
        pieces += list(reader.feed(body[:cut]))
        body = body[cut:]
    heads = [piece for piece in pieces if not isinstance(piece, bytes)]
    assert heads == [
        {"content-type": "application/json"},
        {"content-type": "image/png", "content-disposition": "inline"},
    ]
    assert b"".join(piece for piece in pieces if isinstance(piece, bytes)) == b"{}" + content
    assert reader.is_complete


def test_parts_without_headers_and_without_content() -> None:
    reader = MixedReader("b")
    assert list(reader.feed(b"words before\r\n--b \r\n\r\n{}\r\n--b\r\n\r\n\r\n--b--\r\nwords after")) == [
        {},
        b"{}",
        {},
    ]
    assert reader.is_complete


def test_a_head_that_never_ends() -> None:
    with pytest.raises(NotMultipart):
        list(MixedReader("b").feed(b"--b\r\n" + b"x" * 20_000))
    with pytest.raises(NotMultipart):
        list(MixedReader("b").feed(b"--b" + b"x" * 20_000))


@pytest.mark.parametrize(
    ("header", "boundary"),
    [
        ("multipart/mixed; boundary=abc", "abc"),
        ('Multipart/Mixed; charset=x; boundary="a b"', "a b"),
        ("multipart/mixed", None),
        ("text/plain; boundary=abc", None),
    ],
)
def test_boundaries(header: str, boundary: str | None) -> None:
    assert boundary_of(header) == boundary
