"""What the request being served has asked of the database, for its line in the log.

The HTTP layer sets it if anybody reads the log; engines and caches add to it. A commit that many requests share (the rooms'
appender) counts for each that waits for it, its statements for none.
"""

from contextvars import ContextVar


class Usage:
    """Sums over a request. Work that goes on side by side counts for each, so they may exceed the request's time."""

    __slots__ = ("busy_s", "events", "transactions", "waited_s")

    def __init__(self) -> None:
        self.waited_s = 0.0
        """For a connection, or a turn to write."""
        self.busy_s = 0.0
        """Statements, and commits."""
        self.transactions = 0
        """A statement outside of one counts as one."""
        self.events = 0
        """Events that were read because they were not in memory."""


current_usage: ContextVar[Usage | None] = ContextVar("current_usage", default=None)
"""`None` outside of requests, and where nobody wants to know."""
