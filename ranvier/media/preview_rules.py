"""Which pages are previewed, and who describes them. Pure.

Configuration: `url_preview_url_blacklist`, `oembed`.
"""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from urllib.parse import SplitResult, quote, urlsplit

from ranvier.config.preview_sections import OembedEndpoint


def is_blocked(url: str, rules: Sequence[Mapping[str, str]]) -> bool:
    """Whether one of the rules holds for the URL: all of its parts. What is no URL is blocked."""
    try:
        parts = urlsplit(url)
        return any(bool(rule) and all(_holds(parts, *condition) for condition in rule.items()) for rule in rules)
    except ValueError:
        return True


def _holds(parts: SplitResult, part: str, pattern: str) -> bool:
    value = getattr(parts, part)
    if value is None:
        return False
    text = str(value)
    return re.match(pattern, text) is not None if pattern.startswith("^") else fnmatchcase(text, pattern)


def oembed_url(url: str, endpoints: Sequence[OembedEndpoint]) -> str | None:
    """Where a description of the page is to be had; `None` if nobody is known to have one."""
    for endpoint in endpoints:
        if any(_matches(url, scheme) for scheme in endpoint.schemes):
            base = endpoint.url.replace("{format}", "json")
            return f"{base}{'&' if '?' in base else '?'}format=json&url={quote(url, safe='')}"
    return None


def _matches(url: str, scheme: str) -> bool:
    # Of http and https only one is written down mostly.
    host, slash, path = re.sub(r"^https?://", "", scheme).partition("/")
    pattern = f"https?://{_glob(host, '[^/?#@:]*')}{slash}{_glob(path, '.*')}"
    return re.fullmatch(pattern, url) is not None


def _glob(text: str, star: str) -> str:
    return star.join(re.escape(part) for part in text.split("*"))
