"""Mails about missed messages, and who gets them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ranvier.sync.missed_mail import MissedMail
from tests.api.asgi import Client, in_room
from tests.api.homeserver import Homeserver
from tests.mail.conftest import Mailing
from tests.mail.mail_server import Mailbox
from tests.mail.people import LateClock, add_email, open_link, press, register

MINUTE = 60_000
ALICE = "alice@example.org"


class Play:
    """A server that writes about what was missed, Alice who has an address, Bob who writes."""

    def __init__(self, homeserver: Homeserver, mailbox: Mailbox, clock: LateClock) -> None:
        self.homeserver = homeserver
        self.mailbox = mailbox
        self.clock = clock

    @property
    def mail(self) -> MissedMail:
        (wanted,) = self.homeserver.server.users.pushers.on_mail_wanted
        mail = wanted.__self__  # type: ignore[attr-defined]
        assert isinstance(mail, MissedMail)
        return mail

    async def people(self) -> tuple[Client, Client]:
        return await register(self.homeserver, self.mailbox, "alice", ALICE), await self.homeserver.register("bob")

    async def pass_minutes(self, minutes: float) -> list[str]:
        """Subjects of the mails that come in this time; each look is made by hand."""
        await self.mail.tick()
        self.clock.later_ms += round(minutes * MINUTE) + 1
        await self.mail.tick()
        subjects = [letter.subject for letter in self.mailbox.letters]
        self.letters = list(self.mailbox.letters)
        self.mailbox.letters.clear()
        return subjects


@asynccontextmanager
async def playing(
    mailing: Mailing, mailbox: Mailbox, database: Any = None, clock: LateClock | None = None, **email: Any
) -> AsyncIterator[Play]:
    clock = clock or LateClock()
    async with mailing(database, clock, email={"enable_notifs": True, **email}) as homeserver:
        yield Play(homeserver, mailbox, clock)


@pytest.fixture
async def play(mailing: Mailing, mailbox: Mailbox, db_config: Mapping[str, Any]) -> AsyncIterator[Play]:
    async with playing(mailing, mailbox, db_config) as started:
        yield started


async def chat(alice: Client, bob: Client, **options: Any) -> str:
    """A room of Bob's that Alice is in."""
    room_id = await bob.create_room(invite=[alice.user_id], **options)
    (await alice.act(room_id, "join")).ok()
    return room_id


async def read(user: Client, room_id: str, event_id: str) -> None:
    (await user.post(f"{in_room(room_id)}/receipt/m.read/{event_id}")).ok()


async def test_who_has_not_read_for_ten_minutes_is_written_to(play: Play) -> None:
    alice, bob = await play.people()
    room_id = await chat(alice, bob, name="The <Pit>")
    event_id = await bob.say(room_id, "hello <b>you</b>")
    assert await play.pass_minutes(9) == []
    assert await play.pass_minutes(1) == [
        "[Matrix] You have a message on Matrix from bob in the The <Pit> room...",
    ]
    (letter,) = play.letters
    assert letter.to == ALICE
    assert "hello <b>you</b>" in letter.text and "hello &lt;b&gt;you&lt;/b&gt;" in letter.html
    assert "The &lt;Pit&gt;" in letter.html and "<b>you" not in letter.html
    assert f"https://matrix.to/#/{room_id}" in letter.text.replace("%21", "!")
    assert event_id in letter.html
    assert letter.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    # Once.
    assert await play.pass_minutes(60) == []


async def test_who_has_read_is_not(play: Play) -> None:
    alice, bob = await play.people()
    room_id = await chat(alice, bob)
    event_id = await bob.say(room_id, "hello")
    assert await play.pass_minutes(5) == []
    await read(alice, room_id, event_id)
    assert await play.pass_minutes(30) == []
    # Nor who has no address, nor for what notifies nobody.
    await alice.say(room_id, "hello Bob")
    await bob.set_state(room_id, "m.room.topic", {"topic": "x"})
    assert await play.pass_minutes(30) == []


async def test_a_room_is_silent_longer_with_every_mail(play: Play) -> None:
    alice, bob = await play.people()
    room_id = await chat(alice, bob, name="Pit")
    subject = "[Matrix] You have a message on Matrix from bob in the Pit room..."
    await bob.say(room_id, "one")
    assert await play.pass_minutes(10) == [subject]
    await bob.say(room_id, "two")
    assert await play.pass_minutes(10) == [subject]
    # An hour now.
    await bob.say(room_id, "three")
    assert await play.pass_minutes(30) == []
    await bob.say(room_id, "four")
    assert await play.pass_minutes(31) == ["[Matrix] You have messages on Matrix in the Pit room..."]
    # Six now, unless there is nothing to tell for half a day more.
    await bob.say(room_id, "five")
    assert await play.pass_minutes(5 * 60) == []
    assert await play.pass_minutes(60) == [subject]
    assert await play.pass_minutes(37 * 60) == []
    await bob.say(room_id, "six")
    assert await play.pass_minutes(10) == [subject]
    await bob.say(room_id, "seven")
    assert await play.pass_minutes(10) == [subject]


async def test_what_was_told_is_known_after_a_restart(
    mailing: Mailing, mailbox: Mailbox, db_config: Mapping[str, Any]
) -> None:
    clock = LateClock()
    async with playing(mailing, mailbox, db_config, clock) as play:
        alice, bob = await play.people()
        first = await chat(alice, bob, name="First")
        await bob.say(first, "told")
        assert len(await play.pass_minutes(10)) == 1
        second = await chat(alice, bob, name="Second")
        await bob.say(second, "not told")
    async with playing(mailing, mailbox, db_config, clock) as play:
        await play.mail.load()
        assert await play.pass_minutes(10) == ["[Matrix] You have a message on Matrix from bob in the Second room..."]
    async with playing(mailing, mailbox, db_config, clock) as play:
        await play.mail.load()
        assert await play.pass_minutes(600) == []
        # Who was there before the start is written to about what comes after it.
        await bob.at(play.homeserver.app).say(second, "news")
        assert len(await play.pass_minutes(10)) == 1


async def test_subjects(play: Play) -> None:
    alice, bob = await play.people()
    carol = await play.homeserver.register("carol")
    on = "on Matrix"
    direct = await chat(alice, bob)
    await bob.say(direct, "one")
    assert await play.pass_minutes(10) == [f"[Matrix] You have a message {on} from bob..."]
    (await carol.post("/createRoom", {"invite": [alice.user_id], "name": "Tea"})).ok()
    assert await play.pass_minutes(10) == [f"[Matrix] carol has invited you to join the Tea room {on}..."]
    assert "carol has invited you" in play.letters[0].text
    await carol.create_room(invite=[alice.user_id])
    assert await play.pass_minutes(10) == [f"[Matrix] carol has invited you to chat {on}..."]
    other = await chat(alice, carol)
    for text in ("two", "three"):
        await carol.say(other, text)
    assert await play.pass_minutes(10) == [f"[Matrix] You have messages {on} from carol..."]
    third, fourth = await chat(alice, carol), await chat(alice, bob)
    await carol.say(third, "four")
    await bob.say(fourth, "five")
    assert await play.pass_minutes(10) == [f"[Matrix] You have messages {on} from bob and others..."]
    named, fifth = await chat(alice, carol, name="Pit"), await chat(alice, bob)
    await bob.say(fifth, "six")
    await carol.say(named, "seven")
    assert await play.pass_minutes(10) == [f"[Matrix] You have messages {on} in the Pit room and others..."]


async def test_the_link_that_ends_it(play: Play) -> None:
    alice, bob = await play.people()
    room_id = await chat(alice, bob)
    await bob.say(room_id, "one")
    assert len(await play.pass_minutes(10)) == 1
    link = _unsubscribe_link(play.letters[0].message)
    stranger = play.homeserver.stranger()
    page = await open_link(stranger, link)
    assert page.status == 200 and ALICE.encode() in page.body
    assert len((await alice.get("/pushers")).ok()["pushers"]) == 1
    for forged in (link.replace("&h=", "&h=0"), link.replace("alice", "bob"), link.partition("&")[0], link + "%ED"):
        assert (await press(stranger, forged)).status == 400
    one_click = urlsplit(link)
    answer = await stranger.request("POST", f"{one_click.path}?{one_click.query}", raw=b"List-Unsubscribe=One-Click")
    assert answer.status == 200
    assert (await alice.get("/pushers")).ok() == {"pushers": []}
    await bob.say(room_id, "two")
    assert await play.pass_minutes(600) == []
    # And it begins again where she wants it.
    body = {
        "kind": "email", "app_id": "m.email", "pushkey": "Alice@Example.org", "app_display_name": "Mail",
        "device_display_name": "mine", "lang": "en", "data": {"brand": "x"},
    }  # fmt: skip
    (await alice.post("/pushers/set", body)).ok()
    (pusher,) = (await alice.get("/pushers")).ok()["pushers"]
    assert pusher == {**body, "pushkey": ALICE, "profile_tag": ""}
    assert await play.pass_minutes(600) == []
    await bob.say(room_id, "three")
    assert len(await play.pass_minutes(10)) == 1
    (await alice.post("/pushers/set", {"kind": None, "app_id": "m.email", "pushkey": ALICE})).ok()
    assert (await alice.get("/pushers")).ok() == {"pushers": []}


def _unsubscribe_link(message: EmailMessage) -> str:
    return str(message["List-Unsubscribe"]).strip("<>")


@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({"pushkey": "bob@example.org"}, "M_INVALID_PARAM"),
        ({"app_id": "com.example"}, "M_INVALID_PARAM"),
        ({"kind": "http", "data": {"url": "https://example.org"}}, "M_INVALID_PARAM"),
        ({"lang": None, "data": None}, "M_MISSING_PARAM"),
        ({"app_display_name": "x" * 300}, "M_INVALID_PARAM"),
        ({"pushkey": "\0"}, "M_INVALID_PARAM"),
        ({"data": {"x": "y" * 5000}}, "M_INVALID_PARAM"),
        ({"kind": 1}, "M_BAD_JSON"),
    ],
)
async def test_pushers_that_cannot_be(play: Play, change: dict[str, Any], errcode: str) -> None:
    alice, _ = await play.people()
    body = {
        "kind": "email", "app_id": "m.email", "pushkey": ALICE, "app_display_name": "Mail",
        "device_display_name": "mine", "lang": "en", "data": {},
    }  # fmt: skip
    (await alice.post("/pushers/set", {**body, **change})).refused(400, errcode)


async def test_mail_goes_only_where_it_is_theirs(play: Play) -> None:
    alice, bob = await play.people()
    admin = await play.homeserver.register("admin")
    await play.homeserver.server.users.account_changes.set_flag(admin.user_id, "admin", value=True)
    path = f"/_synapse/admin/v1/users/{alice.user_id}/pushers"
    assert (await admin.request("GET", path)).ok()["total"] == 1
    room_id = await chat(alice, bob)
    await bob.say(room_id, "one")
    (await alice.post("/account/3pid/delete", {"medium": "email", "address": ALICE})).ok()
    assert (await alice.get("/pushers")).ok() == {"pushers": []}
    assert await play.pass_minutes(600) == []
    await add_email(play.homeserver, play.mailbox, bob, ALICE)
    await alice.say(room_id, "two")
    assert await play.pass_minutes(600) == []


async def test_a_mail_server_that_is_away(play: Play) -> None:
    alice, bob = await play.people()
    await bob.say(await chat(alice, bob), "one")
    play.mailbox.refusal = "451 later"
    assert await play.pass_minutes(10) == []
    play.mailbox.refusal = None
    assert await play.pass_minutes(5) == []
    assert len(await play.pass_minutes(5)) == 1


async def test_where_only_who_wants_it_is_written_to(mailing: Mailing, mailbox: Mailbox) -> None:
    async with playing(mailing, mailbox, notif_for_new_users=False) as play:
        alice, _ = await play.people()
        assert (await alice.get("/pushers")).ok() == {"pushers": []}
    async with mailing() as homeserver:
        carol = await register(homeserver, mailbox, "carol", "carol@example.org")
        assert (await carol.get("/pushers")).ok() == {"pushers": []}
        body = {
            "kind": "email", "app_id": "m.email", "pushkey": "carol@example.org", "app_display_name": "Mail",
            "device_display_name": "mine", "lang": "en", "data": {},
        }  # fmt: skip
        (await carol.post("/pushers/set", body)).refused(403, "M_FORBIDDEN")


async def test_the_operators_words(mailing: Mailing, mailbox: Mailbox, tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "notif_mail.html").write_text(
        "{{ user_display_name }} {{ rooms[0].notifs[0].messages[0].body_text_html }}"
    )
    (folder / "notif_mail.txt").write_text(
        "{{ app_name }}|{{ reason.delay_before_mail_ms }}|{{ reason.room_name }}|{{ rooms[0].title }}|"
        "{{ rooms[0].notifs[0].link }}|{{ unsubscribe_link }}"
    )
    email = {
        "enable_notifs": True,
        "app_name": "Chat",
        "client_base_url": "https://chat.example.org/",
        "notif_delay_before_mail": "3m",
        "subjects": {"message_from_person": "%(person)s via %(app)s"},
    }
    clock = LateClock()
    templates = {"custom_template_directory": str(folder)}
    async with mailing(None, clock, email=email, templates=templates) as homeserver:
        play = Play(homeserver, mailbox, clock)
        alice, bob = await play.people()
        room_id = await chat(alice, bob)
        await bob.say(room_id, "a\n<b>")
        assert await play.pass_minutes(3) == ["bob via Chat"]
        (letter,) = play.letters
        assert letter.html.strip() == "alice a<br>\n&lt;b&gt;"
        app, delay, name, title, link, _ = letter.text.split("|")
        assert (app, delay, name, title) == ("Chat", "180000", "None", "bob")
        assert link.startswith(f"https://chat.example.org/#/room/{room_id}/$")
