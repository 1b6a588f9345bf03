"""A client of a homeserver in the same process: calls its application, without sockets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from tests.api.answers import App


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def errcode(self) -> str:
        """The error code, for answers that are errors."""
        code: str = self.json["errcode"]
        return code

    def ok(self) -> Any:
        """The JSON of an answer that must be 200."""
        assert self.status == 200, self.body
        return self.json

    def refused(self, status: int, errcode: str) -> Any:
        """The JSON of an answer that must be this error."""
        assert (self.status, self.json.get("errcode")) == (status, errcode), (self.status, self.body)
        return self.json


class Client:
    """One user's client, or a stranger's."""

    def __init__(self, app: App, *, token: str | None = None, user_id: str = "") -> None:
        self._app = app
        self.token = token
        self.user_id = user_id
        self._transactions = 0

    def at(self, app: App) -> "Client":
        """The same client talking to another process of its server."""
        other = Client(app, token=self.token, user_id=self.user_id)
        other._transactions = self._transactions
        return other

    async def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str | list[str]] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        """One request; `path` is percent-encoded already, and may hold a query string."""
        if query and "?" not in path:
            path += "?" + urlencode(query, doseq=True)
        content = raw if raw is not None else b"" if body is None else orjson.dumps(body)
        headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
        headers.append((b"content-length", str(len(content)).encode()))
        if self.token is not None:
            headers.append((b"authorization", f"Bearer {self.token}".encode()))
        status, answered, answer = await self._app.handle(method, path, headers, content)
        return Answer(status, {name.decode(): value.decode() for name, value in answered}, answer)

    async def get(self, path: str, **query: str | list[str]) -> Answer:
        """GET under `/_matrix/client/v3`."""
        return await self.request("GET", "/_matrix/client/v3" + path, query=query)

    async def put(self, path: str, body: object) -> Answer:
        """PUT under `/_matrix/client/v3`."""
        return await self.request("PUT", "/_matrix/client/v3" + path, body)

    async def post(self, path: str, body: object = None) -> Answer:
        """POST under `/_matrix/client/v3`."""
        return await self.request("POST", "/_matrix/client/v3" + path, {} if body is None else body)

    # What most tests do all the time.

    async def create_room(self, **options: object) -> str:
        """The id of a new room."""
        room_id: str = (await self.post("/createRoom", options)).ok()["room_id"]
        return room_id

    async def send(self, room_id: str, type: str, content: object, *, txn_id: str | None = None) -> Answer:
        """Send an event."""
        self._transactions += 1
        txn = txn_id or f"t{self._transactions}"
        return await self.put(f"{in_room(room_id)}/send/{part(type)}/{part(txn)}", content)

    async def say(self, room_id: str, text: str) -> str:
        """The id of a new text message."""
        answer = await self.send(room_id, "m.room.message", {"msgtype": "m.text", "body": text})
        event_id: str = answer.ok()["event_id"]
        return event_id

    async def redact(self, room_id: str, event_id: str, **body: str) -> Answer:
        """Redact an event."""
        self._transactions += 1
        return await self.put(f"{in_room(room_id)}/redact/{part(event_id)}/r{self._transactions}", body)

    async def set_state(self, room_id: str, type: str, content: object, state_key: str = "") -> Answer:
        """Set a state entry."""
        return await self.put(f"{in_room(room_id)}/state/{part(type)}/{part(state_key)}", content)

    async def state(self, room_id: str, type: str, state_key: str = "", **query: str) -> Answer:
        """Read a state entry."""
        return await self.get(f"{in_room(room_id)}/state/{part(type)}/{part(state_key)}", **query)

    async def act(self, room_id: str, act: str, **body: str) -> Answer:
        """`join`, `leave`, `invite`, `kick`, `ban`, `unban` or `forget`."""
        return await self.post(f"{in_room(room_id)}/{act}", body)


def part(text: str) -> str:
    """One segment of a path."""
    return quote(text, safe="")


def in_room(room_id: str) -> str:
    """The path of a room."""
    return f"/rooms/{part(room_id)}"
