"""`GET /capabilities`: what a user may do here. Spec: client-server API, "Capabilities negotiation"."""

from typing import Any

import msgspec

from ranvier.config.model import Config
from ranvier.http.request import Request
from ranvier.http.response import Response, encode_json, json_bytes
from ranvier.http.route import Auth, Route, paths, routes
from ranvier.proto.room_versions import ROOM_VERSIONS


class Capabilities(msgspec.Struct):
    """The answer."""

    capabilities: dict[str, dict[str, Any]]


class CapabilitiesApi:
    """Follows from the configuration alone."""

    def __init__(self, *, config: Config) -> None:
        self._body = encode_json(Capabilities(_capabilities(config)))

    def routes(self) -> list[Route]:
        """The module's routes."""
        return routes(
            "GET",
            paths("/capabilities"),
            self.capabilities,
            auth=Auth.USER,
            guest=True,
            answer=Capabilities,
            spec="getCapabilities",
            summary="What the user may do on this server",
        )

    async def capabilities(self, request: Request) -> Response:
        """The same for every user."""
        return json_bytes(self._body)


def _capabilities(config: Config) -> dict[str, dict[str, Any]]:
    passwords = config.password_config
    fixed = [
        *(() if config.enable_set_displayname else ("displayname",)),
        *(() if config.enable_set_avatar_url else ("avatar_url",)),
    ]
    profile_fields: dict[str, Any] = {"enabled": True}
    if fixed:
        profile_fields["disallowed"] = fixed
    return {
        "m.change_password": {"enabled": passwords.enabled_for_reauth and passwords.localdb_enabled},
        "m.room_versions": {
            "default": config.default_room_version,
            "available": dict.fromkeys(ROOM_VERSIONS, "stable"),
        },
        "m.set_displayname": {"enabled": config.enable_set_displayname},
        "m.set_avatar_url": {"enabled": config.enable_set_avatar_url},
        "m.profile_fields": profile_fields,
        "m.forget_forced_upon_leave": {"enabled": config.forget_rooms_on_leave},
        "m.3pid_changes": {"enabled": False},
        "m.get_login_token": {"enabled": False},
    }
