"""One-time keys survive the change of their tables."""

from msgspec import Raw

from ranvier.db.engine import Database
from ranvier.db.migrate import load_migrations, migrate
from ranvier.store import one_time_keys as store

_USER = "@a:ranvier.test"
_ALGORITHM = "signed_curve25519"


async def test_keys_of_older_schemas_are_given_out_in_their_order(db: Database) -> None:
    steps = load_migrations()
    await migrate(db, now_ms=0, migrations=[step for step in steps if step.version < 21])
    rows = [
        ("PHONE", _ALGORITHM, 7, 'b"[', b'{"key":"b"}'),
        ("PHONE", _ALGORITHM, 5, "a", b'{"key":"a"}'),
        ("PHONE", _ALGORITHM, -9, "given", b'{"key":"given"}'),
        ("PHONE", "curve25519", 1, "p", b'"p"'),
        ("LAPTOP", _ALGORITHM, -9, "gone", b'{"key":"gone"}'),
    ]
    async with db.write() as tx:
        await tx.many(
            "INSERT INTO one_time_keys (user_id, device_id, algorithm, seq, key_id, key)"
            " VALUES ('@a:ranvier.test', $1, $2, $3, $4, $5)",
            rows,
        )
    await migrate(db, now_ms=0)
    assert (await store.counts(db, _USER, "PHONE")).one_time == {_ALGORITHM: 2, "curve25519": 1}
    async with db.write() as tx:
        await store.lengthen(tx, _USER, "PHONE", _ALGORITHM, 2)
        more = {"c": Raw(b'{"key":"c"}'), "d": Raw(b'{"key":"d"}')}
        await store.insert(tx, (_USER, "PHONE"), _ALGORITHM, more, first_no=3, ts=0)
        found = []
        for _ in range(5):
            found += await store.claim(tx, _ALGORITHM, [(_USER, "PHONE"), (_USER, "LAPTOP")])
    assert [(key.key_id, key.key) for key in found] == [
        ("a", b'{"key":"a"}'),
        ('b"[', b'{"key":"b"}'),
        ("c", b'{"key":"c"}'),
        ("d", b'{"key":"d"}'),
    ]
