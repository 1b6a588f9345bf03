"""Random stories of several servers, with everything that can go wrong; each is told again exactly by its seed.

`make plays PLAYS=20000` tells more of them, `make plays FIRST=17 PLAYS=1` one of them again.
"""

import os

import pytest

from tests.plays.attacks import ATTACKS
from tests.plays.telling import FAULTS, teller

STORIES = int(os.environ.get("RANVIER_PLAYS", "1000"))
AT_ONCE = 50


@pytest.mark.parametrize("first", range(0, STORIES, AT_ONCE))
def test_stories(first: int) -> None:
    with teller() as stories:
        for seed in range(first, min(first + AT_ONCE, STORIES)):
            stories.tell(seed)
    if first + AT_ONCE <= STORIES:
        assert [fault for fault in FAULTS if not stories.faults[fault]] == []


def test_every_attack_is_tried() -> None:
    with teller(byzantine=1.0) as stories:
        for seed in range(100_000, 100_012):
            stories.tell(seed)
    assert [attack for attack in ATTACKS if not stories.attacks[attack]] == []
