"""What a resolution asks of whoever drives it.

Every request is answered with events by id. An answer may leave out events that are not known: they count as events that
do not exist.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

from ranvier.proto.events import Event, StateKey

Answer = Mapping[str, Event]
Entries = Mapping[StateKey, str]
"""A state, or a part of one: event ids by key."""


@dataclass(frozen=True, slots=True)
class FetchEvents:
    """These events, rejected ones too unless `accepted_only`."""

    event_ids: frozenset[str]
    accepted_only: bool = False


@dataclass(frozen=True, slots=True)
class FetchUnconflicted:
    """Those of these entries that are the same in every state to be resolved."""

    keys: frozenset[StateKey]


@dataclass(frozen=True, slots=True)
class FetchAuthDifference:
    """The auth difference of the states of which `sets` are the events that the others do not all have.

    The auth chain of a state is taken to hold the state's own events, so that no unconflicted event is ever part of the
    difference. Every resolver at large reads the spec so, and to agree with them is the purpose of the algorithm.
    """

    sets: tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True)
class FetchConflictedSubgraph:
    """Every event on a path of auth events between two of these, ends included."""

    event_ids: frozenset[str]


Request = FetchEvents | FetchUnconflicted | FetchAuthDifference | FetchConflictedSubgraph

Resolution = Generator[Request, Answer, dict[StateKey, str]]
"""Yields requests, is sent their answers, and returns resolved entries."""


def drive(resolution: Resolution, answer: Callable[[Request], Answer]) -> dict[StateKey, str]:
    """Run a resolution with a function that answers at once."""
    try:
        request = next(resolution)
        while True:
            request = resolution.send(answer(request))
    except StopIteration as done:
        resolved: dict[StateKey, str] = done.value
        return resolved
