"""`/_synapse/client/unsubscribe`: the link at the end of mails about missed messages.

RFC 8058: mail programs POST there by themselves when somebody presses their button. Who opens the link has a button to
press, since programs that look at mails open links.
"""

from html import escape
from typing import Final

from ranvier.api.client.html_page import page
from ranvier.http.request import Request, parse_query_string
from ranvier.http.response import Response
from ranvier.http.route import Auth, Route, routes
from ranvier.users.pushers import UNSUBSCRIBE, Pushers

_TITLE: Final = "Mails about missed messages"


class UnsubscribePageApi:
    """Serves the page."""

    def __init__(self, *, pushers: Pushers) -> None:
        self._pushers = pushers

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes("GET", f"/{UNSUBSCRIBE}", self.ask, auth=Auth.NONE, summary="Asks whether no more mails are wanted"),
            *routes(
                "POST", f"/{UNSUBSCRIBE}", self.unsubscribe, auth=Auth.NONE, body_limit_bytes=1 << 16,
                summary="No more mails are wanted",
            ),
        ]  # fmt: skip

    async def ask(self, request: Request) -> Response:
        """The button."""
        if (found := self._find(request)) is None:
            return _unknown()
        user_id, address = found
        return page(
            _TITLE,
            f"<h1>{_TITLE}</h1>\n<p>{escape(address)} gets mails when {escape(user_id)} has missed messages.</p>\n"
            '<form method="post">\n<button>No more of these mails</button>\n</form>',
        )

    async def unsubscribe(self, request: Request) -> Response:
        """It was pressed."""
        if (found := self._find(request)) is None:
            return _unknown()
        await self._pushers.unsubscribe(*found)
        return page(_TITLE, "<h1>Done</h1>\n<p>There will be no more of these mails.</p>")

    def _find(self, request: Request) -> tuple[str, str] | None:
        fields = {**dict(request.query_pairs), **dict(parse_query_string(request.content))}
        user_id, address = fields.get("user_id", ""), fields.get("pushkey", "")
        return (user_id, address) if self._pushers.is_our_link(user_id, address, fields.get("h", "")) else None


def _unknown() -> Response:
    return page(_TITLE, "<h1>Sorry</h1>\n<p>This link is not valid.</p>", status=400)
