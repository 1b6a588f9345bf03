"""What was promised: events that a server acknowledged, and messages to devices that it took."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field


@dataclass(slots=True)
class Ledger:
    """Of everybody."""

    events: defaultdict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    """By room: event IDs, and who sent each."""
    changed_promises: list[str] = field(default_factory=list)
    """Transactions that were acknowledged twice, with different events."""
    taken: dict[str, str] = field(default_factory=dict)
    """Messages to devices that a server took: for whom each is."""
    tried: set[str] = field(default_factory=set)
    """Messages to devices that were sent, whether or not it was said that they were taken."""
    arrived: Counter[str] = field(default_factory=Counter)
    """Messages to devices that came, and how often."""
    strayed: list[str] = field(default_factory=list)
    """Messages to devices that came to somebody else."""
    requests: Counter[str] = field(default_factory=Counter)
    """How many requests of a kind were answered."""
    failures: Counter[str] = field(default_factory=Counter)
    """How many were not, or with an error, and why."""

    @property
    def event_count(self) -> int:
        return sum(len(events) for events in self.events.values())

    def lost_messages(self) -> list[str]:
        """Taken and not arrived."""
        return sorted(set(self.taken) - set(self.arrived))

    def doubled_messages(self) -> list[str]:
        """Arrived more than once."""
        return sorted(message for message, count in self.arrived.items() if count > 1)

    def invented_messages(self) -> list[str]:
        """Arrived, though nobody sent them."""
        return sorted(set(self.arrived) - self.tried)
