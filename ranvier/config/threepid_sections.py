"""Which addresses accounts may have, and where the links in mails may lead on to."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from ranvier.config.values import Values


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreepidRules:
    """`allowed_local_3pids` and `next_link_domain_whitelist`."""

    allowed: tuple[tuple[str, re.Pattern[str]], ...] | None
    """Medium, and what an address of it begins with; `None`: all are."""
    next_link_domains: frozenset[str] | None
    """`None`: all; empty: none."""

    def allow(self, medium: str, address: str) -> bool:
        """Whether an account may have it."""
        return self.allowed is None or any(
            medium == allowed and pattern.match(address) is not None for allowed, pattern in self.allowed
        )

    def allow_next(self, link: str) -> bool:
        """Whether a browser may be sent there."""
        return self.next_link_domains is None or (urlsplit(link).hostname or "") in self.next_link_domains


def build_threepid_rules(values: Values) -> ThreepidRules:
    """Both options."""
    domains = values.get("next_link_domain_whitelist")
    allowed = [
        (rule.text("medium"), re.compile(rule.get("pattern")))
        for rule in values.items("allowed_local_3pids")
        if rule.is_set("medium") and rule.is_set("pattern")
    ]
    return ThreepidRules(
        allowed=tuple(allowed) if values.is_set("allowed_local_3pids") else None,
        next_link_domains=None if domains is None else frozenset(str(domain).lower() for domain in domains),
    )
