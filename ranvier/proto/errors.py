"""The errors of the Matrix APIs.

Spec: client-server API, "Standard error response". A `MatrixError` raised anywhere below the HTTP layer becomes exactly
one JSON answer; its text is read by people and never holds internals.
"""

from collections.abc import Mapping


class MatrixError(Exception):
    """An error that a client or another server is told about.

    `status` is the HTTP status, `errcode` the spec's `M_*` code, `error` a sentence for people, `extra` further
    top-level keys of the answer (for instance `retry_after_ms`), `headers` further response headers.
    """

    def __init__(
        self,
        status: int,
        errcode: str,
        error: str,
        *,
        extra: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {errcode}: {error}")
        self.status = status
        self.errcode = errcode
        self.error = error
        self.extra: Mapping[str, object] = extra or {}
        self.headers: Mapping[str, str] = headers or {}


def forbidden(error: str) -> MatrixError:
    """403 `M_FORBIDDEN`."""
    return MatrixError(403, "M_FORBIDDEN", error)


def not_found(error: str) -> MatrixError:
    """404 `M_NOT_FOUND`."""
    return MatrixError(404, "M_NOT_FOUND", error)


def bad_json(error: str) -> MatrixError:
    """400 `M_BAD_JSON`: valid JSON of the wrong shape."""
    return MatrixError(400, "M_BAD_JSON", error)


def invalid_param(error: str) -> MatrixError:
    """400 `M_INVALID_PARAM`."""
    return MatrixError(400, "M_INVALID_PARAM", error)


def missing_param(error: str) -> MatrixError:
    """400 `M_MISSING_PARAM`."""
    return MatrixError(400, "M_MISSING_PARAM", error)


def limit_exceeded(retry_after_ms: int) -> MatrixError:
    """429 `M_LIMIT_EXCEEDED`, with the body key and the `Retry-After` header (MSC4041)."""
    seconds = max(1, -(-retry_after_ms // 1000))
    return MatrixError(
        429,
        "M_LIMIT_EXCEEDED",
        "Too many requests; try again later",
        extra={"retry_after_ms": retry_after_ms},
        headers={"Retry-After": str(seconds)},
    )
