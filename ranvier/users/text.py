"""Text from clients that goes into a text column."""

from ranvier.proto.errors import invalid_param


def is_storable(text: str) -> bool:
    """Whether every database can hold it: no NUL, no lone surrogate."""
    if "\0" in text:
        return False
    return text.isascii() or text.encode("utf-8", "replace").decode() == text


def storable(text: str, *, name: str, max_length: int) -> str:
    """`text`, unless it cannot be stored or is too long. Raises 400 `M_INVALID_PARAM`."""
    if len(text) > max_length:
        raise invalid_param(f"{name} is too long: at most {max_length} characters")
    if not is_storable(text):
        raise invalid_param(f"{name} holds characters that cannot be stored")
    return text
