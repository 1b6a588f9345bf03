"""Coverage-guided fuzzing of what reads bytes of strangers without asking anybody: `make fuzz`.

Runs in an environment that has atheris (`tests/fuzz/atheris_environment.py`); the suite only checks that every target
accepts its own seeds. A target raises nothing but what its contract says, whatever the bytes are.
"""

import importlib
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from ranvier.http.json_body import decode_body
from ranvier.proto.canonical_json import NotCanonical, decode, decode_lenient, encode
from ranvier.proto.errors import MatrixError
from ranvier.proto.event_format import InvalidEvent, parse_event
from ranvier.proto.filters import parse_filter
from ranvier.proto.globs import compile_glob, compile_word_glob
from ranvier.proto.ids import is_room_alias, is_room_id, is_server_name, is_user_id, split_server_name
from ranvier.proto.key_documents import InvalidKeyDocument, read_key_document
from ranvier.proto.redaction import redact
from ranvier.proto.room_versions import ROOM_VERSIONS
from ranvier.proto.server_acl import ServerAcl
from ranvier.proto.unpadded_base64 import decode_base64
from ranvier.proto.x_matrix import MalformedXMatrix, parse_x_matrix

_VERSIONS: Final = tuple(ROOM_VERSIONS.values())


def _json(data: bytes) -> Any:
    """What another server would be understood to say; raises `NotCanonical`."""
    return decode_lenient(data)


def canonical_json(data: bytes) -> None:
    """What is read can be written, and is then the same to everybody who reads it."""
    with suppress(NotCanonical):
        value = decode(data)
        written = encode(value)
        assert decode(written) == value
        assert encode(decode(written)) == written


def request_body(data: bytes) -> None:
    """Is an object, or the client's error."""
    with suppress(MatrixError):
        decode_body(data, dict[str, Any])


def event(data: bytes) -> None:
    """A PDU of each room version, and what is left when it is redacted: an event with the same ID."""
    with suppress(NotCanonical):
        pdu = _json(data)
        if not isinstance(pdu, dict):
            return
        for version in _VERSIONS:
            with suppress(InvalidEvent, NotCanonical):
                parsed = parse_event(dict(pdu), version)
                again = parse_event(redact(pdu, version), version)
                assert again.event_id == parsed.event_id


def key_document(data: bytes) -> None:
    """The list of another server's keys."""
    with suppress(NotCanonical, InvalidKeyDocument):
        read_key_document(_json(data), "there.test")


def authorization_header(data: bytes) -> None:
    """Who claims to have sent a request."""
    with suppress(MalformedXMatrix):
        parse_x_matrix(data.decode("latin-1"))


def filter_of_client(data: bytes) -> None:
    """A filter, or the client's error."""
    with suppress(MatrixError):
        parse_filter(data)


def identifiers(data: bytes) -> None:
    """Names of all kinds; what is a server name can be split."""
    text = data.decode("utf-8", "surrogateescape")
    for check in (is_user_id, is_room_id, is_room_alias):
        check(text)
    if is_server_name(text):
        split_server_name(text)
    decode_base64(text)


def patterns(data: bytes) -> None:
    """A glob, and a text to compare."""
    pattern, _, text = data.decode("utf-8", "replace").partition("\n")
    compile_glob(pattern)(text)
    compile_word_glob(pattern)(text)


def server_acl(data: bytes) -> None:
    """Which servers may take part in a room."""
    with suppress(NotCanonical):
        content = _json(data)
        if isinstance(content, dict):
            ServerAcl(content).allows("there.test:8448")


_PDU: Final = (
    b'{"type":"m.room.message","sender":"@a:b","room_id":"!r:b","content":{"body":"x"},"depth":1,"origin_server_ts":1,'
    b'"prev_events":[],"auth_events":[],"hashes":{"sha256":"x"},"signatures":{"b":{"ed25519:a":"x"}},"event_id":"$e:b"}'
)
_KEYS: Final = (
    b'{"server_name":"there.test","valid_until_ts":9,"verify_keys":{"ed25519:a":{"key":"'
    + b"A" * 43
    + b'"}},"old_verify_keys":{},"signatures":{}}'
)

Target = Callable[[bytes], None]
TARGETS: Final[Mapping[str, tuple[Target, tuple[bytes, ...]]]] = {
    "canonical_json": (canonical_json, (b'{"a":[1,-1,null,true,"\\u00e4"]}', b"1e1", b"[[[[]]]]", b'"\\ud800"')),
    "request_body": (request_body, (b'{"a":{"b":[1,2]}}', b"{", b'{"a":NaN}', b"\xef\xbb\xbf{}")),
    "event": (event, (_PDU, b'{"type":"m.room.create"}', b"[]")),
    "key_document": (key_document, (_KEYS, b"{}")),
    "authorization_header": (
        authorization_header,
        (b'X-Matrix origin="a.b",destination="c.d",key="ed25519:a",sig="xyz"', b'X-Matrix origin="\\"', b"Bearer x"),
    ),
    "filter_of_client": (filter_of_client, (b'{"room":{"timeline":{"limit":5,"types":["m.*"]}}}', b'{"room":1}')),
    "identifiers": (identifiers, (b"@a:b.c:80", b"!r:[::1]:8448", b"#x:1.2.3.4", b"b.c:99999")),
    "patterns": (patterns, (b"*.ex?mple.*\nan.example.org", b"****a\naaaa", b"[\n[")),
    "server_acl": (server_acl, (b'{"allow":["*"],"deny":["*.evil","1.2.3.?"],"allow_ip_literals":false}', b"{}")),
}
"""What is fuzzed, and where it begins."""


def main() -> None:
    """Fuzz one target: its name, and then what libFuzzer takes."""
    # Only the environment of the fuzzer has it.
    atheris: Any = importlib.import_module("atheris")
    target, _ = TARGETS[sys.argv.pop(1)]
    atheris.instrument_all()
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
