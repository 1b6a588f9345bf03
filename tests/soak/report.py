"""The outcome in words."""

from collections import Counter
from dataclasses import dataclass, field

from tests.soak.gauges import Gauges
from tests.soak.ledger import Ledger

MAX_SLOPE_MIB_PER_HOUR = 60.0
"""Beyond this, memory is not flat: caches that are still filling rise more slowly."""
MAX_MORE_FILES = 20
LEAST_S = 120.0
"""Over a shorter time the slope says nothing, and is only told."""


@dataclass(slots=True)
class Report:
    """What is told at the end."""

    seed: int
    minutes: float
    people: int
    rooms: int
    ledger: Ledger
    faults: Counter[str] = field(default_factory=Counter)
    gauges: list[Gauges] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    histories: int = 0

    def judge(self) -> None:
        """Add what ledger and gauges say to the problems."""
        ledger = self.ledger
        for what, messages in (
            ("lost", ledger.lost_messages()),
            ("doubled", ledger.doubled_messages()),
            ("invented", ledger.invented_messages()),
            ("strayed", ledger.strayed),
        ):
            self.problems += [f"message to a device {what}: {message}" for message in messages]
        self.problems += [f"two events for one transaction: {text}" for text in ledger.changed_promises]
        for gauges in self.gauges:
            name = gauges.server.folder.name
            times_s = gauges.after_warm_up_times()
            is_long = bool(times_s) and times_s[-1] - times_s[0] >= LEAST_S
            if is_long and gauges.memory_slope() > MAX_SLOPE_MIB_PER_HOUR:
                self.problems.append(f"{name}: memory grows by {gauges.memory_slope():.1f} MiB in an hour")
            files = gauges.after_warm_up(gauges.files)
            if files and files[-1] > files[0] + MAX_MORE_FILES:
                self.problems.append(f"{name}: open files went from {files[0]} to {files[-1]}")

    def text(self) -> str:
        """As Markdown."""
        ledger = self.ledger
        lines = [
            f"Seed {self.seed}, {self.minutes:g} minutes, {self.people} users, {self.rooms} rooms.",
            "",
            "| | |",
            "|---|---|",
            f"| events acknowledged | {ledger.event_count:,} |",
            f"| histories read to the end | {self.histories:,} |",
            f"| messages to devices taken | {len(ledger.taken):,} |",
            f"| of these lost, doubled, strayed | {len(ledger.lost_messages())}, {len(ledger.doubled_messages())}, "
            f"{len(ledger.strayed)} |",
        ]
        lines += [f"| {kind}: answered | {count:,} |" for kind, count in sorted(ledger.requests.items())]
        lines += [f"| fault: {kind} | {count} |" for kind, count in sorted(self.faults.items())]
        lines += [f"| failed and tried again: {kind} | {count:,} |" for kind, count in sorted(ledger.failures.items())]
        for gauges in self.gauges:
            memory, files = gauges.after_warm_up(gauges.memory_kib), gauges.after_warm_up(gauges.files)
            if memory:
                lines.append(
                    f"| {gauges.server.folder.name}: memory after warm-up | {memory[0] / 1024:.1f} to "
                    f"{memory[-1] / 1024:.1f} MiB, slope {gauges.memory_slope():+.1f} MiB an hour |"
                )
                lines.append(f"| {gauges.server.folder.name}: open files | {min(files)} to {max(files)} |")
        lines += ["", f"Problems: {len(self.problems)}", *(f"- {problem}" for problem in self.problems[:40])]
        return "\n".join(lines)
