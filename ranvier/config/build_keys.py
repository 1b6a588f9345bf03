"""`old_signing_keys`, `trusted_key_servers` and `key_server_signing_keys_path` as typed objects."""

from ranvier.config.key_sections import KeyServersConfig, TrustedKeyServer
from ranvier.config.secret_files import SecretFiles
from ranvier.config.sections import OldSigningKey
from ranvier.config.values import Values

_DEFAULT = "matrix.org"


def build_old_keys(values: Values) -> tuple[OldSigningKey, ...]:
    """`old_signing_keys`, whose keys are key ids such as `ed25519:a_old`."""
    keys = []
    for key_id, entry in values.mapping("old_signing_keys").items():
        if not key_id.startswith("ed25519:"):
            values.error(f"old_signing_keys.{key_id}", "expected a key id such as ed25519:a_AbCd")
        key, expired_ts = entry.get("key"), entry.get("expired_ts")
        if isinstance(key, bytes) and isinstance(expired_ts, int):
            keys.append(OldSigningKey(key_id=key_id, public_key=key, expired_ts=expired_ts))
    return tuple(keys)


def build_key_servers(values: Values, files: SecretFiles) -> KeyServersConfig:
    """Whom to believe about keys. Nobody at all is possible: `trusted_key_servers: []`."""
    option = "trusted_key_servers"
    if values.is_written("perspectives"):
        option = "perspectives"
        trusted = _perspectives(values)
        if values.is_written("trusted_key_servers"):
            values.error(option, "is the older form of trusted_key_servers, which is set beside it")
    elif values.is_written(option):
        trusted = tuple(_trusted(item, verified=_verifies(values)) for item in values.items(option))
    else:
        trusted = (TrustedKeyServer(_DEFAULT, {}),) if _verifies(values) else ()
    written = values.is_written(option) and any(server.server_name == _DEFAULT for server in trusted)
    if written and not values.boolean("suppress_key_server_warning"):
        values.warn(
            option,
            f"{_DEFAULT} is believed about the keys of other servers; suppress_key_server_warning: true says that this "
            "is meant",
        )
    notary_keys = files.more_signing_keys(values, "key_server_signing_keys_path")
    return KeyServersConfig(trusted=trusted, notary_keys=notary_keys)


def _perspectives(values: Values) -> tuple[TrustedKeyServer, ...]:
    """The older form: names, and keys that are mappings."""
    trusted = []
    for name, entry in values.mapping("perspectives.servers").items():
        keys = {
            key_id: one["key"]
            for key_id, one in (entry.get("verify_keys") or {}).items()
            if isinstance(one, dict) and isinstance(one.get("key"), bytes)
        }
        for key_id, key in keys.items():
            if not key_id.startswith("ed25519:") or len(key) != 32:
                values.error("perspectives", f"servers.{name}: {key_id} is not an Ed25519 key")
        if not keys and not _verifies(values):
            values.error("perspectives", f"servers.{name}: without verify_keys anybody could pose as this server")
        trusted.append(TrustedKeyServer(name, keys))
    return tuple(trusted)


def _verifies(values: Values) -> bool:
    return values.boolean("federation_verify_certificates")


def _trusted(item: Values, *, verified: bool) -> TrustedKeyServer:
    keys = {key_id: key for key_id, key in item.mapping("verify_keys").items() if isinstance(key, bytes)}
    for key_id, key in keys.items():
        if not key_id.startswith("ed25519:") or len(key) != 32:
            item.error("verify_keys", f"{key_id} is not an Ed25519 key: expected ed25519:<version> and 32 bytes")
    if not keys and not verified and not item.boolean("accept_keys_insecurely"):
        item.error(
            "server_name",
            "without verify_keys, and without federation_verify_certificates, anybody could pose as this server; "
            "accept_keys_insecurely: true says that this is meant",
        )
    return TrustedKeyServer(item.text_or_none("server_name") or "", keys)
