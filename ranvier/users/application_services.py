"""Which ids belong to which application service.

Spec: application services, "Registration", "Server admin style permissions".
"""

from collections.abc import Sequence
from typing import Final

from ranvier.config.application_services import ApplicationService, Namespace
from ranvier.proto.errors import MatrixError
from ranvier.proto.ids import domain_of
from ranvier.users.token_text import token_digest

LOGIN: Final = "m.login.application_service"
"""The type of login, and of registration, that is a service's."""


class ApplicationServices:
    """The services of this server."""

    def __init__(self, services: Sequence[ApplicationService], *, server_name: str) -> None:
        self.services = tuple(services)
        self._server_name = server_name
        self._by_digest = {token_digest(service.as_token): service for service in services}

    def by_digest(self, digest: bytes) -> ApplicationService | None:
        """The service with the token of this digest."""
        return self._by_digest.get(digest)

    def by_token(self, token: str) -> ApplicationService:
        """The service with this token. Raises 401 `M_MISSING_TOKEN`, `M_UNKNOWN_TOKEN`."""
        if not token:
            raise MatrixError(401, "M_MISSING_TOKEN", "Missing the application service's token")
        service = self._by_digest.get(token_digest(token))
        if service is None:
            raise MatrixError(401, "M_UNKNOWN_TOKEN", "This is no application service's token")
        return service

    def may_be(self, service: ApplicationService, user_id: str) -> bool:
        """Whether a service may act as a user: its own, or one of this server in its namespaces."""
        if user_id == service.sender:
            return True
        return domain_of(user_id) == self._server_name and _is_in(service.users, user_id)

    def is_reserved_user(self, user_id: str, *, besides: str | None = None) -> bool:
        """Whether a service, another than `besides` (an id), has reserved this user id for itself."""
        return any(
            service.id != besides and (user_id == service.sender or _is_in(service.users, user_id, exclusive=True))
            for service in self.services
        )

    def check_alias(self, alias: str, *, appservice_id: str | None) -> None:
        """Raises 400 `M_EXCLUSIVE` for an alias that is reserved, or, for a service, not in a namespace of its own."""
        for service in self.services:
            if service.id == appservice_id:
                if not _is_in(service.aliases, alias):
                    raise exclusive(f"{alias} is not in a namespace of this application service")
            elif _is_in(service.aliases, alias, exclusive=True):
                raise exclusive(f"{alias} is reserved for an application service")


def exclusive(error: str) -> MatrixError:
    """400 `M_EXCLUSIVE`."""
    return MatrixError(400, "M_EXCLUSIVE", error)


def _is_in(namespaces: Sequence[Namespace], value: str, *, exclusive: bool = False) -> bool:
    return any(namespace.matches(value) is not None for namespace in namespaces if namespace.exclusive or not exclusive)
