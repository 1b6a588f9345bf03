"""A browser without a screen: keeps cookies, follows nothing by itself."""

import html
import re
from urllib.parse import urlencode, urlsplit

from tests.api.answers import App
from tests.api.asgi import Answer

BASE = "https://ranvier.test"


class Browser:
    """Talks to the application of the server."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.cookies: dict[str, str] = {}

    async def get(self, url: str, **query: str) -> Answer:
        """A page; `url` may be whole, of this server."""
        parts = urlsplit(url)
        assert not parts.netloc or f"{parts.scheme}://{parts.netloc}" == BASE, url
        path = parts.path + (f"?{parts.query}" if parts.query else "") + (f"?{urlencode(query)}" if query else "")
        return await self._request("GET", path, b"")

    async def post(self, path: str, **fields: str) -> Answer:
        """A form."""
        return await self._request("POST", path, urlencode(fields).encode())

    async def _request(self, method: str, path: str, body: bytes) -> Answer:
        headers = [(b"host", b"ranvier.test"), (b"content-length", str(len(body)).encode())]
        if self.cookies:
            cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            headers.append((b"cookie", cookies.encode()))
        status, answered, content = await self._app.handle(method, path, headers, body)
        for name, value in answered:
            if name == b"set-cookie":
                assert b"HttpOnly" in value and b"SameSite=Lax" in value and b"Secure" in value
                cookie, _, rest = value.decode().partition(";")
                key, _, text = cookie.partition("=")
                self.cookies[key] = text
                if "Max-Age=0" in rest:
                    del self.cookies[key]
        return Answer(status, {name.decode(): value.decode() for name, value in answered}, content)


def link_in(answer: Answer) -> str:
    """Where the page's link leads."""
    found = re.search(r'<a href="([^"]+)"', answer.body.decode())
    assert found is not None, answer.body
    return html.unescape(found[1])


def location(answer: Answer) -> str:
    """Where a redirect leads."""
    assert answer.status == 302, (answer.status, answer.body)
    return answer.headers["location"]
