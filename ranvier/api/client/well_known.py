"""`/.well-known/matrix/*`: where clients and other servers find this server.

Spec: client-server API, "Well-known URIs"; server-server API, "Server discovery".
"""

from typing import Any

import msgspec

from ranvier.config.model import Config
from ranvier.http.request import Request
from ranvier.http.response import Response, encode_json, json_bytes
from ranvier.http.route import Auth, Route, routes
from ranvier.proto.errors import not_found


class Delegated(msgspec.Struct):
    """Where other servers find this one."""

    server: str = msgspec.field(name="m.server")


class WellKnownApi:
    """Follows from the configuration alone."""

    def __init__(self, *, config: Config) -> None:
        client = client_well_known(config)
        self._client = None if client is None else encode_json(client)
        self._server = (
            encode_json({"m.server": f"{config.server_name.partition(':')[0]}:443"})
            if config.serve_server_wellknown and not config.server_name.startswith("[")
            else None
        )

    def routes(self) -> list[Route]:
        """The module's routes."""
        return [
            *routes(
                "GET",
                "/.well-known/matrix/client",
                self.client,
                auth=Auth.NONE,
                answer=dict[str, Any],
                spec="getWellknown",
                summary="Where clients find this server",
            ),
            *routes(
                "GET",
                "/.well-known/matrix/server",
                self.server,
                auth=Auth.NONE,
                answer=Delegated,
                spec="getWellKnown",
                summary="Where other servers find this server",
            ),
        ]

    async def client(self, request: Request) -> Response:
        """Raises 404 `M_NOT_FOUND` if `public_baseurl` is not set."""
        if self._client is None:
            raise not_found("This server does not say where it is")
        return json_bytes(self._client)

    async def server(self, request: Request) -> Response:
        """Raises 404 `M_NOT_FOUND` unless `serve_server_wellknown` is on."""
        if self._server is None:
            raise not_found("This server does not delegate")
        return json_bytes(self._server)


def client_well_known(config: Config) -> dict[str, Any] | None:
    """The content of `/.well-known/matrix/client`, which logins repeat; `None` if there is none."""
    if not config.public_baseurl_is_set:
        return None
    identity = config.default_identity_server
    return {
        "m.homeserver": {"base_url": config.public_baseurl},
        **({} if identity is None else {"m.identity_server": {"base_url": identity}}),
        **config.extra_well_known_client_content,
    }
