"""Options of which the server says that they cannot mean anything here, and switches that are none."""

import pytest

from ranvier.config.load import parse
from ranvier.config.schema import OPTIONS


@pytest.mark.parametrize(
    ("options", "warning"),
    [
        (
            {"modules": [{"module": "a.B", "config": {}}]},
            "option modules has no effect here: modules are Python classes",
        ),
        ({"password_providers": [{"module": "a.B"}]}, "option password_providers has no effect here"),
        ({"spam_checker": {"module": "a.B"}}, "option spam_checker has no effect here"),
        ({"third_party_event_rules": {"module": "a.B"}}, "option third_party_event_rules has no effect here"),
        ({"stats": {"enabled": False}}, "option stats.enabled has no effect here: nothing is gathered"),
        ({"update_user_directory": False}, "option update_user_directory has no effect here"),
        ({"rc_key_requests": {"per_second": 1}}, "option rc_key_requests has no effect here: nobody is asked"),
        ({"experimental_features": {"msc1": True}}, "option experimental_features.msc1: is no switch here"),
        ({"experimental": {"msc1": True}}, "option experimental.msc1: is no switch here"),
    ],
)
def test_what_has_no_effect_is_said_at_the_start(options: dict[str, object], warning: str) -> None:
    assert [said for said in parse({"server_name": "test", **options}).warnings if warning in said]


def test_there_is_a_reason_for_each_and_none_is_honoured_too() -> None:
    assert [option.path for option in OPTIONS if option.honoured and option.not_applicable] == []
