"""A homeserver that sends mail, on each database, and the mail server that it sends to."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from tests.api.homeserver import Homeserver, running
from tests.mail.mail_server import Mailbox, mail_server

MANY = {"per_second": 10_000, "burst_count": 10_000}
Mailing = Callable[..., AbstractAsyncContextManager[Homeserver]]


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with mail_server() as box:
        yield box


@pytest.fixture
def mailing(mailbox: Mailbox, tmp_path: Any) -> Mailing:
    """Starts homeservers that send their mail to `mailbox`: `mailing(email={...}, option=value)`; on SQLite."""

    @asynccontextmanager
    async def start(
        database: Mapping[str, Any] | None = None,
        clock: Any = None,
        *,
        email: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> AsyncIterator[Homeserver]:
        section = {"smtp_host": "127.0.0.1", "smtp_port": mailbox.port, "notif_from": "%(app)s <noreply@ranvier.test>"}
        database = database or {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
        options = {"rc_3pid_validation": MANY, "public_baseurl": "https://matrix.ranvier.test", **options}
        async with running(database, clock, email={**section, **(email or {})}, **options) as server:
            yield server

    return start


@pytest.fixture
async def homeserver(db_config: Mapping[str, Any], mailing: Mailing) -> AsyncIterator[Homeserver]:
    async with mailing(db_config) as server:
        yield server
