"""Every route and everybody who might call it: who is let in, and that nobody else learns or changes anything.

Who may call what stands in `tests/facts/authorisation.tsv`, after the spec's own description of its endpoints: method,
path, and `nobody` (no token is needed), `anybody` (with or without one), `user`, `service`, `server`. It does not come from
the route table, which is what is tested.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from ranvier.http.route import Route
from tests.abuse.calls import Call, calls
from tests.admin.admin import Admin
from tests.api.asgi import Answer, Client, part
from tests.api.homeserver import Homeserver, running

FACTS = Path(__file__).parents[1] / "facts" / "authorisation.tsv"

BRIDGE = {
    "id": "bridge",
    "url": None,
    "as_token": "the-token-of-the-bridge",
    "hs_token": "the-other-token-of-the-bridge",
    "sender_localpart": "_bridge_bot",
    "namespaces": {"users": [{"exclusive": True, "regex": "@_bridge_.*"}]},
}
"""An application service, which is nobody to Alice."""

SECRET = "swordfish"
"""In everything of Alice's that is nobody else's business."""

OPEN_ADMIN = {
    # Registration with the shared secret is how the first admin is made; the nonce and the HMAC are the authentication.
    "GET /_synapse/admin/v1/register",
    "POST /_synapse/admin/v1/register",
    # Needs no token in the manual either.
    "GET /_synapse/admin/v1/server_version",
}

OWN_OR_ADMIN = {"GET /_matrix/client/v3/admin/whois/{user_id}", "GET /_synapse/admin/v1/whois/{user_id}"}
"""Users may ask about themselves."""

WITHOUT_SPEC = {
    # Fallback pages are opened by a browser, which has no token. The spec describes them in prose.
    "GET /_matrix/client/v3/auth/{auth_type}/fallback/web": "nobody",
    "POST /_matrix/client/v3/auth/{auth_type}/fallback/web": "nobody",
    "GET /_matrix/static/client/login/": "nobody",
    # The answer is the same for everybody, so a token is not looked at.
    "GET /_matrix/client/versions": "nobody",
    "GET /_matrix/media/v1/download/{server_name}/{media_id}": "nobody",
    "GET /_matrix/media/v1/download/{server_name}/{media_id}/{file_name}": "nobody",
    "GET /_matrix/media/v1/thumbnail/{server_name}/{media_id}": "nobody",
    "GET /_matrix/key/v2/server/{key_id}": "nobody",
    "GET /_matrix/key/v2/query/{server_name}/{key_id}": "nobody",
    "PUT /_matrix/federation/v1/send_join/{room_id}/{event_id}": "server",
    "PUT /_matrix/federation/v1/send_leave/{room_id}/{event_id}": "server",
    "GET /_matrix/federation/unstable/org.matrix.msc2946/hierarchy/{room_id}": "server",
    "GET /_matrix/federation/unstable/rooms/{room_id}/complexity": "server",
    "GET /_matrix/client/unstable/im.nheko.summary/summary/{room_id_or_alias}": "anybody",
    "GET /_matrix/client/unstable/im.nheko.summary/rooms/{room_id_or_alias}/summary": "anybody",
}
"""Routes that the spec's description lacks; what is not here and not there needs a user, or an admin below `/_synapse`."""

STRICTER = {
    # The spec's description knows no optional token for these.
    "GET /_matrix/client/v3/profile/{user_id}": "anybody",
    "GET /_matrix/client/v3/profile/{user_id}/{key}": "anybody",
    # `allow_public_rooms_without_auth` is off by default.
    "GET /_matrix/client/v3/publicRooms": "user",
    # The spec's description has no security for it; its text has ("Requires authentication").
    "GET /_matrix/federation/v1/timestamp_to_event/{room_id}": "server",
}


def shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def admitted() -> dict[str, str]:
    """Who may call what, by method and the shape of the path."""
    found = {}
    for line in FACTS.read_text().splitlines():
        method, path, who = line.split("\t")
        found[f"{method} {path}"] = who
    return found


def who_may(route: Route, facts: dict[str, str]) -> str:
    name = f"{route.method} {route.path}"
    if name in STRICTER or name in WITHOUT_SPEC:
        return STRICTER.get(name) or WITHOUT_SPEC[name]
    if route.path.startswith("/_synapse/admin/"):
        return "nobody" if name in OPEN_ADMIN else "user" if name in OWN_OR_ADMIN else "admin"
    if re.match(r"/_matrix/client/v1/admin/(lock|suspend)/", route.path):
        return "admin"
    return facts.get(f"{route.method} {shape(route.path)}", "user")


@dataclass(frozen=True)
class Town:
    """A server, who is there, and a call of every route about what is Alice's."""

    homeserver: Homeserver
    admin: Admin
    alice: Client
    mallory: Client
    calls: list[Call]

    async def events(self) -> int:
        """How many events are stored."""
        return int(await self.homeserver.db.value("SELECT COUNT(*) FROM events"))


async def ask(client: Client, call: Call) -> Answer:
    return await client.request(call.route.method, call.path, call.body)


def outcome(answer: Answer) -> str:
    """`200`, or `403 M_FORBIDDEN` and such."""
    if answer.status == 200 or not answer.body.startswith(b"{"):
        return str(answer.status)
    return f"{answer.status} {answer.json.get('errcode', 'user-interactive')}"


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    listener = {"type": "http", "port": 0, "resources": [{"names": ["client", "federation"]}]}
    bridge = tmp_path / "bridge.yaml"
    bridge.write_bytes(orjson.dumps(BRIDGE))
    options = {"listeners": [listener], "registration_shared_secret": "x", "app_service_config_files": [str(bridge)]}
    async with running(database, **options) as homeserver:
        admin = await Admin.of(homeserver)
        alice, mallory = [await homeserver.register(name) for name in ("alice", "mallory")]
        room_id = await alice.create_room(name=SECRET, topic=SECRET, room_alias_name="alias")
        event_id = await alice.say(room_id, SECRET)
        own = f"/user/{part(alice.user_id)}"
        (await alice.put(f"{own}/account_data/x", {"x": SECRET})).ok()
        (await alice.put(f"{own}/rooms/{part(room_id)}/account_data/x", {"x": SECRET})).ok()
        (await alice.put(f"{own}/rooms/{part(room_id)}/tags/{SECRET}", {})).ok()
        device_id = (await alice.get("/account/whoami")).ok()["device_id"]
        (await alice.put(f"/devices/{part(device_id)}", {"display_name": SECRET})).ok()
        filter_id = (await alice.post(f"{own}/filter", {"room": {"rooms": [room_id]}})).ok()["filter_id"]
        things = {
            "room_id": room_id,
            "room_id_or_alias": room_id,
            "room_alias": "#alias:ranvier.test",
            "event_id": event_id,
            "user_id": alice.user_id,
            "device_id": device_id,
            "filter_id": filter_id,
            "key": "displayname",
            "displayname": "x",
            "type": "x",
            "tag": SECRET,
            "event_type": "m.room.name",
            "state_key": "",
            "new_version": "12",
            "dir": "b",
            "ts": 1,
        }
        yield Town(homeserver, admin, alice, mallory, calls(homeserver.server.routes, things))


TOKEN_IN_BODY = {"POST /_matrix/client/v3/refresh", "GET /_matrix/federation/v1/openid/userinfo"}
"""Their own token is what they are about, and a wrong one is unknown."""


async def test_nobody_calls_without_the_token_that_a_route_needs(town: Town) -> None:
    facts = admitted()
    stranger, liar = [Client(town.homeserver.unchecked) for _ in range(2)]
    liar.token = "syt_bWFsbG9yeQ_" + "x" * 20
    before = await town.events()
    wrong = []
    for call in town.calls:
        if call.name in TOKEN_IN_BODY:
            continue
        who = who_may(call.route, facts)
        for client, errcode in ((stranger, "M_MISSING_TOKEN"), (liar, "M_UNKNOWN_TOKEN")):
            answer = await ask(client, call)
            is_refused = outcome(answer) == f"401 {'M_UNAUTHORIZED' if who == 'server' else errcode}"
            is_due = who in ("user", "admin", "server") or (who == "anybody" and client is liar)
            if is_refused != is_due or (is_due and SECRET.encode() in answer.body):
                wrong.append(f"{call.name} ({who}): {answer.status} {answer.body[:100]!r}")
    assert not wrong, "\n".join(wrong)
    assert await town.events() == before
    assert len(town.calls) > 200


async def test_the_admin_api_is_for_admins(town: Town) -> None:
    facts = admitted()
    wrong = []
    before = await town.events()
    for call in town.calls:
        if who_may(call.route, facts) == "admin" or f"{call.route.method} {call.route.path}" in OWN_OR_ADMIN:
            answer = await ask(town.mallory, call)
            if outcome(answer) != "403 M_FORBIDDEN":
                wrong.append(f"{call.name}: {outcome(answer)}")
    assert not wrong, "\n".join(wrong)
    assert await town.events() == before


OF_EVERYBODY = {
    "GET /_matrix/client/v3/directory/room/{room_alias}": "200",
    "GET /_matrix/client/v3/directory/list/room/{room_id}": "200",
    "GET /_matrix/client/v3/profile/{user_id}": "200",
    "GET /_matrix/client/v3/profile/{user_id}/{key}": "200",
    # One may report what one was only invited to, or has heard of.
    "POST /_matrix/client/v3/rooms/{room_id}/report": "200",
    "POST /_matrix/client/v3/users/{user_id}/report": "200",
    # One's own, whatever room or device it is about: one of this name is not there.
    "DELETE /_matrix/client/v3/devices/{device_id}": "401 user-interactive",
}
"""What is not refused when it is about somebody else's."""


async def test_what_is_somebody_elses_is_neither_read_nor_changed(town: Town) -> None:
    facts = admitted()
    before = await town.events()
    wrong = []
    for call in town.calls:
        about = call.names("room_id", "room_id_or_alias", "room_alias", "event_id", "user_id", "device_id", "filter_id")
        if who_may(call.route, facts) in ("admin", "server") or not about:
            continue
        answer = await ask(town.mallory, call)
        due = OF_EVERYBODY.get(call.name)
        is_right = outcome(answer) == due if due else outcome(answer) in ("403 M_FORBIDDEN", "404 M_NOT_FOUND")
        if not is_right or SECRET.encode() in answer.body:
            wrong.append(f"{call.name}: {outcome(answer)} {answer.body[:100]!r}")
    assert not wrong, "\n".join(wrong)
    assert await town.events() == before


GUESTS_MAY = {
    # The spec's list, "Guest access".
    "GET /_matrix/client/v3/rooms/{}/state",
    "GET /_matrix/client/v3/rooms/{}/context/{}",
    "GET /_matrix/client/v3/rooms/{}/event/{}",
    "GET /_matrix/client/v3/rooms/{}/state/{}/{}",
    "GET /_matrix/client/v3/rooms/{}/messages",
    "GET /_matrix/client/v3/rooms/{}/members",
    "GET /_matrix/client/v3/rooms/{}/initialSync",
    "GET /_matrix/client/v3/sync",
    "GET /_matrix/client/v3/events",
    "POST /_matrix/client/v3/rooms/{}/join",
    "POST /_matrix/client/v3/rooms/{}/leave",
    "PUT /_matrix/client/v3/rooms/{}/send/{}/{}",
    "PUT /_matrix/client/v3/rooms/{}/state/{}/{}",
    "PUT /_matrix/client/v3/sendToDevice/{}/{}",
    "PUT /_matrix/client/v3/profile/{}/{}",
    "DELETE /_matrix/client/v3/profile/{}/{}",
    "GET /_matrix/client/v3/devices",
    "GET /_matrix/client/v3/devices/{}",
    "PUT /_matrix/client/v3/devices/{}",
    "GET /_matrix/client/v3/account/whoami",
    "POST /_matrix/client/v3/keys/upload",
    "POST /_matrix/client/v3/keys/query",
    "POST /_matrix/client/v3/keys/claim",
    # The same with an empty state key.
    "GET /_matrix/client/v3/rooms/{}/state/{}",
    "GET /_matrix/client/v3/rooms/{}/state/{}/",
    "PUT /_matrix/client/v3/rooms/{}/state/{}",
    "PUT /_matrix/client/v3/rooms/{}/state/{}/",
    # What a client that shows a room to a guest needs besides, and tells no more than those do.
    "GET /_matrix/client/v3/capabilities",
    "POST /_matrix/client/v3/join/{}",
    "POST /_matrix/client/v3/logout",
    "POST /_matrix/client/v3/logout/all",
    "GET /_matrix/client/v3/publicRooms",
    "POST /_matrix/client/v3/publicRooms",
    "PUT /_matrix/client/v3/rooms/{}/typing/{}",
    "GET /_matrix/client/v1/rooms/{}/relations/{}",
    "GET /_matrix/client/v1/rooms/{}/relations/{}/{}",
    "GET /_matrix/client/v1/rooms/{}/relations/{}/{}/{}",
    "GET /_matrix/client/v1/rooms/{}/threads",
    "GET /_matrix/client/v1/rooms/{}/hierarchy",
    "GET /_matrix/client/v1/rooms/{}/timestamp_to_event",
    "GET /_matrix/client/unstable/org.matrix.msc3030/rooms/{}/timestamp_to_event",
    "GET /_matrix/client/v3/voip/turnServer",
    "GET /_matrix/client/v1/media/download/{}/{}",
    "GET /_matrix/client/v1/media/download/{}/{}/{}",
    "GET /_matrix/client/v1/media/thumbnail/{}/{}",
}


async def test_guests_may_do_what_the_spec_lists(town: Town) -> None:
    facts = admitted()
    before = await town.events()
    wrong = []
    for number, call in enumerate(town.calls):
        who = who_may(call.route, facts)
        if who in ("user", "admin"):
            # Some calls end the session.
            guest = await town.homeserver.register(f"guest{number}", is_guest=True)
            is_let_in = outcome(await ask(guest, call)) != "403 M_GUEST_ACCESS_FORBIDDEN"
            if is_let_in != (f"{call.route.method} {shape(call.route.path)}" in GUESTS_MAY):
                wrong.append(f"{call.name}: {is_let_in}")
    assert not wrong, "\n".join(wrong)
    assert await town.events() == before


async def test_the_locked_may_log_out(town: Town) -> None:
    facts = admitted()
    (await town.admin.ask("PUT", f"/v2/users/{part(town.alice.user_id)}", {"locked": True})).ok()
    before = await town.events()
    wrong = []
    for call in town.calls:
        if who_may(call.route, facts) in ("user", "anybody", "admin") and "/logout" not in call.route.path:
            answer = await ask(town.alice, call)
            if outcome(answer) != "401 M_USER_LOCKED":
                wrong.append(f"{call.name}: {outcome(answer)}")
    assert not wrong, "\n".join(wrong)
    assert await town.events() == before
    (await town.alice.post("/logout")).ok()


SUSPENDED_MAY_NOT = {
    "DELETE /_matrix/client/v3/directory/room/{room_alias}",
    "DELETE /_matrix/client/v3/profile/{user_id}/{key}",
    "POST /_matrix/client/v3/createRoom",
    "POST /_matrix/client/v3/join/{room_id_or_alias}",
    "POST /_matrix/client/v3/knock/{room_id_or_alias}",
    "POST /_matrix/client/v3/rooms/{room_id}/ban",
    "POST /_matrix/client/v3/rooms/{room_id}/invite",
    "POST /_matrix/client/v3/rooms/{room_id}/join",
    "POST /_matrix/client/v3/rooms/{room_id}/kick",
    "POST /_matrix/client/v3/rooms/{room_id}/unban",
    "POST /_matrix/client/v3/rooms/{room_id}/upgrade",
    "POST /_matrix/media/v1/create",
    "POST /_matrix/media/v1/upload",
    "POST /_matrix/media/v3/upload",
    "PUT /_matrix/client/v3/directory/list/room/{room_id}",
    "PUT /_matrix/client/v3/directory/room/{room_alias}",
    "PUT /_matrix/client/v3/profile/{user_id}/{key}",
    "PUT /_matrix/client/v3/rooms/{room_id}/send/{event_type}/{txn_id}",
    "PUT /_matrix/client/v3/rooms/{room_id}/state/{event_type}",
    "PUT /_matrix/client/v3/rooms/{room_id}/state/{event_type}/",
    "PUT /_matrix/client/v3/rooms/{room_id}/state/{event_type}/{state_key}",
    "PUT /_matrix/media/v3/upload/{server_name}/{media_id}",
}
"""Calls that others would notice."""


async def test_what_the_suspended_may_not(town: Town) -> None:
    facts = admitted()
    (await town.admin.ask("PUT", f"/v1/suspend/{part(town.alice.user_id)}", {"suspend": True})).ok()
    refused = set()
    for call in town.calls:
        ends = ("/logout", "/logout/all", "/deactivate", "/leave", "/forget")
        if who_may(call.route, facts) not in ("user", "anybody") or call.route.path.endswith(ends):
            continue
        if outcome(await ask(town.alice, call)) == "403 M_USER_SUSPENDED":
            refused.add(call.name)
    assert refused == SUSPENDED_MAY_NOT


async def test_users_are_no_servers(town: Town) -> None:
    facts = admitted()
    wrong = []
    for client in (town.alice.at(town.homeserver.unchecked), town.admin.client.at(town.homeserver.unchecked)):
        for call in town.calls:
            if who_may(call.route, facts) == "server" and outcome(await ask(client, call)) != "401 M_UNAUTHORIZED":
                wrong.append(call.name)
    assert not wrong, "\n".join(wrong)


async def test_servers_are_no_users(town: Town) -> None:
    facts = admitted()
    signed = b'X-Matrix origin="ranvier.test",destination="ranvier.test",key="ed25519:a_test",sig="AAAA"'
    headers = [(b"host", b"localhost"), (b"content-length", b"2"), (b"authorization", signed)]
    before = await town.events()
    wrong = []
    for call in town.calls:
        if who_may(call.route, facts) in ("user", "admin") and call.name not in TOKEN_IN_BODY:
            status, _, body = await town.homeserver.unchecked.handle(call.route.method, call.path, headers, b"{}")
            if status != 401 or b"M_MISSING_TOKEN" not in body:
                wrong.append(f"{call.name}: {status} {body[:100]!r}")
    assert not wrong, "\n".join(wrong)
    assert await town.events() == before


def bridge(town: Town, token: str = "the-token-of-the-bridge") -> Client:
    return Client(town.homeserver.unchecked, token=token, user_id="@_bridge_bot:ranvier.test")


async def test_a_service_is_no_admin_and_no_server(town: Town) -> None:
    facts = admitted()
    due = {"admin": "403 M_FORBIDDEN", "server": "401 M_UNAUTHORIZED"}
    before = await town.events()
    wrong = []
    for call in town.calls:
        who = who_may(call.route, facts)
        if who in due and outcome(await ask(bridge(town), call)) != due[who]:
            wrong.append(call.name)
    assert not wrong, "\n".join(wrong)
    assert await town.events() == before


OF_SERVICES = {
    **OF_EVERYBODY,
    # Its own, as above; nothing has to be confirmed, for nobody is there who could.
    "DELETE /_matrix/client/v3/devices/{device_id}": "200",
    "PUT /_matrix/client/v3/directory/room/{room_alias}": "400 M_EXCLUSIVE",
    "DELETE /_matrix/client/v3/directory/room/{room_alias}": "400 M_EXCLUSIVE",
}


async def test_what_is_no_services_business_is_neither_read_nor_changed(town: Town) -> None:
    facts = admitted()
    before = await town.events()
    wrong = []
    for call in town.calls:
        about = call.names("room_id", "room_id_or_alias", "room_alias", "event_id", "user_id", "device_id", "filter_id")
        if who_may(call.route, facts) in ("admin", "server") or not about:
            continue
        answer = await ask(bridge(town), call)
        due = OF_SERVICES.get(call.name)
        is_right = outcome(answer) == due if due else outcome(answer) in ("403 M_FORBIDDEN", "404 M_NOT_FOUND")
        if not is_right or SECRET.encode() in answer.body:
            wrong.append(f"{call.name}: {outcome(answer)} {answer.body[:100]!r}")
    assert not wrong, "\n".join(wrong)
    assert await town.events() == before
    assert len((await town.alice.get("/devices")).ok()["devices"]) == 1


async def test_a_service_is_nobody_outside_its_namespaces(town: Town) -> None:
    facts = admitted()
    before = await town.events()
    wrong = []
    for call in town.calls:
        if who_may(call.route, facts) not in ("user", "anybody", "admin"):
            continue
        mark = "&" if "?" in call.path else "?"
        path = f"{call.path}{mark}user_id={part(town.alice.user_id)}"
        answer = await bridge(town).request(call.route.method, path, call.body)
        if outcome(answer) != "403 M_FORBIDDEN" or SECRET.encode() in answer.body:
            wrong.append(f"{call.name}: {outcome(answer)}")
    assert not wrong, "\n".join(wrong)
    assert await town.events() == before


async def test_the_token_that_a_service_is_shown_opens_nothing(town: Town) -> None:
    facts = admitted()
    client = bridge(town, "the-other-token-of-the-bridge")
    wrong = []
    for call in town.calls:
        if who_may(call.route, facts) in ("user", "anybody", "admin") and call.name not in TOKEN_IN_BODY:
            answer = await ask(client, call)
            if outcome(answer) != "401 M_UNKNOWN_TOKEN":
                wrong.append(f"{call.name}: {outcome(answer)}")
    assert not wrong, "\n".join(wrong)
