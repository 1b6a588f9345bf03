"""`server_notices` and `templates`."""

from pathlib import Path

import pytest

from ranvier.config.load import ConfigError, parse


def test_notices_have_names_unless_others_are_given() -> None:
    notices = parse({"server_name": "test", "server_notices": {"system_mxid_localpart": "notices"}}).server_notices
    assert notices is not None
    assert (notices.localpart, notices.display_name, notices.room_name) == ("notices", "Notices", "Server Notices")
    assert (notices.avatar_url, notices.room_avatar_url, notices.room_topic) == (None, None, None)
    assert notices.auto_join is False
    assert parse({"server_name": "test"}).server_notices is None
    assert parse({"server_name": "test", "server_notices": None}).server_notices is None


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"room_name": "News"}, "option server_notices: needs system_mxid_localpart"),
        ({"system_mxid_localpart": "not:a:name"}, "server_notices.system_mxid_localpart: is not the first part"),
        (
            {"system_mxid_localpart": "n", "room_avatar_url": "https://x"},
            "server_notices.room_avatar_url: expected an mxc",
        ),
        ({"system_mxid_localpart": "n", "system_mxid_avatar_url": "x"}, "system_mxid_avatar_url: expected an mxc"),
    ],
)
def test_mistakes_are_said(section: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse({"server_name": "test", "server_notices": section})


def test_the_folder_of_templates_has_to_be_there(tmp_path: Path) -> None:
    templates = {"custom_template_directory": str(tmp_path)}
    assert parse({"server_name": "test", "templates": templates}).custom_template_directory == str(tmp_path)
    with pytest.raises(ConfigError, match="custom_template_directory: there is no folder"):
        parse({"server_name": "test", "templates": {"custom_template_directory": str(tmp_path / "gone")}})
