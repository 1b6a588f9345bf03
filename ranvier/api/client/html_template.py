"""Filling in the operator's HTML: `{{ name }}`, escaped, and `{% if name %} ... {% else %} ... {% endif %}`.

That much of the template language that policies and other pages of homeservers are written in. Pure.
"""

import re
from collections.abc import Mapping
from html import escape
from typing import Final

_TAG: Final = re.compile(r"\{\{\s*(?P<name>\w+)[^}]*\}\}|\{%-?\s*(?P<act>.*?)\s*-?%\}|\{#.*?#\}", re.DOTALL)
_IF: Final = re.compile(r"if\s+(?P<not>not\s+)?(?P<name>\w+)")


def render(template: str, variables: Mapping[str, str | bool]) -> str:
    """The template with its names filled in; unknown names are empty and false, unknown tags are left out."""
    parts: list[str] = []
    shown = [True]
    at = 0
    for tag in _TAG.finditer(template):
        if all(shown):
            parts.append(template[at : tag.start()])
        at = tag.end()
        if tag["name"] is not None and all(shown):
            parts.append(escape(str(variables.get(tag["name"], ""))))
        _branch(tag["act"] or "", shown, variables)
    parts.append(template[at:])
    return "".join(parts)


def _branch(act: str, shown: list[bool], variables: Mapping[str, str | bool]) -> None:
    """Enter, turn or leave a condition; `shown` says of each open one whether its text is to be seen."""
    condition = _IF.fullmatch(act)
    if condition is not None:
        shown.append(bool(variables.get(condition["name"])) is (condition["not"] is None))
    elif act == "else" and len(shown) > 1:
        shown[-1] = not shown[-1]
    elif act == "endif" and len(shown) > 1:
        shown.pop()
