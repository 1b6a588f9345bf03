"""The text of a new `homeserver.yaml`."""

import json
from dataclasses import dataclass

_TEMPLATE = """\
# Configuration of a Matrix homeserver.
#
# Durations: 30s, 5m, 1h, 7d, 2w, 1y, or a number of milliseconds. Sizes: 10K, 50M, or a number of bytes.
# Wrong values stop the start with the line they stand on; unknown options are warned about.

# The domain of every user and room of this server (@alice:{bare_name}). It can never be changed.
server_name: {server_name}

# Who runs the daemon started with --daemonize.
pid_file: {pid_file}

# The address that clients use, if it is not https://{bare_name}/.
#public_baseurl: https://matrix.example.org/

# A reverse proxy with TLS belongs in front of this port; with x_forwarded it is believed about who asks.
listeners:
  - port: 8008
    type: http
    tls: false
    x_forwarded: {x_forwarded}
    bind_addresses: {bind_addresses}
    resources:
      - names: [client, federation]
        compress: false

# SQLite is good for trying things out. PostgreSQL:
#
#database:
#  name: psycopg2
#  args:
#    user: ranvier
#    password: secret
#    dbname: ranvier
#    host: localhost
#    cp_min: 5
#    cp_max: 10
database:
  name: sqlite3
  args:
    database: {database_path}

log_config: {log_config}

media_store_path: {media_store_path}

{registration}# Who knows this secret can create accounts, also of admins: python -m ranvier.register_new_matrix_user
{registration_shared_secret}

report_stats: {report_stats}

# Signs short-lived tokens.
{macaroon_secret_key}

# Protects the forms of the server's own web pages.
{form_secret}

# The key by which other servers know this one. Keep a copy of the file.
signing_key_path: {signing_key_path}

# Servers that vouch for the keys of others.
trusted_key_servers:
  - server_name: matrix.org
"""
_OPEN_REGISTRATION = """\
# People may register, with a token that an admin gave them. To let anybody in, robots included, replace the second line
# by enable_registration_without_verification: true
enable_registration: true
registration_requires_token: true

"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConfig:
    """What goes into a new configuration."""

    server_name: str
    pid_file: str
    database_path: str
    log_config: str
    media_store_path: str
    signing_key_path: str
    registration_shared_secret: str | None
    """`None`, here and below: a line to fill in."""
    macaroon_secret_key: str | None
    form_secret: str | None
    report_stats: bool
    bind_addresses: tuple[str, ...]
    x_forwarded: bool
    enable_registration: bool


def config_text(new: NewConfig) -> str:
    """The commented file."""
    return _TEMPLATE.format(
        bare_name=new.server_name,
        server_name=_quoted(new.server_name),
        pid_file=_quoted(new.pid_file),
        bind_addresses=json.dumps(new.bind_addresses),
        x_forwarded="true" if new.x_forwarded else "false",
        database_path=_quoted(new.database_path),
        log_config=_quoted(new.log_config),
        media_store_path=_quoted(new.media_store_path),
        registration=_OPEN_REGISTRATION if new.enable_registration else "",
        registration_shared_secret=_secret("registration_shared_secret", new.registration_shared_secret),
        report_stats="true" if new.report_stats else "false",
        macaroon_secret_key=_secret("macaroon_secret_key", new.macaroon_secret_key),
        form_secret=_secret("form_secret", new.form_secret),
        signing_key_path=_quoted(new.signing_key_path),
    )


def _secret(option: str, secret: str | None) -> str:
    return f"#{option}: <PRIVATE STRING>" if secret is None else f"{option}: {_quoted(secret)}"


def _quoted(text: str) -> str:
    """A text as YAML takes it, whatever stands in it: a JSON string is one."""
    return json.dumps(text, ensure_ascii=False)
