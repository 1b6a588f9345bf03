"""What the story of `conversation` asks of a Matrix client, whichever it is."""

from typing import Protocol


class Client(Protocol):
    """An unmodified client under a thin cover. Everything raises if the server refuses, or makes it wait too long."""

    user_id: str
    """Known once registered or logged in."""

    async def register(self, user: str, password: str) -> None:
        """Make an account, through the stages that the server asks for, and be logged in."""
        ...

    async def log_in(self, user: str, password: str) -> None:
        """Be logged in on a new device, with an empty memory."""
        ...

    async def start(self) -> None:
        """Sync for the first time, with timelines of a few events; from now on this client keeps up."""
        ...

    async def create_room(self, name: str) -> str:
        """Make a private room; its ID."""
        ...

    async def invite(self, room_id: str, user_id: str) -> None:
        """Invite somebody."""
        ...

    async def wait_for_invite(self, room_id: str) -> str:
        """Wait until this user is invited; who invited."""
        ...

    async def join(self, room_id: str) -> None:
        """Join, and wait until the sync knows."""
        ...

    async def room_name(self, room_id: str) -> str | None:
        """The name of the room as this client knows it from its sync."""
        ...

    async def wait_for_membership(self, room_id: str, user_id: str, membership: str) -> None:
        """Wait until the sync has said so."""
        ...

    async def send(self, room_id: str, body: str) -> str:
        """Send a text; the event's ID."""
        ...

    async def wait_for_message(self, room_id: str, body: str) -> tuple[str, str]:
        """Wait until the sync brings a text; its sender and event ID."""
        ...

    async def bodies(self, room_id: str) -> list[str]:
        """Page back to the beginning of the room, from what the sync gave; every text, oldest first."""
        ...

    async def redact(self, room_id: str, event_id: str, reason: str) -> None:
        """Take an event back."""
        ...

    async def wait_for_redaction(self, room_id: str, event_id: str) -> None:
        """Wait until the sync says that an event was redacted."""
        ...

    async def leave(self, room_id: str) -> None:
        """Leave a room."""
        ...

    async def log_out(self) -> None:
        """End this session on the server, and the syncing."""
        ...

    async def error_after_logout(self) -> str:
        """Ask with the access token that was logged out; the server's errcode."""
        ...

    async def close(self) -> None:
        """Let go of connections and processes, whatever state they are in."""
        ...
