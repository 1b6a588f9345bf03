"""Logging in with tokens that somebody else has signed: `jwt_config`."""

import asyncio
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ranvier.config.load import ConfigError, parse
from tests.api.asgi import Answer, Client
from tests.api.homeserver import OPTIONS, Homeserver, running

TYPE = "org.matrix.login.jwt"
SECRET = "long enough that nobody says it is too short, whatever the algorithm may be"


async def log_in(homeserver: Homeserver, claims: dict[str, Any], secret: str = SECRET, alg: str = "HS256") -> Answer:
    token = jwt.encode(claims, secret, algorithm=alg)
    return await homeserver.stranger().post("/login", {"type": TYPE, "token": token})


def options(**more: object) -> dict[str, Any]:
    return {"jwt_config": {"enabled": True, "secret": SECRET, "algorithm": "HS256", **more}}


async def test_who_has_a_token_is_let_in(database: dict[str, Any]) -> None:
    async with running(database, **options(display_name_claim="name")) as homeserver:
        flows = (await homeserver.stranger().get("/login")).ok()["flows"]
        assert {"type": TYPE} in flows
        answers = await asyncio.gather(
            *(log_in(homeserver, {"sub": "Alice", "name": "Alice L.", "exp": time.time() + 60}) for _ in range(3))
        )
        assert {answer.ok()["user_id"] for answer in answers} == {"@alice:ranvier.test"}
        alice = Client(homeserver.app, token=answers[0].json["access_token"], user_id="@alice:ranvier.test")
        assert (await alice.get(f"/profile/{alice.user_id}/displayname")).ok()["displayname"] == "Alice L."
        await homeserver.register("bob")
        assert (await log_in(homeserver, {"sub": "bob"})).ok()["user_id"] == "@bob:ranvier.test"


async def test_tokens_that_let_nobody_in(database: dict[str, Any]) -> None:
    async with running(database, **options()) as homeserver:
        now = time.time()
        for claims in (
            {},
            {"sub": 7},
            {"sub": "a b"},
            {"sub": "alice", "exp": now - 10},
            {"sub": "alice", "nbf": now + 100},
            # Nobody has said for whom tokens are.
            {"sub": "alice", "aud": "me"},
        ):
            (await log_in(homeserver, claims)).refused(403, "M_FORBIDDEN")
        (await log_in(homeserver, {"sub": "alice"}, SECRET + "?")).refused(403, "M_FORBIDDEN")
        (await log_in(homeserver, {"sub": "alice"}, alg="HS512")).refused(403, "M_FORBIDDEN")
        stranger = homeserver.stranger()
        unsigned = jwt.encode({"sub": "alice"}, "", algorithm="none")
        for token in (unsigned, "", "a.b.c", "\0"):
            (await stranger.post("/login", {"type": TYPE, "token": token})).refused(403, "M_FORBIDDEN")
        (await stranger.post("/login", {"type": TYPE})).refused(400, "M_MISSING_PARAM")
        bob = await homeserver.register("bob")
        auth = {"type": "m.login.password", "user": "bob", "password": "correct horse"}
        (await bob.post("/account/deactivate", {"auth": auth})).ok()
        (await log_in(homeserver, {"sub": "bob"})).refused(403, "M_USER_DEACTIVATED")


async def test_who_may_sign_and_for_whom(database: dict[str, Any]) -> None:
    more = options(issuer="the issuer", audiences=["me", "us"], subject_claim="uid")
    async with running(database, **more) as homeserver:
        good = {"uid": "alice", "iss": "the issuer", "aud": ["us", "them"]}
        (await log_in(homeserver, good)).ok()
        for change in ({"iss": "another"}, {"aud": "them"}):
            (await log_in(homeserver, {**good, **change})).refused(403, "M_FORBIDDEN")
        for missing in good:
            claims = {name: value for name, value in good.items() if name != missing}
            (await log_in(homeserver, claims)).refused(403, "M_FORBIDDEN")


async def test_public_keys(database: dict[str, Any]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    async with running(database, **options(secret=public, algorithm="ES256")) as homeserver:
        token = jwt.encode({"sub": "alice"}, key, algorithm="ES256")
        (await homeserver.stranger().post("/login", {"type": TYPE, "token": token})).ok()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [({"secret": None}, "needs secret"), ({"algorithm": None}, "algorithm"), ({"algorithm": "none"}, "one of")],
)
def test_mistakes_are_said(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        parse({**OPTIONS, **options(**changes)})
