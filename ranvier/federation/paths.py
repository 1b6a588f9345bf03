"""Paths of the federation API, as they are on the wire."""

from urllib.parse import quote


def path(*segments: str) -> str:
    """`path("v1", "event", "$a/b")` is `/_matrix/federation/v1/event/%24a%2Fb`."""
    return "/_matrix/federation/" + _joined(segments)


def key_path(*segments: str) -> str:
    """The same below `/_matrix/key/`."""
    return "/_matrix/key/" + _joined(segments)


def _joined(segments: tuple[str, ...]) -> str:
    return "/".join(quote(segment, safe="") for segment in segments)
