"""The few pages that people see in a browser: plain HTML with our own style, and a script only where one is named.

The policy in the header lets a page run nothing else, and be framed by nobody.
"""

import hashlib
from base64 import b64encode
from html import escape
from importlib.resources import files
from typing import Final

from ranvier.http.response import Header, Response, html_response

_FOLDER: Final = files("ranvier.api.client") / "pages"


def page_part(name: str) -> str:
    """A file of the folder `pages`."""
    return (_FOLDER / name).read_text(encoding="utf-8")


_STYLE: Final = page_part("page.css")


def page(title: str, body: str, *, script: str = "", status: int = 200) -> Response:
    """A page. `body` is HTML: what comes from outside has been escaped in it."""
    running = f"<script>{script}</script>" if script else ""
    html = (
        "<!DOCTYPE html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head>\n<body>\n{body}\n{running}</body></html>\n"
    )
    return html_response(html, status, [*_HEADERS, (b"content-security-policy", _policy(script))])


_HEADERS: Final[tuple[Header, ...]] = (
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


def _policy(script: str) -> bytes:
    parts = [
        "default-src 'none'",
        f"style-src {_hash(_STYLE)}",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
    if script:
        parts += [f"script-src {_hash(script)}", "connect-src 'self'"]
    return "; ".join(parts).encode("ascii")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
