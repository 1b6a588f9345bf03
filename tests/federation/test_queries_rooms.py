"""Spaces, summaries, directories and aliases: told to other servers, and asked of them."""

from typing import Any

import orjson
import pytest

from ranvier.api.client.room_summary_json import summarised_room
from ranvier.federation.ask_directory import DirectoryAsking
from ranvier.federation.ask_spaces import SpaceAsking
from ranvier.federation.serve_hierarchy import ServedSpace
from ranvier.federation.told_rooms import told_space
from ranvier.http.response import encode_json
from ranvier.ports import SystemClock
from ranvier.proto.errors import MatrixError
from ranvier.rooms.hierarchy import Walk
from ranvier.rooms.remote_rooms import DirectorySearch
from tests.api.asgi import Client
from tests.api.homeserver import Homeserver
from tests.federation.asked import OTHER, OWN, REMOTE, Asked, refused
from tests.federation.elsewhere import Elsewhere, Question, refusal
from tests.rooms.remote_room import RemoteRoom

USER = f"@user:{OTHER}"


@pytest.fixture
def asked(homeserver: Homeserver) -> Asked:
    return Asked(homeserver)


@pytest.fixture
def elsewhere(asked: Asked) -> Elsewhere:
    """Other servers, which clients of `asked` hear of."""
    elsewhere = Elsewhere()
    spaces = SpaceAsking(client=elsewhere.client, clock=SystemClock(), server_name=OWN)
    asked.directory.hierarchy.remote = spaces
    asked.directory.summaries.remote = spaces
    names = DirectoryAsking(client=elsewhere.client)
    asked.directory.aliases.remote = names
    asked.directory.public_rooms.remote = names
    return elsewhere


async def space(client: Client, *children: str, via: str = OWN, **options: object) -> str:
    room_id = await client.create_room(
        **{"preset": "public_chat", "creation_content": {"type": "m.space"}, "room_version": "11", **options}
    )
    for number, child in enumerate(children):
        content = {"via": [via], "order": f"{number:03}", "suggested": number == 0}
        (await client.set_state(room_id, "m.space.child", content, child)).ok()
    return room_id


def ids(space: ServedSpace) -> list[str]:
    return [child.room_id for child in space.children]


class TestServing:
    async def test_a_space(self, asked: Asked, alice: Client) -> None:
        public = await alice.create_room(preset="public_chat")
        readable = await alice.create_room(
            preset="private_chat",
            initial_state=[
                {"type": "m.room.history_visibility", "content": {"history_visibility": "world_readable"}},
            ],
        )
        private = await alice.create_room(preset="private_chat")
        local = await alice.create_room(preset="public_chat", creation_content={"m.federate": False})
        unknown = "!unknown:elsewhere.test"
        room_id = await space(alice, public, private, unknown, readable, local)
        found = await asked.queries.hierarchy.space(OTHER, room_id, suggested_only=False)
        assert found.room.room_id == room_id
        assert [child.state_key for child in found.children_state] == [public, private, unknown, readable, local]
        assert ids(found) == [public, readable]
        assert found.inaccessible == [private, local]
        found = await asked.queries.hierarchy.space(OTHER, room_id, suggested_only=True)
        assert [child.state_key for child in found.children_state] == [public]
        assert ids(found) == [public]

    async def test_rooms_that_the_server_could_not_get_into(self, asked: Asked, alice: Client) -> None:
        serve = asked.queries.hierarchy.space
        private = await alice.create_room(preset="private_chat")
        await refused(serve(OTHER, private, suggested_only=False), 404, "M_NOT_FOUND")
        await refused(serve(OTHER, "!unknown:ranvier.test", suggested_only=False), 404, "M_NOT_FOUND")
        acl = {"type": "m.room.server_acl", "content": {"allow": ["*"], "deny": [OTHER]}}
        closed = await alice.create_room(preset="public_chat", initial_state=[acl])
        await refused(serve(OTHER, closed, suggested_only=False), 404, "M_NOT_FOUND")
        assert ids(await serve(REMOTE, await space(alice, closed), suggested_only=False)) == [closed]
        found = await serve(OTHER, await space(alice, closed), suggested_only=False)
        assert (ids(found), found.inaccessible) == ([], [closed])

    async def test_a_room_that_is_no_space(self, asked: Asked, alice: Client) -> None:
        room_id = await alice.create_room(preset="public_chat")
        (await alice.set_state(room_id, "m.space.child", {"via": [OWN]}, "!x:y.test")).ok()
        found = await asked.queries.hierarchy.space(OTHER, room_id, suggested_only=False)
        assert (found.children_state, found.children, found.inaccessible) == ([], [], [])

    async def test_rooms_of_members_and_invited(self, asked: Asked, alice: Client) -> None:
        room = RemoteRoom(public=False)
        room.tell("m.room.member", {"membership": "invite"}, state_key=alice.user_id)
        await room.let_in(asked.server, alice.user_id)
        serve = asked.queries.hierarchy.space
        assert (await serve(REMOTE, room.room_id, suggested_only=False)).room.room_id == room.room_id
        await refused(serve(OTHER, room.room_id, suggested_only=False), 404, "M_NOT_FOUND")
        await asked.accept(room, room.tell("m.room.member", {"membership": "invite"}, state_key=USER))
        assert (await serve(OTHER, room.room_id, suggested_only=False)).room.room_id == room.room_id

    async def test_restricted_rooms(self, asked: Asked, alice: Client) -> None:
        room = RemoteRoom()
        await room.let_in(asked.server, alice.user_id)
        allow = [{"type": "m.room_membership", "room_id": room.room_id}]
        rules = {"type": "m.room.join_rules", "content": {"join_rule": "restricted", "allow": allow}}
        inner = await alice.create_room(preset="private_chat", initial_state=[rules], room_version="11")
        serve = asked.queries.hierarchy.space
        assert (await serve(REMOTE, inner, suggested_only=False)).room.allowed == (room.room_id,)
        await refused(serve(OTHER, inner, suggested_only=False), 404, "M_NOT_FOUND")

    async def test_servers_of_an_alias(self, asked: Asked, alice: Client) -> None:
        room = RemoteRoom()
        room.join(USER)
        await room.let_in(asked.server, alice.user_id)
        (await alice.put("/directory/room/%23den%3Aranvier.test", {"room_id": room.room_id})).ok()
        found = await asked.directory.aliases.resolve("#den:ranvier.test")
        assert found == (room.room_id, [OWN, OTHER, REMOTE])

    async def test_published_rooms(self, asked: Asked, alice: Client) -> None:
        shown = await alice.create_room(preset="public_chat", visibility="public")
        await alice.create_room(preset="public_chat", visibility="public", creation_content={"m.federate": False})
        page = await asked.directory.public_rooms.page(DirectorySearch(), federated_only=True)
        assert [room.room_id for room in page.rooms] == [shown]
        assert len((await asked.directory.public_rooms.page(DirectorySearch())).rooms) == 2


def told(room_id: str, *children: str, **more: Any) -> dict[str, Any]:
    """A room as another server tells of it."""
    state = [
        {"type": "m.space.child", "state_key": child, "sender": "@a:b", "origin_server_ts": number,
         "content": {"via": [REMOTE]}}
        for number, child in enumerate(children)
    ]  # fmt: skip
    kind = {"room_type": "m.space", "children_state": state} if children else {}
    return {"room_id": room_id, "join_rule": "public", "num_joined_members": 2, **kind, **more}


def knows(elsewhere: Elsewhere, *rooms: dict[str, Any], server: str = REMOTE) -> None:
    """The server knows these rooms, and tells of their children that are among them."""
    by_id = {room["room_id"]: room for room in rooms}

    async def answer(question: Question) -> Any:
        kind, room_id = question.segments
        if kind != "hierarchy" or room_id not in by_id:
            raise refusal(404, "M_NOT_FOUND")
        room = by_id[room_id]
        inside = [child["state_key"] for child in room.get("children_state", [])]
        children = [
            {k: v for k, v in by_id[child].items() if k != "children_state"} for child in inside if child in by_id
        ]
        return {"room": {"children_state": [], **room}, "children": children, "inaccessible_children": ["!no:x.test"]}

    elsewhere.servers[server] = answer


async def tree(asked: Asked, client: Client, room_id: str, **more: Any) -> list[str]:
    rooms, _ = await asked.directory.hierarchy.page(
        client.user_id, Walk(room_id=room_id, **more), limit=None, since=None
    )
    return [room.summary.room_id for room in rooms]


class TestAsking:
    async def test_a_space_with_rooms_elsewhere(self, asked: Asked, elsewhere: Elsewhere, alice: Client) -> None:
        own = await alice.create_room(preset="public_chat")
        knows(elsewhere, told("!a:x.test"), told("!b:x.test", "!c:x.test", "!no:x.test", own), told("!c:x.test"))
        root = await space(alice, "!a:x.test", "!b:x.test", "!missing:x.test", via=REMOTE)
        assert await tree(asked, alice, root) == [root, "!a:x.test", "!b:x.test", "!c:x.test", own]
        asks = [question.segments[1] for question in elsewhere.asked]
        assert sorted(asks) == ["!a:x.test", "!b:x.test", "!missing:x.test"]
        assert await tree(asked, alice, root) == [root, "!a:x.test", "!b:x.test", "!c:x.test", own]
        assert len(elsewhere.asked) == 3
        assert await tree(asked, alice, root, max_depth=1) == [root, "!a:x.test", "!b:x.test"]

    async def test_only_what_the_user_may_know_of(self, asked: Asked, elsewhere: Elsewhere, alice: Client) -> None:
        mine = await alice.create_room()
        knows(
            elsewhere,
            told("!open:x.test"),
            told("!closed:x.test", join_rule="invite"),
            told("!readable:x.test", join_rule="invite", world_readable=True),
            told("!mine:x.test", join_rule="restricted", allowed_room_ids=[mine]),
            told("!theirs:x.test", join_rule="restricted", allowed_room_ids=["!other:x.test"]),
            told("!knock:x.test", join_rule="knock"),
        )
        names = ["open", "closed", "readable", "mine", "theirs", "knock"]
        root = await space(alice, *(f"!{name}:x.test" for name in names), via=REMOTE)
        found = await tree(asked, alice, root)
        assert found[1:] == [f"!{name}:x.test" for name in ("open", "readable", "mine", "knock")]

    async def test_an_invitation_lets_one_know(self, asked: Asked, elsewhere: Elsewhere, alice: Client) -> None:
        room = RemoteRoom(public=False)
        invite = room.tell("m.room.member", {"membership": "invite"}, state_key=alice.user_id)
        await asked.server.server.rooms.outside_memberships.save(invite, room.version, state=[])
        knows(elsewhere, told(room.room_id, join_rule="invite"))
        summary, membership = await asked.directory.summaries.summarise(room.room_id, alice.user_id, via=[REMOTE])
        assert (summary.room_id, membership) == (room.room_id, "invite")

    async def test_a_root_elsewhere(self, asked: Asked, elsewhere: Elsewhere, alice: Client) -> None:
        knows(elsewhere, told("!a:x.test", "!b:x.test"), told("!b:x.test"), server="x.test")
        assert await tree(asked, alice, "!a:x.test") == ["!a:x.test", "!b:x.test"]
        page, since = await asked.directory.hierarchy.page(
            alice.user_id, Walk(room_id="!a:x.test"), limit=1, since=None
        )
        assert [room.summary.room_id for room in page] == ["!a:x.test"]
        page, since = await asked.directory.hierarchy.page(
            alice.user_id, Walk(room_id="!a:x.test"), limit=1, since=since
        )
        assert ([room.summary.room_id for room in page], since) == (["!b:x.test"], None)
        await refused(tree(asked, alice, "!c:x.test"), 403, "M_FORBIDDEN")

    async def test_circles_end(self, asked: Asked, elsewhere: Elsewhere, alice: Client) -> None:
        knows(elsewhere, told("!a:x.test", "!b:x.test"), told("!b:x.test", "!a:x.test"))
        root = await space(alice, "!a:x.test", via=REMOTE)
        assert await tree(asked, alice, root) == [root, "!a:x.test", "!b:x.test"]

    async def test_servers_that_are_down_are_left_out(self, asked: Asked, elsewhere: Elsewhere, alice: Client) -> None:
        root = await space(alice, *(f"!{number}:x.test" for number in range(70)), via=REMOTE)
        assert await tree(asked, alice, root) == [root]
        assert len(elsewhere.asked) == 50

    async def test_what_we_know_ourselves_is_not_asked_for(
        self, asked: Asked, elsewhere: Elsewhere, alice: Client
    ) -> None:
        own = await alice.create_room(preset="public_chat", name="own")
        knows(elsewhere, told(own, name="theirs"))
        root = await space(alice, own, via=REMOTE)
        assert await tree(asked, alice, root) == [root, own]
        assert elsewhere.asked == []

    async def test_summaries(self, asked: Asked, elsewhere: Elsewhere, alice: Client) -> None:
        knows(elsewhere, told("!a:x.test", name="A"), told("!b:x.test", join_rule="invite"))
        summarise = asked.directory.summaries.summarise
        summary, membership = await summarise("!a:x.test", alice.user_id, via=[REMOTE])
        assert (summary.name, summary.joined_members, membership) == ("A", 2, "leave")
        await refused(summarise("!b:x.test", alice.user_id, via=[REMOTE]), 404, "M_NOT_FOUND")
        await refused(summarise("!none:x.test", alice.user_id), 404, "M_NOT_FOUND")
        # Whoever knows better whom to ask is not told what others were told.
        await refused(summarise("!a:y.test", alice.user_id), 404, "M_NOT_FOUND")
        knows(elsewhere, told("!a:y.test"))
        assert (await summarise("!a:y.test", alice.user_id, via=[REMOTE]))[0].room_id == "!a:y.test"
        # Strangers do not make us ask others.
        await refused(summarise("!a:x.test", None, via=[REMOTE]), 404, "M_NOT_FOUND")

    async def test_aliases_and_directories(self, asked: Asked, elsewhere: Elsewhere) -> None:
        elsewhere.answers(REMOTE, {"room_id": "!a:x.test", "servers": ["x.test"]})
        assert await asked.directory.aliases.resolve(f"#a:{REMOTE}") == ("!a:x.test", ["x.test"])
        elsewhere.answers(REMOTE, {"chunk": [told("!a:x.test")]})
        page = await asked.directory.public_rooms.page_of(REMOTE, DirectorySearch())
        assert [room.room_id for room in page.rooms] == ["!a:x.test"]


async def test_a_served_space_is_understood(asked: Asked, elsewhere: Elsewhere, alice: Client) -> None:
    """Our own answer, as another server of this kind reads it."""
    inner = await alice.create_room(preset="public_chat", name="Inner", topic="t")
    root = await space(alice, inner, name="Root")
    found = await asked.queries.hierarchy.space(OTHER, root, suggested_only=False)
    answer = {
        "room": orjson.loads(encode_json(summarised_room(found.room, children=found.children_state))),
        "children": [orjson.loads(encode_json(summarised_room(child))) for child in found.children],
        "inaccessible_children": found.inaccessible,
    }
    read = told_space(answer, root)
    assert read is not None
    assert (read.room.name, read.room.room_version, read.room.room_type) == ("Root", "11", "m.space")
    assert (read.children[inner].name, read.children[inner].topic) == ("Inner", "t")
    assert [child.state_key for child in read.children_state] == [inner]


class TestRoomsThatWeHaveLeft:
    """What we know of them is what was true then."""

    @pytest.fixture
    async def left(self, asked: Asked, alice: Client) -> RemoteRoom:
        """A public room that alice has been in, and others still are."""
        room = RemoteRoom(version="11")
        room.join(USER)
        await room.let_in(asked.server, alice.user_id)

        async with asked.server.db.write() as tx:
            await tx.run("UPDATE rooms SET is_public = 1 WHERE room_id = $1", room.room_id)
        page = await asked.directory.public_rooms.page(DirectorySearch())
        assert [entry.room_id for entry in page.rooms] == [room.room_id]
        (await alice.act(room.room_id, "leave")).ok()
        return room

    async def test_are_in_no_list(self, asked: Asked, left: RemoteRoom) -> None:
        for federated_only in (False, True):
            page = await asked.directory.public_rooms.page(DirectorySearch(), federated_only=federated_only)
            assert page.rooms == []

    async def test_are_not_described_to_others(self, asked: Asked, alice: Client, left: RemoteRoom) -> None:
        await refused(asked.queries.hierarchy.space(OTHER, left.room_id, suggested_only=False), 404, "M_NOT_FOUND")
        parent = await space(alice, left.room_id)
        served = await asked.queries.hierarchy.space(OTHER, parent, suggested_only=False)
        assert (ids(served), served.inaccessible) == ([], [])

    async def test_let_nobody_in_elsewhere(self, asked: Asked, alice: Client, left: RemoteRoom) -> None:
        allow = [{"type": "m.room_membership", "room_id": left.room_id}]
        rule = {"type": "m.room.join_rules", "content": {"join_rule": "restricted", "allow": allow}}
        room_id = await alice.create_room(preset="private_chat", room_version="11", initial_state=[rule])
        await refused(asked.queries.hierarchy.space(OTHER, room_id, suggested_only=False), 404, "M_NOT_FOUND")

    async def test_are_asked_about_elsewhere(
        self, asked: Asked, elsewhere: Elsewhere, alice: Client, left: RemoteRoom
    ) -> None:
        summaries = asked.directory.summaries
        with pytest.raises(MatrixError) as nobody:
            await summaries.summarise(left.room_id, alice.user_id)
        assert (nobody.value.status, nobody.value.errcode) == (404, "M_NOT_FOUND")
        now = {"room_id": left.room_id, "name": "New", "join_rule": "public", "num_joined_members": 7}
        room = {**now, "guest_can_join": False, "world_readable": False, "children_state": []}
        told = {"room": room, "children": [], "inaccessible_children": []}
        elsewhere.answers(REMOTE, told)
        other = await asked.server.register("other")
        asked.directory.summaries.remote = asked.directory.hierarchy.remote = SpaceAsking(
            client=elsewhere.client, clock=SystemClock(), server_name=OWN
        )
        found, _ = await summaries.summarise(left.room_id, other.user_id)
        assert (found.name, found.joined_members) == ("New", 7)
        parent = await space(alice, left.room_id, via=REMOTE)
        rooms, _ = await asked.directory.hierarchy.page(alice.user_id, Walk(room_id=parent), limit=None, since=None)
        assert [entry.summary.name for entry in rooms] == [None, "New"]

    async def test_but_those_in_which_nobody_is_are_still_ours(self, asked: Asked, alice: Client) -> None:
        room_id = await alice.create_room(preset="public_chat", name="Empty")
        (await alice.act(room_id, "leave")).ok()
        found, _ = await asked.directory.summaries.summarise(room_id, alice.user_id)
        assert found.name == "Empty"
