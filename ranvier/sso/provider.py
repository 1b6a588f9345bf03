"""Who tells this server who somebody is: what a provider has to offer, and what it says of a user."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ranvier.config.sso_sections import AttributeRequirement

CALLBACK = "_synapse/client/oidc/callback"
"""Where OpenID providers send users back to, below `public_baseurl`."""
CAS_TICKET = "_matrix/client/r0/login/cas/ticket"
"""Where a CAS server does."""


class SignOnFailed(Exception):
    """Somebody cannot be let in. The first text is a short word, the second is for people."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCard:
    """What is shown of a provider; the names are those of the templates."""

    idp_id: str
    idp_name: str
    idp_icon: str | None
    idp_brand: str | None
    enable_registration: bool
    allow_existing_users: bool

    def description(self) -> dict[str, str]:
        """One of `identity_providers` of `m.login.sso`."""
        shown = {"id": self.idp_id, "name": self.idp_name, "icon": self.idp_icon, "brand": self.idp_brand}
        return {name: value for name, value in shown.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a provider says of a user."""

    external_id: str
    """Never changes."""
    localpart: str | None = None
    """`None`: the user chooses."""
    confirm_localpart: bool = False
    display_name: str | None = None
    emails: Sequence[str] = ()
    extra_attributes: Mapping[str, Any] = field(default_factory=dict)
    """Goes into the answer of the login."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """Where a user is sent, and what has to be known when they come back."""

    location: str
    kept: Mapping[str, str]


class Provider(Protocol):
    """One provider."""

    card: ProviderCard

    async def depart(self, state: str, passed: Mapping[str, str]) -> Departure:
        """Where to send a user who wants to be known; `state` comes back with them.

        `passed` is the query of the request that began it. Raises `SignOnFailed`.
        """
        ...

    async def arrive(self, query: Mapping[str, str], kept: Mapping[str, str], state: str) -> Identity:
        """Who came back with this query. Raises `SignOnFailed`."""
        ...


def check_requirements(attributes: Mapping[str, Any], requirements: Sequence[AttributeRequirement]) -> None:
    """Raises `SignOnFailed` for who lacks one of them."""
    for requirement in requirements:
        found = attributes.get(requirement.attribute)
        values = found if isinstance(found, list) else [] if found is None else [found]
        wanted = requirement.one_of
        if not values or (wanted is not None and not any(_text(value) in wanted for value in values)):
            raise SignOnFailed("unauthorised", "You are not authorised to log in here.")


def _text(value: object) -> str:
    """As the configuration's values have been written down: YAML's `true` is `True`."""
    return str(value)
