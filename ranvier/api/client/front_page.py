"""`/`: where a person is sent who opens the server in a browser.

Configuration: `web_client_location`.
"""

from urllib.parse import quote

from ranvier.http.request import Request
from ranvier.http.response import Response, redirect_response
from ranvier.http.route import Auth, Route, routes

_SAFE = "%/:?#[]@!$&'()*+,;=~"


class FrontPageApi:
    """A redirect to the web client, if there is one."""

    def __init__(self, *, web_client_location: str | None) -> None:
        # A header is ASCII; what is encoded already stays as it is.
        self._location = None if web_client_location is None else quote(web_client_location, safe=_SAFE)

    def routes(self) -> list[Route]:
        """The module's routes; none without a web client."""
        if self._location is None:
            return []
        return routes("GET", "/", self.open, auth=Auth.NONE, spec="", summary="To the web client")

    async def open(self, request: Request) -> Response:
        """Go there."""
        return redirect_response(self._location or "")
