"""Dot-separated paths to properties of events.

Spec: appendices, "Dot-separated property paths".
"""


def split_path(key: str) -> tuple[str, ...]:
    """A dot-separated path as property names."""
    if "\\" not in key:
        return tuple(key.split("."))
    names, name, chars = [], "", iter(key)
    for char in chars:
        if char == ".":
            names.append(name)
            name = ""
        elif char == "\\":
            escaped = next(chars, "")
            name += escaped if escaped in (".", "\\") and escaped else "\\" + escaped
        else:
            name += char
    return (*names, name)
