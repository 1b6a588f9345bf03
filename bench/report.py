"""The tables, as Markdown, and the plots."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.measure import Measured
from bench.plot import bars, lines

THEIRS, OURS = "Synapse", "Ranvier"


@dataclass(slots=True)
class Report:
    """What was measured."""

    versions: str
    rounds: int
    operations: dict[str, dict[str, Measured]] = field(default_factory=dict)
    growth: dict[str, dict[int, dict[str, Measured]]] = field(default_factory=dict)
    single: list[tuple[str, float, float]] = field(default_factory=list)
    """What is measured once: with its unit; Synapse's and ours."""

    def write(self, path: Path) -> None:
        """Into this file, and the plots into the folder `bench` beside it."""
        plots = path.parent / "bench"
        plots.mkdir(exist_ok=True)
        rows = [(name, _ratio(both), f"{_ratio(both):.3f}") for name, both in self.operations.items()]
        (plots / "ratios.svg").write_text(bars("CPU of Ranvier, Synapse being 1 (SQLite)", rows))
        for name, sizes in self.growth.items():
            curves = {
                server: [(float(size), both[server].cpu) for size, both in sizes.items()] for server in (THEIRS, OURS)
            }
            title = f"CPU ms of one: {name}"
            (plots / f"{_slug(name)}.svg").write_text(lines(title, curves, x_label="members of the room"))
        path.write_text(self.text())

    def text(self) -> str:
        """As Markdown."""
        parts = [
            "# Measurements",
            "",
            "Written by `make bench`; [performance.md](performance.md) says what follows from it.",
            "",
            f"{self.versions}; Python {platform.python_version()}, {platform.machine()}; {self.rounds} rounds, both servers",
            "in turn, SQLite. **CPU** is of the server's whole process tree for one operation, the median of the rounds.",
            "Latencies hold for a machine that does nothing else, which the one of this run may not have been. An operation is",
            "asked for again and again, so what a server remembers helps it, on both sides. Bytes on disk include SQLite's log,",
            "which is not written back after so few events: they are above what stays.",
            "",
            "| Operation | Synapse, CPU ms | Ranvier, CPU ms | ratio | Synapse, ms (50 % / 95 % / 99 %) | Ranvier, ms |",
            "|---|---|---|---|---|---|",
            *(_row(name, both) for name, both in self.operations.items()),
            "",
            "![Ratios](bench/ratios.svg)",
            "",
            "| | Synapse | Ranvier | ratio |",
            "|---|---|---|---|",
            *(f"| {name} | {theirs:,.2f} | {ours:,.2f} | {ours / theirs:.3f} |" for name, theirs, ours in self.single),
            "",
            "## Growth with members",
            "",
        ]
        for name, sizes in self.growth.items():
            parts += [
                f"| {name}: members | Synapse, CPU ms | Ranvier, CPU ms | ratio |",
                "|---|---|---|---|",
                *(_growth_row(size, both) for size, both in sizes.items()),
                "",
                f"![{name}](bench/{_slug(name)}.svg)",
                "",
            ]
        return "\n".join(parts).rstrip() + "\n"


def _ratio(both: Mapping[str, Measured]) -> float:
    return both[OURS].cpu / both[THEIRS].cpu


def _row(name: str, both: Mapping[str, Measured]) -> str:
    theirs, ours = both[THEIRS], both[OURS]
    latencies = [" / ".join(f"{one.latency(percentile):.3g}" for percentile in (50, 95, 99)) for one in (theirs, ours)]
    return f"| {name} | {theirs.cpu:.3g} | {ours.cpu:.3g} | {_ratio(both):.3f} | {latencies[0]} | {latencies[1]} |"


def _growth_row(size: int, both: Mapping[str, Measured]) -> str:
    return f"| {size:,} | {both[THEIRS].cpu:.3g} | {both[OURS].cpu:.3g} | {_ratio(both):.3f} |"


def _slug(name: str) -> str:
    return "growth-" + "-".join(name.replace(",", "").split())
