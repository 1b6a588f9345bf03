"""What the registration files of application services say: frozen, typed.

Spec: application services, "Registration".
"""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """Ids that a service cares for: those whose beginning the regular expression matches."""

    exclusive: bool
    regex: str
    matches: Callable[[str], object] = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationService:
    """One service."""

    id: str
    url: str | None
    """None: it wants to be told nothing."""
    as_token: str = field(repr=False)
    hs_token: str = field(repr=False)
    sender: str
    """The id of its own user."""
    users: tuple[Namespace, ...]
    aliases: tuple[Namespace, ...]
    rooms: tuple[Namespace, ...]
    rate_limited: bool
    """Whether the users of its namespaces are limited as others are; its own user never is."""
    receive_ephemeral: bool
    protocols: tuple[str, ...]
