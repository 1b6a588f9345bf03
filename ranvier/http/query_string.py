"""A query string as a `msgspec.Struct`: strings converted to the field's types."""

from functools import lru_cache
from typing import Any, TypeVar, cast

import msgspec

from ranvier.http.json_body import explain
from ranvier.proto.errors import invalid_param, missing_param

T = TypeVar("T")


def decode_query(pairs: list[tuple[str, str]], kind: type[T]) -> T:
    """`pairs` as `kind`. Unknown parameters are ignored; of a repeated one the last counts unless its field is a list.

    Raises 400 `M_MISSING_PARAM` for an absent required parameter and `M_INVALID_PARAM` for one of the wrong type.
    """
    key: Any = kind
    lists, required = _fields(key)
    values: dict[str, Any] = dict(pairs)
    for name in lists:
        if name in values:
            values[name] = [value for key, value in pairs if key == name]
    for name in required:
        if name not in values:
            raise missing_param(f"Missing query parameter {name}")
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise invalid_param(f"Query parameter: {explain(error)}") from None


@lru_cache(maxsize=1024)
def _fields(kind: Any) -> tuple[frozenset[str], tuple[str, ...]]:
    """The names of the fields that hold lists, and of those that are required."""
    info = cast(msgspec.inspect.StructType, msgspec.inspect.type_info(kind))
    lists = frozenset(field.encode_name for field in info.fields if _is_list(field.type))
    return lists, tuple(field.encode_name for field in info.fields if field.required)


def _is_list(kind: msgspec.inspect.Type) -> bool:
    if isinstance(kind, msgspec.inspect.UnionType):
        return any(_is_list(part) for part in kind.types)
    return isinstance(kind, msgspec.inspect.CollectionType)
