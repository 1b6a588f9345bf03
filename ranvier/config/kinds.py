"""What values an option takes: each kind says what it expects and turns the written value into ours.

Durations become whole milliseconds, sizes bytes. Pure: reads no file, knows no option.
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass

_UNITS_MS = {
    "": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 7 * 86_400_000,
    "y": 365 * 86_400_000,
}
_UNITS_BYTES = {"": 1, "K": 1 << 10, "KiB": 1 << 10, "M": 1 << 20, "MiB": 1 << 20, "G": 1 << 30, "GiB": 1 << 30}
_MEASURE = re.compile(r"\s*([0-9]+)\s*([A-Za-z]*)\s*")
_SERVER_NAME = re.compile(r"(?:[0-9a-z.-]{1,255}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?")


class Unacceptable(ValueError):
    """The value is not of the kind; the kind's `expected` says what would be."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of option values.

    `parse` takes a scalar, list or dict as YAML gives it and returns the value as the program uses it, or raises
    `Unacceptable`. `item` is the kind of the elements of a list or of the values of a map, which are then checked one
    by one, so that a mistake is reported on its own line.
    """

    expected: str
    parse: Callable[[object], object]
    item: "Kind | None" = None
    nullable: bool = False
    """Whether `null` is a value of its own. Elsewhere `null` is as good as leaving the option out."""
    is_open: bool = False
    """Whether a mapping may hold keys that nobody listed."""


def _exactly(kind: type) -> Callable[[object], object]:
    def parse(value: object) -> object:
        if type(value) is not kind:
            raise Unacceptable
        return value

    return parse


def _int_between(low: int, high: int) -> Callable[[object], object]:
    def parse(value: object) -> object:
        if type(value) is not int or not low <= value <= high:
            raise Unacceptable
        return value

    return parse


def _number(value: object) -> float:
    if type(value) not in (int, float):
        raise Unacceptable
    number = float(value)  # type: ignore[arg-type]  # an int or a float, by the line above
    if not 0 <= number < float("inf"):
        raise Unacceptable
    return number


def _whole(value: object) -> int:
    number = _number(value)
    if number != int(number):
        raise Unacceptable
    return int(number)


def _measure(value: object, units: dict[str, int]) -> int:
    if type(value) is int and value >= 0:
        return value
    found = _MEASURE.fullmatch(value) if isinstance(value, str) else None
    if found is None or found[2] not in units:
        raise Unacceptable
    return int(found[1]) * units[found[2]]


def parse_duration_ms(value: object) -> int:
    """`"5m"` and `300000` are five minutes. Raises `Unacceptable`."""
    return _measure(value, _UNITS_MS)


def parse_size_bytes(value: object) -> int:
    """`"10M"` and `10485760` are ten mebibytes. Raises `Unacceptable`."""
    return _measure(value, _UNITS_BYTES)


def _duration_or_for_ever(value: object) -> int | None:
    return None if value in (None, "infinity", "infinite") else parse_duration_ms(value)


def _server_name(value: object) -> str:
    if not isinstance(value, str) or len(value) > 230 or not _SERVER_NAME.fullmatch(value):
        raise Unacceptable
    return value


def _url(value: object) -> str:
    if not isinstance(value, str) or not re.match(r"https?://[^/\s]+", value):
        raise Unacceptable
    return value


def _regex(value: object) -> str:
    if not isinstance(value, str):
        raise Unacceptable
    try:
        re.compile(value)
    except re.error as error:
        raise Unacceptable from error
    return value


def _network(value: object) -> str:
    if not isinstance(value, str):
        raise Unacceptable
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError as error:
        raise Unacceptable from error
    return value


def unpadded_base64(text: str) -> bytes:
    """Decode base64 with or without padding. Raises `ValueError`."""
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _base64(value: object) -> bytes:
    if not isinstance(value, str):
        raise Unacceptable
    try:
        return unpadded_base64(value)
    except ValueError as error:
        raise Unacceptable from error


def _text_or_number(value: object) -> str:
    if type(value) not in (str, int, float):
        raise Unacceptable
    return str(value)


def _permissions(value: object) -> int:
    """`0o660`, which YAML 1.1 gives as text, `"660"`, or the number that YAML makes of `0660`."""
    if type(value) is int and 0 <= value <= 0o777:
        return value
    if isinstance(value, str) and re.fullmatch(r"(?:0o?)?[0-7]{3}", value):
        return int(value[-3:], 8)
    raise Unacceptable


def _names(value: object) -> list[str]:
    """One name or a list of names, as a list."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Unacceptable
    return names


BOOL = Kind("true or false", _exactly(bool))
INT = Kind("a whole number", _exactly(int))
COUNT = Kind("a whole number, zero or more", _whole)
POSITIVE = Kind("a whole number, one or more", _int_between(1, 2**53))
PORT = Kind("a port from 0 to 65535", _int_between(0, 65535))
FLOAT = Kind("a number, zero or more", _number)
STRING = Kind("text", _exactly(str))
TEXT_OR_NUMBER = Kind("text or a number", _text_or_number)
PATH = Kind("a path", _exactly(str))
URL = Kind("an http or https URL", _url)
GLOB = Kind("a pattern with * and ?", _exactly(str))
REGEX = Kind("a regular expression", _regex)
NETWORK = Kind("an IP address or network such as 10.0.0.0/8", _network)
BASE64 = Kind("base64", _base64)
SERVER_NAME = Kind("a server name in lower case, such as example.org or example.org:8448", _server_name)
DURATION = Kind("a duration such as 500, 30s, 5m, 1h, 7d, 2w or 1y", parse_duration_ms)
DURATION_OR_NULL = Kind(DURATION.expected + ", or null", _duration_or_for_ever, nullable=True)
LIFETIME = Kind(DURATION.expected + ", or infinity", _duration_or_for_ever, nullable=True)
SIZE = Kind("a size such as 1024, 10K or 50M", parse_size_bytes)
RATE = Kind("a mapping with per_second and burst_count", _exactly(dict))
SECTION = Kind("a mapping", _exactly(dict))
OBJECT = Kind("a mapping", _exactly(dict), is_open=True)
LIST = Kind("a list", _exactly(list))
NAMES = Kind("a name or a list of names", _names)
PERMISSIONS = Kind("file permissions such as 0o660", _permissions)
ANY = Kind("anything", lambda value: value)


def list_of(item: Kind) -> Kind:
    """A list whose elements are all of one kind."""
    return Kind("a list", _exactly(list), item=item)


def map_of(item: Kind) -> Kind:
    """A mapping with free keys whose values are all of one kind."""
    return Kind("a mapping", _exactly(dict), item=item, is_open=True)


def whole_between(low: int, high: int) -> Kind:
    """A whole number in a range, both ends included."""
    return Kind(f"a whole number from {low} to {high}", _int_between(low, high))


def triple_of(item: Kind) -> Kind:
    """A list of exactly three."""

    def parse(value: object) -> object:
        if not isinstance(value, list) or len(value) != 3:
            raise Unacceptable
        return [item.parse(element) for element in value]

    return Kind("a list of three: each " + item.expected, parse)


def one_of(*choices: str | bool) -> Kind:
    """One of some words. YAML reads an unquoted `off` as false: that is accepted where `off` is a choice."""

    def parse(value: object) -> object:
        if value is False and False not in choices and "off" in choices:
            return "off"
        if type(value) in (int, float):
            value = str(value)
        if not any(value == choice and type(value) is type(choice) for choice in choices):
            raise Unacceptable
        return value

    return Kind(
        "one of " + ", ".join(str(choice).lower() if choice in (True, False) else str(choice) for choice in choices),
        parse,
    )
