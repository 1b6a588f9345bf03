"""Secrets that stand in files of their own: `<option>_path`."""

import os
import secrets
from dataclasses import dataclass

from ranvier.config.sections import SigningKey
from ranvier.config.signing_keys import format_signing_key, new_signing_key, parse_signing_keys
from ranvier.config.values import Values


def random_secret() -> str:
    """A secret nobody can guess, fit for a YAML file."""
    return secrets.token_urlsafe(36)


def write_private(path: str, text: str) -> None:
    """Create a file that only its owner can read. Raises `FileExistsError` rather than write over one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


@dataclass(frozen=True, slots=True)
class SecretFiles:
    """Reads secrets; `create_missing` writes those files that the server makes for itself."""

    create_missing: bool

    def secret(self, values: Values, option: str, *, creatable: bool = False) -> str | None:
        """The option's text, or what the file named by `<option>_path` holds, or None. Mistakes are noted."""
        path = values.text_or_none(f"{option}_path")
        if path is None:
            return values.text_or_none(option)
        if values.is_set(option):
            values.error(f"{option}_path", f"is set beside {option}; only one of them may be")
            return None
        try:
            if creatable and self.create_missing and not os.path.exists(path):
                write_private(path, random_secret() + "\n")
            return _read(path).strip()
        except (OSError, UnicodeDecodeError) as error:
            values.error(f"{option}_path", _cannot_read(path, error))
            return None

    def signing_keys(self, values: Values, default_path: str | None) -> tuple[SigningKey, ...]:
        """The server's keys: from `signing_key`, else from `signing_key_path`, else from `default_path`."""
        inline = values.text_or_none("signing_key")
        path = values.text_or_none("signing_key_path") or default_path
        option = "signing_key" if inline is not None else "signing_key_path"
        try:
            if inline is not None:
                return parse_signing_keys(inline)
            if path is None:
                return ()
            if self.create_missing and not os.path.exists(path):
                write_private(path, format_signing_key(new_signing_key()))
            return parse_signing_keys(_read(path))
        except UnicodeDecodeError as error:
            values.error(option, _cannot_read(str(path), error))
        except ValueError as error:
            values.error(option, f"{path} {error}" if inline is None else str(error))
        except OSError as error:
            values.error(option, _cannot_read(str(path), error))
        return ()

    def more_signing_keys(self, values: Values, option: str) -> tuple[SigningKey, ...]:
        """The keys in the file that the option names; none if it is not set."""
        path = values.text_or_none(option)
        try:
            return () if path is None else parse_signing_keys(_read(path))
        except (OSError, UnicodeDecodeError) as error:
            values.error(option, _cannot_read(str(path), error))
        except ValueError as error:
            values.error(option, f"{path} {error}")
        return ()


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def _cannot_read(path: str, error: OSError | UnicodeDecodeError) -> str:
    reason = error.strerror if isinstance(error, OSError) else "not a text file"
    return f"cannot read {path}: {reason}"
