"""Random stories of rooms that are joined partially. More of them: `make plays PARTIAL_JOINS=1 PLAYS=5000`."""

import os
from pathlib import Path
from typing import Final

import pytest

from tests.faster_joins.story import FAULTS, PartialJoins

STORIES: Final = int(os.environ.get("RANVIER_PLAYS", "1000")) // 10
AT_ONCE: Final = 50


@pytest.mark.parametrize("first", range(0, STORIES, AT_ONCE))
def test_stories(first: int, tmp_path: Path, template: Path) -> None:
    stories = PartialJoins(tmp_path, template)
    for seed in range(first, min(first + AT_ONCE, STORIES)):
        stories.tell(seed)
    if first + AT_ONCE <= STORIES:
        assert [fault for fault in FAULTS if not stories.faults[fault]] == []
