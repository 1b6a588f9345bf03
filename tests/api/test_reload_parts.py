"""What a running server takes over from a configuration that is read again, part by part."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ranvier.app.reload import CannotReload
from ranvier.config.changes import changes_between
from ranvier.config.load import parse
from ranvier.config.schema import OPTIONS as TABLE
from ranvier.ratelimit import rates_of
from tests.api.homeserver import OPTIONS, Homeserver


def _options(path: str, value: object) -> dict[str, Any]:
    """A configuration in which one option is set."""
    options: dict[str, Any] = dict(OPTIONS)
    *sections, name = path.split(".")
    inner = options
    for section in sections:
        inner[section] = dict(inner.get(section, {}))
        inner = inner[section]
    inner[name] = value
    return options


def _reload(homeserver: Homeserver, options: dict[str, Any]) -> None:
    for put in homeserver.server.prepare_reload(parse(options)):
        put()


async def test_every_rate_that_can_be_reloaded_is(homeserver: Homeserver) -> None:
    names = [option.path for option in TABLE if option.path.startswith("rc_") and option.reloadable]
    assert set(names) == set(rates_of(homeserver.server.config))
    rate = {"per_second": 0.001, "burst_count": 1}
    for name in names:
        options = _options(name, rate)
        changes = changes_between(parse(dict(OPTIONS)), parse(options))
        assert set(changes.reloaded) == {f"{name}.per_second", f"{name}.burst_count"}
        assert changes.need_restart == ()
        _reload(homeserver, options)
        limiter = homeserver.server.limiters[name]
        limiter.spend("somebody new")
        with pytest.raises(Exception, match="Too many requests"):
            limiter.spend("somebody new")


async def test_caches_become_smaller(homeserver: Homeserver) -> None:
    alice = await homeserver.register("alice")
    room_id = await alice.create_room()
    ids = [await alice.say(room_id, f"{number}") for number in range(150)]
    cache = homeserver.server.rooms.cache
    _reload(homeserver, _options("caches.global_factor", 0.0001))
    stored = await cache.by_id(ids)
    assert len(stored) == 150
    assert sum(cache.peek(event.event_nid) is not None for event in stored.values()) <= 100
    assert homeserver.server.rooms.rooms.size == homeserver.server.users.sessions.size == 100
    (await alice.get("/sync")).ok()


async def test_authorities_that_cannot_be_read_are_told(homeserver: Homeserver, tmp_path: Path) -> None:
    fresh = parse(dict(OPTIONS))
    gone = replace(fresh.federation, custom_ca_list=("",), custom_ca_paths=(str(tmp_path / "gone.pem"),))
    with pytest.raises(CannotReload, match=r"option federation_custom_ca_list: .*gone\.pem"):
        homeserver.server.prepare_reload(replace(fresh, federation=gone))
