"""What the configuration says about previews of pages: frozen, typed."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ranvier.config.values import Values

_PARTS: Final = frozenset({"scheme", "netloc", "path", "query", "fragment", "username", "password", "hostname", "port"})


@dataclass(frozen=True, slots=True)
class OembedEndpoint:
    """Who describes which pages."""

    url: str
    """May hold `{format}`."""
    schemes: tuple[str, ...]
    """Patterns of the pages' URLs with `*`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewConfig:
    """`url_preview_*`, `max_spider_size`, `oembed`, where previews are enabled."""

    ip_range_blacklist: tuple[str, ...]
    ip_range_whitelist: tuple[str, ...]
    url_blacklist: tuple[Mapping[str, str], ...]
    """Parts of URLs (`urlsplit`) and their patterns: globs, or with `^` at the beginning regular expressions."""
    max_spider_bytes: int
    accept_language: tuple[str, ...]
    oembed: tuple[OembedEndpoint, ...]


_DEFAULT_PROVIDERS: Final = (
    OembedEndpoint(
        "https://publish.twitter.com/oembed",
        (
            "https://twitter.com/*/status/*",
            "https://*.twitter.com/*/status/*",
            "https://x.com/*/status/*",
            "https://*.x.com/*/status/*",
        ),
    ),
    OembedEndpoint(
        "https://www.youtube.com/oembed",
        ("https://*.youtube.com/watch*", "https://*.youtube.com/shorts/*", "https://youtu.be/*"),
    ),
    OembedEndpoint("https://vimeo.com/api/oembed.{format}", ("https://vimeo.com/*",)),
)
"""Pages that say little to who runs no scripts."""


def build_previews(values: Values) -> PreviewConfig | None:
    """`None` if there are none; mistakes are noted all the same."""
    is_enabled = values.boolean("url_preview_enabled")
    if is_enabled and not values.is_set("url_preview_ip_range_blacklist"):
        values.error(
            "url_preview_enabled",
            "needs url_preview_ip_range_blacklist: without it everybody could look into the network of this machine",
        )
    rules = tuple(_rule(values, entry) for entry in values.get("url_preview_url_blacklist") or ())
    endpoints: list[OembedEndpoint] = []
    for path in values.texts("oembed.additional_providers"):
        endpoints += _read_providers(values, path)
    if not values.boolean("oembed.disable_default_providers"):
        endpoints += _DEFAULT_PROVIDERS
    if not is_enabled:
        return None
    return PreviewConfig(
        ip_range_blacklist=values.texts("url_preview_ip_range_blacklist"),
        ip_range_whitelist=values.texts("url_preview_ip_range_whitelist"),
        url_blacklist=rules,
        max_spider_bytes=values.integer("max_spider_size"),
        accept_language=values.texts("url_preview_accept_language"),
        oembed=tuple(endpoints),
    )


def _rule(values: Values, entry: object) -> Mapping[str, str]:
    rule: dict[str, str] = {}
    for part, pattern in (entry if isinstance(entry, dict) else {}).items():
        if part not in _PARTS:
            values.error("url_preview_url_blacklist", f"{part} is no part of a URL: {', '.join(sorted(_PARTS))}")
            continue
        text = str(pattern)
        if text.startswith("^"):
            try:
                re.compile(text)
            except re.error as error:
                values.error("url_preview_url_blacklist", f"{text} is no regular expression: {error}")
                continue
        rule[str(part)] = text
    return rule


def _read_providers(values: Values, path: str) -> list[OembedEndpoint]:
    """From a file in the form of `providers.json` (oembed.com)."""
    try:
        with open(path, encoding="utf-8") as file:
            providers: Any = json.load(file)
        return [
            OembedEndpoint(str(endpoint["url"]), tuple(str(scheme) for scheme in endpoint["schemes"]))
            for provider in providers
            for endpoint in provider["endpoints"]
            # Without patterns nobody could say which pages are meant.
            if endpoint.get("schemes")
        ]
    except OSError as error:
        values.error("oembed.additional_providers", f"{path} cannot be read: {error.strerror}")
    except (ValueError, TypeError, KeyError, AttributeError):
        values.error("oembed.additional_providers", f"{path} is no list of oEmbed providers")
    return []
