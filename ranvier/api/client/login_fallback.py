"""`/_matrix/static/client/login/`: logging in in a browser, for clients that know none of the ways.

Spec: client-server API, "Login Fallback".
"""

from ranvier.api.client.html_page import page, page_part
from ranvier.http.request import Request
from ranvier.http.response import Response
from ranvier.http.route import Auth, Route, routes


class LoginFallbackApi:
    """One page, the same for everybody."""

    def __init__(self) -> None:
        self._page = page("Log in", page_part("login.html"), script=page_part("login.js"))

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "GET", "/_matrix/static/client/login/", self.login, auth=Auth.NONE, resource="static",
            spec="Login Fallback", summary="A page to log in",
        )  # fmt: skip

    async def login(self, request: Request) -> Response:
        """The page; its script does the rest."""
        return self._page
