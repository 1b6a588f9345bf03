"""One real server, and any number of scripted ones, in virtual time.

@staged()
async def test_something(s: Stage) -> None:
    room = s.room()
    s.resident.hold("state", "state_ids")
    await s.join(room)
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import orjson

from ranvier.app.homeserver import Homeserver
from ranvier.proto.events import Event
from ranvier.proto.ids import domain_of
from ranvier.rooms.partial_rooms import PartialRoom
from tests.api.asgi import Answer, Client, in_room
from tests.faster_joins.resident import Resident
from tests.faster_joins.room import ScriptedRoom
from tests.plays.virtual_loop import run_virtually
from tests.plays.world import World, difference, world

OURS: Final = "ours.test"
RESIDENT: Final = "resident.test"
CHARLIE: Final = f"@charlie:{RESIDENT}"
DEREK: Final = f"@derek:{RESIDENT}"
ELSIE: Final = "@elsie:elsewhere.test"
LAZY: Final = {"room": {"state": {"lazy_load_members": True}, "timeline": {"limit": 20}}}

Act = Callable[["Stage"], Awaitable[None]]
Sync = dict[str, Any]


class Stage:
    """Everything that plays along."""

    def __init__(self, w: World) -> None:
        self.world = w
        self.residents: dict[str, Resident] = {}
        self._rooms: dict[str, ScriptedRoom] = {}
        self.alice: Client

    @property
    def ours(self) -> Homeserver:
        """The server under test."""
        return self.world.servers[OURS]

    @property
    def resident(self) -> Resident:
        """The server of charlie and derek."""
        return self.server(RESIDENT)

    def server(self, name: str) -> Resident:
        """A scripted server; a new one if there is none of that name."""
        if name not in self.residents:
            found = self.residents[name] = Resident(name, self.world.network.transport(name), OURS, self._rooms)
            self.world.network.apps[name] = found
            self.world.network.unruly.add(name)
        return self.residents[name]

    def room(
        self, version: str = "11", *, members: Sequence[str] = (DEREK,), creator: str = CHARLIE, **how: Any
    ) -> ScriptedRoom:
        """A room of charlie with these others in it."""
        room = ScriptedRoom(creator, version=version, number=len(self._rooms), **how)
        self._rooms[room.room_id] = room
        for user_id in (creator, *members):
            self.server(domain_of(user_id))
            if user_id != creator:
                room.member(user_id, "join")
        return room

    # What happens.

    async def user(self, name: str) -> Client:
        """Another user of our server."""
        return await self.world.user(name, OURS)

    async def join(self, room: ScriptedRoom, client: Client | None = None, *via: str) -> None:
        """Somebody of us joins, alice if nobody is named."""
        (await self.try_join(room, client, *via)).ok()

    async def try_join(self, room: ScriptedRoom, client: Client | None = None, *via: str) -> Answer:
        """The same; the answer."""
        servers = "&".join(f"via={server}" for server in via or (RESIDENT,))
        return await (client or self.alice).post(f"/join/{quote(room.room_id)}?{servers}")

    async def join_partially(self, room: ScriptedRoom, client: Client | None = None, *via: str) -> Event:
        """The same, with the states held back at every server; the join."""
        for resident in self.residents.values():
            resident.hold()
        await self.join(room, client, *via)
        partial = await self.partial(room)
        assert partial is not None
        return room.events[partial.join_event_id]

    async def tell(self, *events: Event) -> None:
        """Each event is sent by the server of its sender; some time passes, in which our server can look for what it needs."""
        for event in events:
            await self.server(domain_of(event.sender)).send(event)
        await self.pause()

    def release(self) -> None:
        """Every server tells states again."""
        for resident in self.residents.values():
            resident.release()

    async def restart(self, *, crash: bool = True) -> None:
        """Our server ends, and starts again from its disk."""
        if crash:
            await self.world.crash(OURS)
        else:
            self.world.network.apps.pop(OURS)
            await self.world.servers.pop(OURS).close()
        await self.world.start(OURS)
        self.alice = self.world.clients[self.alice.user_id]

    async def pause(self, seconds: float = 5.0) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    # What comes of it.

    async def partial(self, room: ScriptedRoom) -> PartialRoom | None:
        """What our server has noted of the room while it is partial."""
        return (await self.ours.rooms.rooms.get(room.room_id)).partial

    async def until_full(self, room: ScriptedRoom, *, at_most_s: float = 3600.0) -> None:
        """Wait until the room is full."""
        partial = await self.partial(room)
        if partial is not None:
            await asyncio.wait_for(partial.ended.wait(), at_most_s)
        assert await self.partial(room) is None

    async def rows(self, table: str, column: str = "event_id") -> list[str]:
        """A column of a table of partial state."""
        return [row[0] for row in await self.ours.db.all(f"SELECT {column} FROM partial_state_{table} ORDER BY 1")]

    async def sync(
        self, client: Client | None = None, *, lazy: bool = False, wait_s: float = 0.0, **query: str
    ) -> Sync:
        """One sync."""
        asked = {"timeout": str(int(wait_s * 1000)), **query}
        if lazy:
            asked["filter"] = orjson.dumps(LAZY).decode()
        found: Sync = (await (client or self.alice).get("/sync", **asked)).ok()
        return found

    async def state_ids(self, room: ScriptedRoom) -> dict[tuple[str, str], str]:
        """The room's state as our server has it."""
        return await self.world.state(OURS, room.room_id)

    async def get(self, room: ScriptedRoom, what: str, client: Client | None = None, **query: str) -> Answer:
        """GET of something of a room."""
        return await (client or self.alice).get(f"{in_room(room.room_id)}/{what}", **query)

    async def shown(self, room: ScriptedRoom, client: Client | None = None) -> list[str]:
        """The ids of the newest events, as scrolling up shows them."""
        page = (await self.get(room, "messages", client, dir="b", limit="100")).ok()
        return [event["event_id"] for event in page["chunk"]]

    async def check_full(self, room: ScriptedRoom, state: Mapping[tuple[str, str], Event] | None = None) -> None:
        """Nothing is partial any more, and the state is the true one."""
        assert await self.partial(room) is None
        for table, column in (("rooms", "room_id"), ("events", "event_id"), ("rooms_servers", "server_name")):
            assert await self.rows(table, column) == []
        expected = {key: event.event_id for key, event in (state or room.state).items()}
        found = await self.state_ids(room)
        assert found == expected, difference(expected, found)
        await self.world.check_agreement(room.room_id, [OURS])

    async def check_joined(self, room: ScriptedRoom, *user_ids: str) -> None:
        """Exactly these are joined, as clients are told."""
        joined = (await self.get(room, "joined_members")).ok()["joined"]
        assert sorted(joined) == sorted(user_ids)


def staged(**options: Any) -> Callable[[Act], Callable[..., None]]:
    """A test that plays on a stage; `options` is of our server's configuration."""

    def decorate(act: Act) -> Callable[..., None]:
        def test(tmp_path: Path, template: Path) -> None:
            run_virtually(_play(act, options, tmp_path, template))

        test.__name__, test.__doc__, test.__module__ = act.__name__, act.__doc__, act.__module__
        assert list(inspect.signature(act).parameters) == ["s"]
        return test

    return decorate


async def _play(act: Act, options: dict[str, Any], folder: Path, template: Path) -> None:
    async with world(1, folder, template=template) as w:
        w.options |= options
        await play_in(w, act)


async def play_in(w: World, act: Act) -> None:
    """A play in a world that nobody is in yet."""
    await w.start(OURS)
    stage = Stage(w)
    stage.alice = await w.user("alice", OURS)
    try:
        await act(stage)
    finally:
        stage.release()
    assert not w.network.failures, w.network.failures[:3]
