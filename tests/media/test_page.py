"""What is read from pages, whatever they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.config.load import ConfigError, parse
from ranvier.config.preview_sections import OembedEndpoint
from ranvier.media.page import READ_BYTES, decode_page, read_page, words_of
from ranvier.media.preview_rules import is_blocked, oembed_url


def test_opengraph() -> None:
    page = read_page(
        """<!doctype html><html><head><base href="/b/"><title>No</title>
        <meta property="og:title" content="T &amp; t"><meta property=og:image content=a.png />
        <meta property="og:title" content="second"><meta name="description" content="Desc">
        <link rel="alternate" type="application/json+oembed" href="/o?x=1&amp;y=2">
        </head><body>"""
    )
    assert page.properties == {"og:title": "T & t", "og:image": "a.png", "og:description": "Desc"}
    assert (page.base, page.oembed) == ("/b/", "/o?x=1&y=2")


def test_a_page_that_says_nothing_about_itself() -> None:
    page = read_page(
        "<title> A\n title</title><script>var x = '<p>no</p>';</script><nav>Home Menu and more of it, no</nav>"
        "<style>p{}</style><h1>Head</h1><p>short</p><p>The first words that say <b>something</b>.</p><p>More.</p>"
        "<link rel=image_src href=p.png>"
    )
    assert page.properties == {
        "og:title": "A title",
        "og:description": "The first words that say something.\n\nMore.",
        "og:image": "p.png",
    }
    assert read_page("<h1>Only <i>this</i></h1>").properties["og:title"] == "Only this"
    long = words_of("<p>" + "word " * 1000)
    assert len(long) <= 500
    assert long.endswith("word\u2026")


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("ä".encode(), "text/html", "ä"),
        ("ä".encode("latin-1"), "text/html", "ä"),
        ("ä".encode("latin-1"), "text/html; charset=ISO-8859-1", "ä"),
        ("я".encode("cp1251"), 'text/html; charset="windows-1251"', "я"),
        ("\ufeffä".encode("utf-16-le"), "text/html; charset=utf-8", "ä"),
        (b"\xef\xbb\xbfx", "text/html", "x"),
        ("ä".encode(), "text/html; charset=rot13", "ä"),
        ("ä".encode(), "text/html; charset=idna", "ä"),
        ("ä".encode(), "text/html; charset=nonsense", "ä"),
        ("ä".encode() * 300_000, "text/html", "ä" * (READ_BYTES // 2)),
        (b"x" + "ä".encode() * 300_000, "text/html", "x" + "ä" * (READ_BYTES // 2 - 1)),
    ],
)
def test_encodings(body: bytes, content_type: str, text: str) -> None:
    assert decode_page(body[:READ_BYTES], content_type) == text


def test_encodings_that_pages_name_themselves() -> None:
    assert decode_page('<meta charset="cp1251">я'.encode("cp1251"), "text/html").endswith("я")
    assert decode_page('<?xml version="1.0" encoding="koi8-r"?>я'.encode("koi8-r"), "text/html").endswith("я")


@given(st.binary(max_size=300), st.sampled_from(["text/html", "text/html; charset=utf-16", "text/html; charset=zip"]))
def test_anything_can_be_read(body: bytes, content_type: str) -> None:
    read_page(decode_page(body, content_type))


@given(st.lists(st.sampled_from(["<!--", "<![", "<meta ", "<a ", "&", "</", "<title>", 'x="', ">", "<svg>", "</svg>"])))
def test_broken_markup_can_be_read(pieces: list[str]) -> None:
    read_page("".join(pieces))


@pytest.mark.parametrize(
    "piece", ["<!--", "<![", "<a ", "<", "&", "</", "<title>", "<svg>", "<p", '<a x="', "<?", "</a"]
)
def test_no_page_takes_long(piece: str) -> None:
    """Nothing that is never closed is looked for again and again."""
    read_page(piece * (READ_BYTES // len(piece)))


@pytest.mark.parametrize(
    ("rule", "url", "blocked"),
    [
        ({"netloc": "a.test"}, "http://a.test/x", True),
        ({"netloc": "*.a.test"}, "http://b.a.test/x", True),
        ({"netloc": "a.test"}, "http://b.test/x", False),
        ({"scheme": "http", "netloc": "a.test"}, "https://a.test/x", False),
        ({"username": "*"}, "http://me@a.test/", True),
        ({"username": "*"}, "http://a.test/", False),
        ({"path": "^/(a|b)/"}, "http://a.test/b/c", True),
        ({"port": "8080"}, "http://a.test:8080/", True),
        ({"netloc": "^[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+$"}, "http://1.2.3.4/", True),
        ({"port": "1"}, "http://a.test:nonsense/", True),
        ({}, "http://a.test/", False),
    ],
)
def test_url_preview_url_blacklist(rule: dict[str, str], url: str, *, blocked: bool) -> None:
    assert is_blocked(url, [rule]) is blocked


def test_who_describes_a_page() -> None:
    endpoints = [OembedEndpoint("https://d.test/o.{format}?v=1", ("https://*.p.test/w*",))]
    assert oembed_url("http://www.p.test/w?a=b", endpoints) == (
        "https://d.test/o.json?v=1&format=json&url=http%3A%2F%2Fwww.p.test%2Fw%3Fa%3Db"
    )
    assert oembed_url("https://q.test/www.p.test/w", endpoints) is None


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"url_preview_enabled": True}, "needs url_preview_ip_range_blacklist"),
        ({"url_preview_url_blacklist": [{"host": "x"}]}, "host is no part of a URL"),
        ({"url_preview_url_blacklist": [{"path": "^("}]}, "is no regular expression"),
        ({"oembed": {"additional_providers": ["/nowhere.json"]}}, "cannot be read"),
    ],
)
def test_mistakes(options: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        parse({"server_name": "test", **options})
