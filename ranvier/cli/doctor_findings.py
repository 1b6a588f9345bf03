"""What `ranvier doctor` says. Pure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Level = Literal["ok", "note", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one thing, and what to do about it."""

    level: Level
    subject: str
    text: str
    remedy: str | None = None

    def lines(self) -> list[str]:
        """For the terminal."""
        first = f"{self.level:<7}  {self.subject}: {self.text}"
        return [first] if self.remedy is None else [first, f"         -> {self.remedy}"]


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """For programs."""
    return {"ok": not is_ill(findings), "findings": [asdict(finding) for finding in findings]}


def is_ill(findings: Sequence[Finding]) -> bool:
    """Whether something does not work; warnings and notes are about what works."""
    return any(finding.level == "error" for finding in findings)
