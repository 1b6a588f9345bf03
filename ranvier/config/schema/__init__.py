"""Every option that a configuration file may hold, by subject.

The names and defaults are those of Synapse 1.76 and of later releases, so that a file that works there is understood
here.
"""

from dataclasses import replace
from functools import cache

from ranvier.config.option import Option
from ranvier.config.schema import (
    appservices,
    captcha_turn,
    directory,
    email,
    federation,
    keys,
    legacy,
    limits,
    listeners,
    media,
    metrics,
    modules,
    oidc,
    passwords,
    profiles,
    ratelimits,
    registration,
    retention,
    rooms,
    saml,
    server,
    sso,
    storage,
    workers,
)
from ranvier.config.schema_tree import Place, grow

# A worker's listeners are listeners.
_WORKER_LISTENERS = tuple(
    replace(option, path=f"worker_{option.path}", honoured=False)
    for option in listeners.OPTIONS
    if option.path.startswith("listeners[]")
)

OPTIONS: tuple[Option, ...] = (
    *server.OPTIONS,
    *listeners.OPTIONS,
    *modules.OPTIONS,
    *profiles.OPTIONS,
    *email.OPTIONS,
    *limits.OPTIONS,
    *retention.OPTIONS,
    *federation.OPTIONS,
    *storage.OPTIONS,
    *ratelimits.OPTIONS,
    *media.OPTIONS,
    *captcha_turn.OPTIONS,
    *registration.OPTIONS,
    *passwords.OPTIONS,
    *metrics.OPTIONS,
    *appservices.OPTIONS,
    *keys.OPTIONS,
    *saml.OPTIONS,
    *oidc.OPTIONS,
    *sso.OPTIONS,
    *rooms.OPTIONS,
    *directory.OPTIONS,
    *workers.OPTIONS,
    *_WORKER_LISTENERS,
    *legacy.OPTIONS,
)


@cache
def schema() -> Place:
    """The options as a tree; the same one each time, not to be changed."""
    return grow(OPTIONS)
