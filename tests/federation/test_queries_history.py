"""What other servers get when they ask for past events."""

from typing import Any

import orjson
import pytest

from ranvier.federation.serve_history import Gap
from ranvier.store.events import REJECTED, SOFT_FAILED
from tests.api.asgi import Client
from tests.api.homeserver import Homeserver
from tests.federation.asked import OTHER, REMOTE, Asked, contents, event_ids, ids, message, refused
from tests.rooms.remote_room import RemoteRoom

VISITOR = f"@visitor:{OTHER}"


@pytest.fixture
def asked(homeserver: Homeserver) -> Asked:
    return Asked(homeserver)


@pytest.fixture
async def room(homeserver: Homeserver, alice: Client) -> RemoteRoom:
    """A room of another server that alice is in."""
    room = RemoteRoom()
    await room.let_in(homeserver, alice.user_id)
    return room


def gap(latest: list[str], earliest: list[str] | None = None, *, limit: int = 10, min_depth: int = 0) -> Gap:
    return Gap(latest=latest, earliest=earliest or [], limit=limit, min_depth=min_depth)


class TestBackfill:
    async def test_from_an_event_backwards(self, asked: Asked, room: RemoteRoom) -> None:
        says = [room.tell("m.room.message", message(str(number))) for number in range(10)]
        await asked.accept(room, *says)
        found = await asked.queries.history.backfill(REMOTE, room.room_id, [says[7].event_id], 5)
        assert ids(found, room) == event_ids([says[number] for number in (7, 6, 5, 4, 3)])
        assert [content["body"] for content in contents(found)] == ["7", "6", "5", "4", "3"]

    async def test_ends_where_ours_does(self, asked: Asked, room: RemoteRoom) -> None:
        says = room.tell("m.room.message", message("one"))
        await asked.accept(room, says)
        found = await asked.queries.history.backfill(REMOTE, room.room_id, [says.event_id], 100)
        # What was before alice's join is known, but not where it stands.
        assert ids(found, room) == [says.event_id, says.prev_events[0]]

    async def test_branches(self, asked: Asked, room: RemoteRoom) -> None:
        start = room.tip
        left = room.say("m.room.message", message("left"), prev=[start])
        right = room.say("m.room.message", message("right"), prev=[start])
        both = room.say("m.room.message", message("both"), prev=[left, right])
        await asked.accept(room, left, right, both)
        found = await asked.queries.history.backfill(REMOTE, room.room_id, [both.event_id], 10)
        assert ids(found, room)[0] == both.event_id
        assert set(ids(found, room)[1:3]) == {left.event_id, right.event_id}
        assert ids(found, room)[3] == start.event_id
        found = await asked.queries.history.backfill(REMOTE, room.room_id, [left.event_id, right.event_id], 2)
        assert set(ids(found, room)) == {left.event_id, right.event_id}

    async def test_limits(self, asked: Asked, room: RemoteRoom) -> None:
        says = [room.tell("m.room.message", message(str(number))) for number in range(120)]
        await asked.accept(room, *says)
        backfill = asked.queries.history.backfill
        assert len(await backfill(REMOTE, room.room_id, [says[-1].event_id], 10**12)) == 100
        assert await backfill(REMOTE, room.room_id, [says[-1].event_id], 0) == []
        assert await backfill(REMOTE, room.room_id, [says[-1].event_id], -1) == []
        assert await backfill(REMOTE, room.room_id, ["$unknown", "\0"], 10) == []

    async def test_costs_few_statements(self, asked: Asked, room: RemoteRoom) -> None:
        says = [room.tell("m.room.message", message(str(number))) for number in range(99)]
        await asked.accept(room, *says)
        services = asked.server.server.rooms
        backfill = asked.queries.history.backfill
        await backfill(REMOTE, room.room_id, [says[-1].event_id], 1)
        services.cache.clear()
        before = asked.server.db.counters.statements
        assert len(await backfill(REMOTE, room.room_id, [says[-1].event_id], 99)) == 99
        # The fixture counts the room's servers with one or two.
        assert asked.server.db.counters.statements - before <= 5

    async def test_events_of_other_rooms_are_unknown(self, asked: Asked, room: RemoteRoom, alice: Client) -> None:
        elsewhere = await alice.say(await alice.create_room(), "secret")
        assert await asked.queries.history.backfill(REMOTE, room.room_id, [elsewhere], 10) == []

    async def test_redacted_events_come_redacted(self, asked: Asked, room: RemoteRoom) -> None:
        bad = room.tell("m.room.message", message("bad"))
        redaction = room.say("m.room.redaction", {}, prev=[bad], redacts=bad.event_id)
        await asked.accept(room, bad, redaction)
        found = await asked.queries.history.backfill(REMOTE, room.room_id, [redaction.event_id], 2)
        assert contents(found) == [{"redacts": bad.event_id}, {}]

    async def test_rejected_events_are_left_out_and_soft_failed_ones_come_where_they_are_cited(
        self, asked: Asked, room: RemoteRoom
    ) -> None:
        start = room.tip
        villain = f"@villain:{REMOTE}"
        joined = room.join(villain)
        ban = room.say("m.room.member", {"membership": "ban"}, prev=[joined], state_key=villain)
        await asked.accept(room, joined, ban)
        evading = room.say("m.room.message", message("evading"), prev=[joined], sender=villain)
        forbidden = room.say("m.room.name", {"name": "x"}, prev=[evading], sender=villain, state_key="")
        citing = room.say("m.room.message", message("citing"), prev=[ban, forbidden], state=room.after[ban.event_id])
        stored = await asked.accept(room, evading, forbidden, citing)
        assert [entry and entry.status for entry in stored] == [SOFT_FAILED, REJECTED, 0]
        found = ids(await asked.queries.history.backfill(REMOTE, room.room_id, [citing.event_id], 10), room)
        assert forbidden.event_id not in found
        assert set(found) >= {citing.event_id, ban.event_id, evading.event_id, joined.event_id, start.event_id}
        found = ids(await asked.queries.history.backfill(REMOTE, room.room_id, [ban.event_id], 10), room)
        assert evading.event_id not in found


class TestWho:
    async def test_only_servers_in_the_room(self, asked: Asked, room: RemoteRoom) -> None:
        history = asked.queries.history
        tip = room.tip.event_id
        await refused(history.backfill(OTHER, room.room_id, [tip], 10), 403, "M_FORBIDDEN")
        await refused(history.missing_events(OTHER, room.room_id, gap([tip])), 403, "M_FORBIDDEN")
        await refused(history.event(OTHER, tip), 403, "M_FORBIDDEN")
        await refused(history.event_at(OTHER, room.room_id, 0, forwards=True), 403, "M_FORBIDDEN")

    async def test_unknown_rooms(self, asked: Asked) -> None:
        history = asked.queries.history
        await refused(history.backfill(REMOTE, "!unknown:remote.test", ["$x"], 10), 404, "M_NOT_FOUND")
        await refused(history.event(REMOTE, "$unknown"), 404, "M_NOT_FOUND")

    async def test_what_we_have_seen_is_told_after_we_have_left(
        self, asked: Asked, room: RemoteRoom, alice: Client
    ) -> None:
        """Those who stay may have come later, and have nobody else to ask. Who was not there is told nothing."""
        history, state = asked.queries.history, asked.queries.state
        tip = room.tip.event_id
        left = room.say(
            "m.room.member", {"membership": "leave"}, prev=[room.tip], sender=alice.user_id, state_key=alice.user_id
        )
        await asked.accept(room, left)
        assert ids(await history.backfill(REMOTE, room.room_id, [left.event_id], 10), room)[:2] == [left.event_id, tip]
        assert tip in ids(await history.missing_events(REMOTE, room.room_id, gap([left.event_id])), room)
        assert orjson.loads(await history.event(REMOTE, tip))["type"] == room.tip.type
        assert orjson.loads(await state.state_ids(REMOTE, room.room_id, left.event_id))["pdu_ids"]
        await refused(history.event_at(REMOTE, room.room_id, 0, forwards=True), 404, "M_NOT_FOUND")
        await refused(history.backfill(OTHER, room.room_id, [left.event_id], 10), 403, "M_FORBIDDEN")
        await refused(state.state_ids(OTHER, room.room_id, left.event_id), 403, "M_FORBIDDEN")

    async def test_not_servers_that_are_kept_out(self, asked: Asked, room: RemoteRoom) -> None:
        acl = {"allow": ["*"], "deny": ["remote.test"]}
        listed = room.tell("m.room.server_acl", acl, state_key="")
        await asked.accept(room, listed)
        history = asked.queries.history
        await refused(history.backfill(REMOTE, room.room_id, [listed.event_id], 10), 403, "M_FORBIDDEN")
        await refused(history.missing_events(REMOTE, room.room_id, gap([listed.event_id])), 403, "M_FORBIDDEN")
        await refused(history.event(REMOTE, listed.event_id), 403, "M_FORBIDDEN")


async def with_history(asked: Asked, room: RemoteRoom, visibility: str) -> None:
    """A secret, then an invitation for the visitor, something for the invited, their join, and something for all."""
    await asked.accept(
        room,
        room.tell("m.room.history_visibility", {"history_visibility": visibility}, state_key=""),
        room.tell("m.room.topic", {"topic": "old"}, state_key=""),
        room.tell("m.room.message", message("secret")),
        room.tell("m.room.member", {"membership": "invite"}, state_key=VISITOR),
        room.tell("m.room.message", message("for the invited")),
        room.join(VISITOR),
        room.tell("m.room.message", message("for all")),
        room.tell("m.room.topic", {"topic": "new"}, state_key=""),
    )


def bodies(pdus: list[bytes]) -> list[str]:
    """Of the messages, the oldest first; nothing where the content is missing."""
    return [content.get("body", "") for content in reversed(contents(pdus)) if not content or "body" in content]


class TestVisibility:
    @pytest.mark.parametrize(("visibility", "seen"), [
        ("world_readable", ["secret", "for the invited", "for all"]),
        ("shared", ["secret", "for the invited", "for all"]),
        ("invited", ["", "", "for the invited", "for all"]),
        ("joined", ["", "", "", "for all"]),
    ])  # fmt: skip
    async def test_what_no_user_of_the_server_may_see_has_no_content(
        self, asked: Asked, room: RemoteRoom, visibility: str, seen: list[str]
    ) -> None:
        await with_history(asked, room, visibility)
        history, tip = asked.queries.history, room.tip.event_id
        hidden = await history.backfill(OTHER, room.room_id, [tip], 8)
        assert ids(hidden, room)[0] == tip
        assert bodies(hidden) == seen
        everything = ["secret", "for the invited", "for all"]
        assert bodies(await history.backfill(REMOTE, room.room_id, [tip], 8)) == everything
        missing = await history.missing_events(OTHER, room.room_id, gap([tip], limit=7))
        assert [content.get("body", "") for content in contents(missing) if not content or "body" in content] == seen
        assert sorted(ids(missing, room)) == sorted(ids(hidden, room)[1:])

    async def test_single_events(self, asked: Asked, room: RemoteRoom) -> None:
        await with_history(asked, room, "joined")
        by_content = {str(event.content): event.event_id for event in room.events.values()}
        history = asked.queries.history

        async def content(of: dict[str, str]) -> dict[str, Any]:
            return contents([await history.event(OTHER, by_content[str(of)])])[0]

        assert await content(message("secret")) == {}
        assert await content({"topic": "old"}) == {}
        assert await content(message("for all")) == message("for all")
        # What whoever joins is told.
        assert await content({"topic": "new"}) == {"topic": "new"}
        assert await content({"join_rule": "public"}) == {"join_rule": "public"}

    async def test_events_in_time(self, asked: Asked, room: RemoteRoom) -> None:
        await with_history(asked, room, "joined")
        secret = next(event for event in room.events.values() if event.content.get("body") == "secret")
        history = asked.queries.history
        found = await history.event_at(REMOTE, room.room_id, secret.origin_server_ts, forwards=True)
        assert found.event.event_id == secret.event_id
        found = await history.event_at(OTHER, room.room_id, secret.origin_server_ts, forwards=True)
        assert found.event.origin_server_ts > secret.origin_server_ts
        assert found.event.key == ("m.room.member", VISITOR)
        await refused(history.event_at(OTHER, room.room_id, 0, forwards=False), 404, "M_NOT_FOUND")

    async def test_a_server_that_comes_later_is_seen_at_once(self, asked: Asked, room: RemoteRoom) -> None:
        await with_history(asked, room, "joined")
        await asked.queries.history.backfill(OTHER, room.room_id, [room.tip.event_id], 20)
        late = "late.test"
        await refused(asked.queries.history.backfill(late, room.room_id, [room.tip.event_id], 9), 403, "M_FORBIDDEN")
        await asked.accept(room, room.join(f"@x:{late}"), room.tell("m.room.message", message("welcome")))
        found = await asked.queries.history.backfill(late, room.room_id, [room.tip.event_id], 10)
        assert bodies(found)[-1] == "welcome"
        assert "for all" not in bodies(found)


class TestMissingEvents:
    async def test_between(self, asked: Asked, room: RemoteRoom) -> None:
        says = [room.tell("m.room.message", message(str(number))) for number in range(10)]
        await asked.accept(room, *says)
        wanted = gap([says[8].event_id], [says[3].event_id])
        found = await asked.queries.history.missing_events(REMOTE, room.room_id, wanted)
        assert ids(found, room) == event_ids(says[4:8])

    async def test_the_nearest_first_and_no_more_than_wanted(self, asked: Asked, room: RemoteRoom) -> None:
        says = [room.tell("m.room.message", message(str(number))) for number in range(10)]
        await asked.accept(room, *says)
        wanted = gap([says[8].event_id], [says[0].event_id], limit=3)
        found = await asked.queries.history.missing_events(REMOTE, room.room_id, wanted)
        assert ids(found, room) == event_ids(says[5:8])

    async def test_not_below_a_depth(self, asked: Asked, room: RemoteRoom) -> None:
        says = [room.tell("m.room.message", message(str(number))) for number in range(10)]
        await asked.accept(room, *says)
        wanted = gap([says[8].event_id], min_depth=says[6].depth)
        found = await asked.queries.history.missing_events(REMOTE, room.room_id, wanted)
        assert ids(found, room) == event_ids(says[6:8])

    async def test_what_is_earliest_is_not_walked_through(self, asked: Asked, room: RemoteRoom) -> None:
        start = room.tip
        left = room.say("m.room.message", message("left"), prev=[start])
        right = room.say("m.room.message", message("right"), prev=[start])
        both = room.say("m.room.message", message("both"), prev=[left, right])
        await asked.accept(room, left, right, both)
        wanted = gap([both.event_id], [left.event_id, start.event_id])
        found = await asked.queries.history.missing_events(REMOTE, room.room_id, wanted)
        assert ids(found, room) == [right.event_id]
        wanted = gap([both.event_id], [both.event_id])
        assert await asked.queries.history.missing_events(REMOTE, room.room_id, wanted) == []
        wanted = gap(["$unknown"])
        assert await asked.queries.history.missing_events(REMOTE, room.room_id, wanted) == []


@pytest.mark.parametrize("version", ["1", "3", "6", "12"])
async def test_every_event_format(homeserver_on_each: Homeserver, version: str) -> None:
    asked = Asked(homeserver_on_each)
    alice = await homeserver_on_each.register("alice")
    room = RemoteRoom(version=version)
    await room.let_in(homeserver_on_each, alice.user_id)
    await with_history(asked, room, "joined")
    history = asked.queries.history
    found = await history.backfill(REMOTE, room.room_id, [room.tip.event_id], 6)
    assert found[0] == room.tip.json
    found = await history.missing_events(OTHER, room.room_id, gap([room.tip.event_id], limit=6))
    assert found[-1] == room.events[room.tip.prev_events[0]].json
    assert await history.event(REMOTE, room.create.event_id) == room.create.json
