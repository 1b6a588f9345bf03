"""What people do with the mails that they get."""

from typing import Any
from urllib.parse import urlsplit

from ranvier.ports import SystemClock
from tests.api.asgi import Answer, Client
from tests.api.homeserver import Homeserver
from tests.mail.mail_server import Mailbox

SECRET = "a.secret-1"


def wish(email: str, **more: Any) -> dict[str, Any]:
    """The body of a `requestToken`."""
    return {"client_secret": SECRET, "email": email, "send_attempt": 1, **more}


async def open_link(client: Client, link: str) -> Answer:
    """Follow a link with a browser."""
    parts = urlsplit(link)
    assert (parts.scheme, parts.netloc) == ("https", "matrix.ranvier.test")
    return await client.request("GET", f"{parts.path}?{parts.query}")


async def press(client: Client, link: str) -> Answer:
    """Press the button of the page behind a link."""
    parts = urlsplit(link)
    return await client.request("POST", parts.path, raw=parts.query.encode())


async def add_email(homeserver: Homeserver, mailbox: Mailbox, user: Client, email: str) -> None:
    """Let an account have an address."""
    sid = (await user.post("/account/3pid/email/requestToken", wish(email))).ok()["sid"]
    assert (await open_link(homeserver.stranger(), (await mailbox.next()).link)).status == 200
    body = {"client_secret": SECRET, "sid": sid}
    session = (await user.post("/account/3pid/add", body)).json["session"]
    auth = {"type": "m.login.password", "user": user.user_id, "password": "correct horse", "session": session}
    (await user.post("/account/3pid/add", {**body, "auth": auth})).ok()


class LateClock(SystemClock):
    """The machine's clock, and as much later as a test says."""

    later_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.later_ms


async def register(homeserver: Homeserver, mailbox: Mailbox, name: str, email: str) -> Client:
    """An account with an address from its beginning."""
    stranger, body = homeserver.stranger(), {"username": name, "password": "correct horse"}
    session = (await stranger.post("/register", body)).json["session"]
    sid = (await stranger.post("/register/email/requestToken", wish(email))).ok()["sid"]
    await open_link(stranger, (await mailbox.next()).link)
    creds = {"sid": sid, "client_secret": SECRET}
    auth = {"type": "m.login.email.identity", "threepid_creds": creds, "session": session}
    answer = (await stranger.post("/register", {**body, "auth": auth})).ok()
    return Client(homeserver.app, token=answer["access_token"], user_id=answer["user_id"])
