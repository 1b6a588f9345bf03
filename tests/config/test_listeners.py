"""`listeners`."""

import pytest

from ranvier.config.load import ConfigError, parse
from ranvier.config.registration_access import local_client_url
from ranvier.config.sections import Listener


def _listeners(*listeners: dict[str, object], **options: object) -> tuple[Listener, ...]:
    return parse({"server_name": "test", "listeners": list(listeners)} | options).listeners


def test_a_listener_with_everything() -> None:
    (listener,) = _listeners(
        {
            "port": 8443,
            "type": "http",
            "tls": True,
            "tag": "outside",
            "x_forwarded": True,
            "request_id_header": "X-Request-Id",
            "bind_addresses": ["127.0.0.1"],
            "resources": [{"names": ["client"], "compress": True}, {"names": ["federation", "health"]}],
        },
        tls_certificate_path="cert.pem",
        tls_private_key_path="key.pem",
    )
    assert (listener.port, listener.tls, listener.x_forwarded) == (8443, True, True)
    assert (listener.log_tag, listener.request_id_header) == ("outside", "X-Request-Id")
    assert listener.resource_names == {"client", "federation", "health"}
    assert [resource.compress for resource in listener.resources] == [True, False]


def test_without_addresses_it_is_all_of_them() -> None:
    (listener,) = _listeners({"port": 8008})
    assert listener.bind_addresses == ("::", "0.0.0.0")
    assert listener.log_tag == "8008"


def test_the_singular_form_of_addresses() -> None:
    (listener,) = _listeners({"port": 8008, "bind_address": "127.0.0.1"})
    assert listener.bind_addresses == ("127.0.0.1",)


@pytest.mark.parametrize(("mode", "permissions"), [("0o660", 0o660), ("660", 0o660), (0o666, 0o666), (None, None)])
def test_a_unix_socket(mode: object, permissions: int | None) -> None:
    (listener,) = _listeners({"path": "/run/main.sock", "mode": mode})
    assert (listener.path, listener.mode, listener.port) == ("/run/main.sock", permissions, None)
    assert listener.bind_addresses == ()
    assert listener.log_tag == "/run/main.sock"


@pytest.mark.parametrize(
    ("listener", "problem"),
    [
        ({"type": "http"}, r"listeners\[0\]\.port: is required"),
        ({"port": 8008, "path": "/run/x"}, "path: is set beside port"),
        ({"port": 8008, "tls": True}, "tls: needs tls_certificate_path"),
        ({"path": "/run/x", "tls": True}, "tls: is not for unix sockets"),
        ({"port": 8008, "type": "gopher"}, "type: expected one of http, manhole, metrics"),
        ({"port": 8008, "bind_addresses": "::"}, "bind_addresses: expected a list"),
        ({"port": 8008, "resources": [{}]}, r"resources\[0\]\.names: is required"),
        (
            {"port": 8008, "additional_resources": {"/_example": {"module": "a.B"}}},
            r"listeners\[0\]\.additional_resources\./_example: classes that answer requests cannot be loaded.*reverse proxy",
        ),
        ({"path": "/run/x", "mode": "rw-rw-rw-"}, "mode: expected file permissions"),
        ({"port": 9000, "type": "manhole", "tls": True}, "tls: is not for a manhole"),
    ],
)
def test_listeners_that_cannot_be(listener: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        _listeners(listener)


def test_a_manhole_is_on_the_loopback() -> None:
    (listener,) = _listeners({"port": 9000, "type": "manhole"})
    assert (listener.type, listener.bind_addresses) == ("manhole", ("::1", "127.0.0.1"))
    (short,) = _listeners(manhole=9000)
    assert short == listener
    _, short = _listeners({"port": 8008}, manhole=9001)
    assert (short.type, short.port, short.bind_addresses) == ("manhole", 9001, ("::1", "127.0.0.1"))


def test_a_manhole_elsewhere_needs_a_password_of_its_own() -> None:
    manhole: dict[str, object] = {"port": 9000, "type": "manhole", "bind_addresses": ["127.0.0.1", "10.0.0.7"]}
    with pytest.raises(ConfigError, match=r"bind_addresses: 10.0.0.7 can be reached.*set manhole_settings.password"):
        _listeners(manhole)
    (listener,) = _listeners(manhole, manhole_settings={"password": "my own"})
    assert listener.bind_addresses == ("127.0.0.1", "10.0.0.7")
    assert "my own" not in repr(parse({"server_name": "test", "manhole_settings": {"password": "my own"}}))


@pytest.mark.parametrize(
    ("listeners", "url"),
    [
        ([], None),
        ([{"port": 8008, "resources": [{"names": ["federation"]}]}], None),
        ([{"path": "/run/x", "resources": [{"names": ["client"]}]}], None),
        ([{"port": 8008, "resources": [{"names": ["client"]}]}], "http://localhost:8008"),
        (
            [{"port": 1, "bind_addresses": ["::1", "127.0.0.1"], "resources": [{"names": ["client"]}]}],
            "http://localhost:1",
        ),
        ([{"port": 1, "bind_addresses": ["10.0.0.7"], "resources": [{"names": ["client"]}]}], "http://10.0.0.7:1"),
        ([{"port": 1, "bind_addresses": ["fd00::7"], "resources": [{"names": ["client"]}]}], "http://[fd00::7]:1"),
        (
            [
                {"port": 443, "tls": True, "resources": [{"names": ["client"]}]},
                {"port": 8008, "resources": [{"names": ["client"]}]},
            ],
            "http://localhost:8008",
        ),
        ([{"port": 443, "tls": True, "resources": [{"names": ["client"]}]}], "https://localhost:443"),
    ],
)
def test_where_a_program_on_this_machine_finds_the_server(listeners: list[dict[str, object]], url: str | None) -> None:
    assert local_client_url(_listeners(*listeners, tls_certificate_path="c", tls_private_key_path="k")) == url
