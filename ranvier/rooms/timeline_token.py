"""Tokens for places in a room's timeline.

A token stands between two events: behind the event at its position. `t<pos>` is one of ours for pagination; a sync token
`s<stream position>...` stands behind the last event of the sync it came from.
"""

import re
from typing import Final

from ranvier.proto.errors import invalid_param
from ranvier.store.events import FIRST_POS, POS_BITS

START: Final = FIRST_POS
"""Before every event."""

_TOKEN: Final = re.compile(r"t(-?[0-9]{1,19})|s([0-9]{1,13})(?:_.*)?", re.ASCII)


def timeline_token(pos: int) -> str:
    """The token behind the event at `pos`."""
    return f"t{pos}"


def timeline_pos(token: str, *, name: str) -> int:
    """The position of a token, the request's parameter `name`. Raises 400 `M_INVALID_PARAM`."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise invalid_param(f"{name}: not a token of this server")
    pos, stream_pos = found.groups()
    if stream_pos is not None:
        return int(stream_pos) << POS_BITS
    return max(START, min(int(pos), -START))
