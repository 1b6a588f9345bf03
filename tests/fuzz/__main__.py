"""`make fuzz`: every target for some seconds, in an environment of its own that has atheris."""

import argparse
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.fuzz.kernel import TARGETS
from tests.services.locking import one_at_a_time

VERSION = "3.0.0"
_ROOT = Path(__file__).parents[2]
_CACHE = _ROOT / ".cache"
_INSTALL_S = 300
_OTHER = "RANVIER_TEST_ATHERIS_PYTHON"
"""A Python that has atheris already; it must be of the same version as this one."""


def atheris_python() -> str:
    """The Python that fuzzes; installs atheris from the Python Package Index the first time, which needs the network."""
    if other := os.environ.get(_OTHER):
        return other
    folder = _CACHE / f"atheris-{VERSION}"
    python = str(folder / "bin" / "python")
    note = folder / ".installed"
    _CACHE.mkdir(exist_ok=True)
    with one_at_a_time(_CACHE / ".installing"):
        if not note.exists():
            for command in (
                [sys.executable, "-m", "venv", "--clear", str(folder)],
                [python, "-m", "pip", "install", "--quiet", "--only-binary=:all:", f"atheris=={VERSION}"],
            ):
                subprocess.run(command, check=True, timeout=_INSTALL_S)
            note.touch()
    return python


def fuzz(name: str, *, seconds: int, seed: int) -> tuple[bool, str]:
    """Whether a target held for so long, and what the fuzzer said at last."""
    corpus = _CACHE / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, start in enumerate(TARGETS[name][1]):
        (corpus / f"seed{number}").write_bytes(start)
    command = [
        atheris_python(),
        "-m",
        "tests.fuzz.kernel",
        name,
        str(corpus),
        f"-max_total_time={seconds}",
        f"-seed={seed}",
        "-max_len=4096",
        "-timeout=10",
        "-rss_limit_mb=1024",
        f"-artifact_prefix={_CACHE / name}-",
        "-print_final_stats=1",
    ]
    # What the server needs is where it is installed for this Python.
    paths = os.pathsep.join([str(_ROOT), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": paths},
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return done.returncode == 0, done.stdout


def main() -> int:
    """The exit status: 0 if all targets held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("targets", nargs="*", default=list(TARGETS))
    given = parser.parse_args()
    failed = []
    for name in given.targets:
        holds, said = fuzz(name, seconds=given.seconds, seed=given.seed)
        lines = said.splitlines()
        coverage = next((line.split("cov: ")[1].split()[0] for line in reversed(lines) if "cov: " in line), "?")
        runs = next((line.split()[-1] for line in lines if "number_of_executed_units" in line), "?")
        print(f"| {name} | {runs} | {coverage} | {'held' if holds else 'FAILED'} |", flush=True)
        if not holds:
            failed.append(name)
            print("\n".join(lines[-40:]), file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
