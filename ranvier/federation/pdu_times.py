"""When the newest events were made that some servers have taken and sent: `federation_metrics_domains`.

How far behind now these times are says how long events are on their way, whoever is to blame for it.
"""

from collections.abc import Collection, Iterable

from ranvier.proto.events import Event


class PduTimes:
    """In memory, of the servers that are watched."""

    def __init__(self, domains: Iterable[str] = ()) -> None:
        self._domains = frozenset(domains)
        self.sent_ms: dict[str, int] = {}
        """By server the `origin_server_ts` of the newest event in the last transaction with events that it took."""
        self.received_ms: dict[str, int] = {}
        """The same of transactions that it sent."""

    def sent(self, destination: str, events: Collection[Event]) -> None:
        """A server has taken these."""
        self._note(self.sent_ms, destination, events)

    def received(self, origin: str, events: Collection[Event]) -> None:
        """A server has sent these."""
        self._note(self.received_ms, origin, events)

    def _note(self, times: dict[str, int], server: str, events: Collection[Event]) -> None:
        if server in self._domains and events:
            times[server] = max(event.origin_server_ts for event in events)
