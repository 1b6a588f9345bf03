"""`make plays` itself."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize("kind", [[], ["--partial-joins"]], ids=["any", "partial joins"])
def test_stories_in_several_processes(kind: list[str]) -> None:
    command = [sys.executable, "-m", "tests.plays", "--stories", "22", "--workers", "2", *kind]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n22 stories, " in done.stdout
    assert done.stdout.endswith("failed:  none\n")
