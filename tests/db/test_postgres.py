"""What is special about PostgreSQL: connections that die, and a pool with few of them."""

import asyncio

import pytest

from ranvier.db.engine import Database, DatabaseError
from ranvier.db.postgres_settings import connect_arguments
from tests.conftest import DatabaseDict
from tests.services.postgres import Postgres


@pytest.fixture(name="db_config")
def _db_config(postgres: Postgres, postgres_database: str) -> DatabaseDict:
    """PostgreSQL alone."""
    return {"name": "psycopg2", "args": {**postgres.args(postgres_database), "cp_max": 4}}


async def test_a_killed_connection_fails_its_user_and_nobody_after(db: Database) -> None:
    with pytest.raises(DatabaseError):
        async with db.write() as tx:
            await tx.value("SELECT pg_terminate_backend(pg_backend_pid())")
    assert await db.value("SELECT 1") == 1
    async with db.write() as tx:
        assert await tx.value("SELECT 2") == 2


async def test_idle_connections_that_died_are_replaced(db: Database) -> None:
    await asyncio.gather(*(db.value("SELECT pg_sleep(0.02)") for _ in range(4)))
    async with db.write() as tx:
        await tx.all(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    await asyncio.sleep(0.05)
    assert await asyncio.gather(*(db.value("SELECT 1") for _ in range(8))) == [1] * 8


async def test_more_users_than_connections_wait_for_each_other(db: Database) -> None:
    async with db.write() as tx:
        await tx.run("CREATE TABLE t (a BIGINT)")

    async def insert(number: int) -> None:
        async with db.write() as tx:
            await tx.run("INSERT INTO t (a) VALUES ($1)", number)

    await asyncio.gather(*(insert(number) for number in range(20)))
    assert await db.value("SELECT COUNT(*) FROM t") == 20
    assert await db.value("SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()") <= 4


async def test_a_cancelled_statement_leaves_a_usable_connection(db: Database) -> None:
    for _ in range(6):  # more often than there are connections
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(db.value("SELECT pg_sleep(10)"), 0.02)
    assert await db.value("SELECT 1") == 1


def test_arguments_of_the_file() -> None:
    arguments = connect_arguments(
        {
            "user": "ran vier",
            "password": "p@ss/word&x",
            "dbname": "matrix",
            "host": "/run/postgresql",
            "port": 5433,
            "keepalives_idle": 10,
            "connect_timeout": 5,
            "sslmode": None,
        }
    )
    assert arguments["dsn"] == (
        "postgresql://?user=ran+vier&password=p%40ss%2Fword%26x&dbname=matrix&host=%2Frun%2Fpostgresql&port=5433"
        "&application_name=ranvier"
    )
    assert arguments["timeout"] == 5.0
