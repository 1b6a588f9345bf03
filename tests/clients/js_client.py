"""matrix-js-sdk, in a Node process of its own, as a `Client`. The other side of the pipe is `js/driver.mjs`."""

import asyncio
import contextlib
import json
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "js"
_WAIT_S = 45
"""Longer than the driver waits, so that it is the driver that says what did not happen."""


class JsClient:
    """One person with matrix-js-sdk."""

    def __init__(self, process: Process, log: Path) -> None:
        """Use `open_js_client`."""
        self._process = process
        self._log = log
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._asked = 0
        self._reader = asyncio.create_task(self._read())
        self.user_id = ""

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            answer = json.loads(line)
            waiting = self._answers.pop(answer["id"])
            if "error" in answer:
                waiting.set_exception(AssertionError(f"{answer['error']}\n(the SDK's log: {self._log})"))
            else:
                waiting.set_result(answer["result"])
        for waiting in self._answers.values():
            waiting.set_exception(AssertionError(f"Node ended:\n{self._log.read_text()}"))

    async def _do(self, act: str, **args: str) -> Any:
        assert self._process.stdin is not None
        self._asked += 1
        number = self._asked
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        self._process.stdin.write(json.dumps({"id": number, "act": act, "args": args}).encode() + b"\n")
        async with asyncio.timeout(_WAIT_S):
            return await answer

    async def register(self, user: str, password: str) -> None:
        """See `Client`."""
        self.user_id = await self._do("register", user=user, password=password)

    async def log_in(self, user: str, password: str) -> None:
        """See `Client`."""
        self.user_id = await self._do("logIn", user=user, password=password)

    async def start(self) -> None:
        """See `Client`."""
        await self._do("start")

    async def create_room(self, name: str) -> str:
        """See `Client`."""
        return str(await self._do("createRoom", name=name))

    async def invite(self, room_id: str, user_id: str) -> None:
        """See `Client`."""
        await self._do("invite", roomId=room_id, userId=user_id)

    async def wait_for_invite(self, room_id: str) -> str:
        """See `Client`."""
        return str(await self._do("waitForInvite", roomId=room_id))

    async def join(self, room_id: str) -> None:
        """See `Client`."""
        await self._do("join", roomId=room_id)

    async def room_name(self, room_id: str) -> str | None:
        """See `Client`."""
        name: str | None = await self._do("roomName", roomId=room_id)
        return name

    async def wait_for_membership(self, room_id: str, user_id: str, membership: str) -> None:
        """See `Client`."""
        await self._do("waitForMembership", roomId=room_id, userId=user_id, membership=membership)

    async def send(self, room_id: str, body: str) -> str:
        """See `Client`."""
        return str(await self._do("send", roomId=room_id, body=body))

    async def wait_for_message(self, room_id: str, body: str) -> tuple[str, str]:
        """See `Client`."""
        sender, event_id = await self._do("waitForMessage", roomId=room_id, body=body)
        return sender, event_id

    async def bodies(self, room_id: str) -> list[str]:
        """See `Client`."""
        bodies: list[str] = await self._do("bodies", roomId=room_id)
        return bodies

    async def redact(self, room_id: str, event_id: str, reason: str) -> None:
        """See `Client`."""
        await self._do("redact", roomId=room_id, eventId=event_id, reason=reason)

    async def wait_for_redaction(self, room_id: str, event_id: str) -> None:
        """See `Client`."""
        await self._do("waitForRedaction", roomId=room_id, eventId=event_id)

    async def leave(self, room_id: str) -> None:
        """See `Client`."""
        await self._do("leave", roomId=room_id)

    async def log_out(self) -> None:
        """See `Client`."""
        await self._do("logOut")

    async def error_after_logout(self) -> str:
        """See `Client`."""
        return str(await self._do("errorAfterLogout"))

    async def close(self) -> None:
        """See `Client`."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._reader
        # asyncio closes the pipe itself only in its next turns.
        assert self._process.stdin is not None
        self._process.stdin.close()
        with contextlib.suppress(ConnectionError):
            await self._process.stdin.wait_closed()


async def open_js_client(node: Path, url: str, log: Path) -> JsClient:
    """Start a Node process with a client of the server at `url`."""
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            str(node), "driver.mjs", url, cwd=_FOLDER, stdin=PIPE, stdout=PIPE, stderr=errors
        )
    return JsClient(process, log)
