"""What a page says about itself: OpenGraph, else its title, its first words, a picture. Pure; computes for long.

Spec: client-server API, `/preview_url`; https://ogp.me.
"""

import codecs
import contextlib
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

READ_BYTES: Final = 1 << 19
"""No more of a page is looked at: what it says about itself stands at its beginning."""
_END: Final = "<br>"
"""Lets the parser say what it holds back, without telling it that this is the end: what is unclosed then takes it long."""
_PROPERTIES: Final = 40
_VALUE_LENGTH: Final = 1_000
_WORDS_LENGTH: Final = 500
_SILENT: Final = frozenset(
    {"script", "style", "noscript", "template", "svg", "nav", "header", "footer", "aside", "select", "button", "canvas"}
)
_BLOCKS: Final = frozenset({"p", "div", "br", "li", "h1", "h2", "h3", "td", "section", "article", "main", "blockquote"})
_VOID: Final = frozenset({"meta", "link", "img", "br", "hr", "input", "base", "source", "wbr", "area", "col", "embed"})
_NO_PAGES: Final = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined"})
"""Encodings that nobody writes pages in, and that may take long."""
_charset_of_meta = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE).search
_charset_of_xml = re.compile(rb"^\s*<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([A-Za-z0-9_:.-]{1,40})").search
_charset_of_header = re.compile(r"charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE).search


@dataclass(slots=True)
class Page:
    """What was found."""

    properties: dict[str, str] = field(default_factory=dict)
    """`og:...`, each the first."""
    base: str | None = None
    """To which its addresses are relative, if it says so."""
    oembed: str | None = None
    """Where a description is to be had."""


def decode_page(body: bytes, content_type: str) -> str:
    """The page as text: as its header says, its byte order mark, itself; else UTF-8, else what browsers take."""
    for mark, name in ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if body.startswith(mark):
            return body.decode(name, "replace").removeprefix("\ufeff")
    names = []
    if (match := _charset_of_header(content_type)) is not None:
        names.append(match[1])
    for search in (_charset_of_meta, _charset_of_xml):
        if (found := search(body[:4096])) is not None:
            names.append(found[1].decode("ascii"))
    for name in names:
        try:
            if codecs.lookup(name).name not in _NO_PAGES:
                return body.decode(name, "replace")
        except (LookupError, ValueError):
            continue
    try:
        # Where no more was looked at, that may have cut a letter in two.
        return codecs.getincrementaldecoder("utf-8")().decode(body, final=len(body) < READ_BYTES)
    except UnicodeDecodeError:
        return body.decode("cp1252", "replace")


def read_page(text: str) -> Page:
    """What the page says. Takes anything, and never raises."""
    reader = _Reader()
    # What was found until a failure is better than nothing.
    with contextlib.suppress(AssertionError, ValueError, RecursionError):
        reader.feed(text + _END)
    page = reader.page
    found = page.properties
    for name, fallbacks in (
        ("og:title", [reader.named.get("twitter:title"), _squeezed(reader.title), _squeezed(reader.heading)]),
        ("og:description", [reader.named.get("twitter:description"), reader.named.get("description"), reader.words()]),
        ("og:image", [reader.named.get("twitter:image"), reader.image]),
        ("og:site_name", [reader.named.get("application-name")]),
    ):
        if name not in found:
            value = next((value for value in fallbacks if value), None)
            if value:
                found[name] = value[:_VALUE_LENGTH]
    return page


def words_of(html: str) -> str:
    """The words of a piece of HTML, at most so many as a preview shows."""
    reader = _Reader()
    with contextlib.suppress(AssertionError, ValueError, RecursionError):
        reader.feed(html[:READ_BYTES] + _END)
    return reader.words()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self.named: dict[str, str] = {}
        self.title = ""
        self.heading = ""
        self.image: str | None = None
        self._texts: list[str] = []
        self._length = 0
        self._silent: list[str] = []
        self._inside: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        match tag:
            case "meta":
                self._meta(values)
            case "link":
                self._link(values)
            case "base" if self.page.base is None:
                self.page.base = values.get("href") or None
            case "title" | "h1":
                self._inside = tag
            case _ if tag in _SILENT and tag not in _VOID:
                self._silent.append(tag)
        if tag in _BLOCKS:
            self._add("\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = None
        if tag in self._silent:
            # Those that were never closed end with it.
            while self._silent.pop() != tag:
                pass
        if tag in _BLOCKS:
            self._add("\n")

    def handle_data(self, data: str) -> None:
        if self._inside == "title":
            if len(self.title) < _VALUE_LENGTH and not self._silent:
                self.title += data
            return
        if self._inside == "h1" and len(self.heading) < _VALUE_LENGTH:
            self.heading += data
        if not self._silent:
            self._add(data)

    def words(self) -> str:
        """The first paragraphs that say something."""
        lines = [_squeezed(line) for line in "".join(self._texts).split("\n")]
        text = ""
        for line in lines:
            # Short lines are mostly menus.
            if len(line) < 20 and not text:
                continue
            if line:
                text = f"{text}\n\n{line}" if text else line
            if len(text) >= _WORDS_LENGTH:
                break
        text = text or " ".join(line for line in lines if line)
        if len(text) <= _WORDS_LENGTH:
            return text
        return text[: _WORDS_LENGTH - 1].rsplit(None, 1)[0] + "\u2026"

    def _meta(self, values: dict[str, str]) -> None:
        content = values.get("content", "").strip()[:_VALUE_LENGTH]
        if not content:
            return
        name = (values.get("property") or values.get("name") or "").lower()
        found = self.page.properties
        if name.startswith("og:") and len(name) <= 100:
            if name not in found and len(found) < _PROPERTIES:
                found[name] = content
        elif name in ("description", "application-name") or name.startswith("twitter:"):
            self.named.setdefault(name, content)
        elif values.get("itemprop", "").lower() == "image" and self.image is None:
            self.image = content

    def _link(self, values: dict[str, str]) -> None:
        kinds = values.get("rel", "").lower().split()
        href = values.get("href", "").strip()
        if not href:
            return
        if "image_src" in kinds and self.image is None:
            self.image = href[:_VALUE_LENGTH]
        elif "alternate" in kinds and values.get("type", "").lower() == "application/json+oembed":
            self.page.oembed = self.page.oembed or href[:_VALUE_LENGTH]

    def _add(self, text: str) -> None:
        # More than is shown, because short lines are left out.
        if self._length < _WORDS_LENGTH * 8:
            self._texts.append(text)
            self._length += len(text)


def _squeezed(text: str) -> str:
    return " ".join(text.split())
