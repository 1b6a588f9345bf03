"""Resolving a set of states with the algorithm of the room's version.

Spec: room versions, "State resolution".
"""

from collections.abc import Sequence

from ranvier.proto.events import StateKey
from ranvier.proto.resolution.requests import Entries, Resolution
from ranvier.proto.resolution.v1 import resolve_v1
from ranvier.proto.resolution.v2 import resolve_v2
from ranvier.proto.room_versions import RoomVersion


def split(states: Sequence[Entries]) -> tuple[dict[StateKey, str], list[dict[StateKey, str]]]:
    """The unconflicted entries, and of each state the others: all of them where the states are not all equal.

    An entry is unconflicted if every state has it with the same event.
    """
    first, *others = states
    unconflicted = {key: event_id for key, event_id in first.items() if all(s.get(key) == event_id for s in others)}
    if all(len(state) == len(unconflicted) for state in states):
        return unconflicted, [{} for _ in states]
    return unconflicted, [{key: state[key] for key in state if key not in unconflicted} for state in states]


def resolve(version: RoomVersion, conflicts: Sequence[Entries]) -> Resolution:
    """Resolve states of which `conflicts` are the entries that are not unconflicted (as `split` gives them).

    The result holds the resolved entries beside the unconflicted ones, which stay as they are; a key of `conflicts` that
    is missing in it is not in the resolved state. The order of `conflicts` does not matter.
    """
    if version.state_resolution == "v1":
        return resolve_v1(conflicts)
    return resolve_v2(conflicts, from_empty=version.state_resolution == "v2.1")
