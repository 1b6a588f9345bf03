"""The order of SRV records."""

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from ranvier.net.resolver import Service
from ranvier.net.services import in_order

_services = st.lists(
    st.builds(
        Service,
        priority=st.integers(0, 3),
        weight=st.integers(0, 65535),
        host=st.sampled_from(["a.", "b.", "c."]),
        port=st.integers(1, 65535),
    ),
    max_size=8,
)


@given(_services, st.integers())
def test_every_target_once_and_by_priority(services: list[Service], seed: int) -> None:
    ordered = in_order(services, Random(seed).random)
    assert Counter(ordered) == Counter(services)
    assert [service.priority for service in ordered] == sorted(service.priority for service in services)


def test_heavier_targets_come_first_more_often() -> None:
    light, heavy = Service(0, 10, "light", 1), Service(0, 90, "heavy", 1)
    random = Random(4)
    firsts = Counter(in_order([light, heavy], random.random)[0].host for _ in range(1000))
    assert 850 < firsts["heavy"] < 950


def test_targets_without_weight_come_last_among_equals() -> None:
    none, some = Service(0, 0, "none", 1), Service(0, 5, "some", 1)
    assert [service.host for service in in_order([none, some], lambda: 0.5)] == ["some", "none"]
