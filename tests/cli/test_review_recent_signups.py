"""`review_recent_signups`, beside a running server."""

from http import HTTPStatus

import aiohttp

from tests.cli.programs import python_module, ranvier
from tests.process.person import Person, open_person
from tests.services.homeserver import HomeserverProcess

MODULE = "ranvier.cli.review_recent_signups"


async def _id(person: Person) -> str:
    return str((await person.ask("GET", "/account/whoami"))[1]["user_id"])


async def _give_email(server: HomeserverProcess, session: aiohttp.ClientSession, user_id: str, email: str) -> str:
    """As an administrator, who is new too: the administrator."""
    config = str(server.config)
    made = python_module(
        server.folder, "ranvier.register_new_matrix_user", "-c", config, "-u", "root", "-p", "x", "--admin", server.url
    )
    assert made.returncode == 0, made.stderr
    body = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "root"}, "password": "x"}
    async with session.post(f"{server.url}/_matrix/client/v3/login", json=body) as answer:
        admin = await answer.json()
    async with session.put(
        f"{server.url}/_synapse/admin/v2/users/{user_id}",
        json={"threepids": [{"medium": "email", "address": email}]},
        headers={"Authorization": f"Bearer {admin['access_token']}"},
    ) as answer:
        assert answer.status == HTTPStatus.OK, await answer.text()
    return str(admin["user_id"])


async def test_who_is_new_and_what_they_did(
    homeserver_process: HomeserverProcess, session: aiohttp.ClientSession
) -> None:
    server = homeserver_process
    alice, bob = await open_person(session, server.url), await open_person(session, server.url)
    alice_id, bob_id = await _id(alice), await _id(bob)
    status, _ = await alice.ask("POST", "/createRoom", {"visibility": "public", "invite": [bob_id]})
    assert status == HTTPStatus.OK
    admin_id = await _give_email(server, session, bob_id, "bob@example.org")

    def told(*argv: str) -> str:
        done = ranvier(server.folder, "review-recent-signups", "-c", str(server.config), *argv)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    about = dict(zip((alice_id, bob_id, admin_id), told().split("\n@"), strict=True))
    assert "no e-mail address" in about[alice_id]
    assert "rooms: 1 public and 1 private made, 2 joined, 0 invitations open" in about[alice_id]
    assert "email:bob@example.org" in about[bob_id]
    assert "rooms: 0 public and 1 private made, 1 joined, 1 invitations open" in about[bob_id]
    assert told("-u").split() == [alice_id, bob_id, admin_id]
    assert told("-u", "--exclude-emails", "-a").split() == [alice_id, admin_id]
    assert told("--since", "0") == ""
    # Where somebody was seen is written down now and then, and at the end.
    server.stop()
    assert "  from 127.0.0.1" in told()


def test_mistakes(homeserver_process: HomeserverProcess) -> None:
    folder = homeserver_process.folder
    done = python_module(folder, MODULE, "--since", "soon")
    assert done.returncode == 2
    assert "soon is no duration" in done.stderr
    done = python_module(folder, MODULE, "-c", "nothing.yaml")
    assert done.returncode == 1
    assert "nothing.yaml" in done.stderr
