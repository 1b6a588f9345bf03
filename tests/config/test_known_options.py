"""Every option that existing configurations use is in the table, and the table is sound."""

from collections import Counter
from pathlib import Path

import pytest

from ranvier.config.kinds import RATE, Unacceptable
from ranvier.config.load import ConfigError, from_yaml_text, parse
from ranvier.config.option import Option
from ranvier.config.reference import reference, summary
from ranvier.config.schema import OPTIONS, schema

_NAMES = (Path(__file__).parents[1] / "facts" / "config_options.txt").read_text().split()
# Others may be missing on purpose: what is not limited by itself is limited as something else.
_RATES_WITHOUT_DEFAULT = {"rc_admin_redaction"}


def test_every_option_of_the_list_is_known() -> None:
    assert len(_NAMES) > 500
    assert set(_NAMES) - {option.path for option in OPTIONS} == set()


def test_no_option_is_there_twice() -> None:
    assert [path for path, count in Counter(option.path for option in OPTIONS).items() if count > 1] == []


def test_a_default_is_a_value_the_option_takes() -> None:
    assert [option.path for option in OPTIONS if option.default is not None and not _takes(option)] == []


def _takes(option: Option) -> bool:
    try:
        option.kind.parse(option.default)
    except Unacceptable:
        return False
    return True


def test_every_rate_limit_has_a_default() -> None:
    without = {option.path for option in OPTIONS if option.kind is RATE and not option.default}
    assert without == _RATES_WITHOUT_DEFAULT


def test_required_options_have_no_default() -> None:
    assert [option.path for option in OPTIONS if option.required and option.default is not None] == []


def test_every_option_is_explained() -> None:
    assert [option.path for option in OPTIONS if not option.doc] == []


def test_a_file_with_the_default_of_every_top_level_option_is_silent() -> None:
    options = {
        option.path: option.default
        for option in OPTIONS
        if option.default is not None and "." not in option.path and "[]" not in option.path
    }
    # One of the two names the database.
    options.pop("databases")
    # The default of this one is spoken of when somebody writes it down.
    options["suppress_key_server_warning"] = True
    assert parse({"server_name": "test"} | options).warnings == ()


def test_the_reference_has_a_line_for_each_option() -> None:
    lines = list(reference(OPTIONS))
    assert len(lines) == len(OPTIONS) + 2
    assert {line.count(" | ") - line.count("\\| ") for line in lines if not line.startswith("|---")} == {5}


def test_the_reference_counts_what_it_lists() -> None:
    numbers = [int(word) for word in summary(OPTIONS).replace(":", "").split() if word.isdecimal()]
    lines = list(reference(OPTIONS))[2:]
    assert numbers[0] == len(lines) == sum(numbers[1:])
    assert numbers[1] == sum(line.split(" | ")[-2] == "yes" for line in lines)


def test_the_tree_has_every_option_at_its_place() -> None:
    listeners = schema().keys["listeners"]
    assert listeners.element is not None
    assert listeners.element.keys["resources"].element is not None
    databases = schema().keys["databases"].any_key
    assert databases is not None
    assert databases.keys["data_stores"].path == "databases.*.data_stores"


# The options of a homeserver that has grown for years, in the form in which its file has them.
_GROWN = """\
server_name: "example.org"
pid_file: /run/homeserver.pid
web_client_location: https://app.example.org/
presence:
  enabled: true
  include_offline_users_on_sync: false
ip_range_blacklist: ['10.0.0.0/8', '::1/128']
listeners:
  - port: 8008
    tls: false
    type: http
    x_forwarded: true
    bind_addresses: ['127.0.0.1']
    resources:
      - names: [client, federation]
        compress: false
  - path: /run/main.sock
    mode: 0o666
    resources: [{names: [client]}]
  - port: 9000
    type: metrics
limit_remote_rooms: {enabled: true, complexity: 0.5, complexity_error: "too big"}
redaction_retention_period: null
retention:
  enabled: true
  default_policy: {min_lifetime: 1d, max_lifetime: 1y}
  purge_jobs:
    - {longest_max_lifetime: 3d, interval: 12h}
caches:
  global_factor: 2.0
  per_cache_factors: {get_users_who_share_room_with_user: 5}
database:
  name: psycopg2
  txn_limit: 10000
  args: {user: u, password: p, dbname: d, host: localhost, cp_min: 5, cp_max: 10, keepalives_idle: 10}
log_config: "/etc/example.org.log.config"
rc_message: {per_second: 5, burst_count: 15}
rc_login:
  address: {per_second: 0.15, burst_count: 5}
url_preview_url_blacklist: [{username: '*'}, {netloc: '^[0-9]+$'}]
turn_uris: ["turn:example.org?transport=udp"]
auto_join_rooms: ["#welcome:example.org"]
account_threepid_delegates:
old_signing_keys:
  "ed25519:old": {key: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", expired_ts: 123456789123}
trusted_key_servers:
  - server_name: "matrix.org"
    verify_keys: {"ed25519:auto": "Noi6WqcDj0QmPxCNQqgezwTlBKrfqehY1u2FyWP9uYw"}
oidc_providers:
  - idp_id: github
    idp_name: GitHub
    issuer: https://github.com/
    client_id: id
    client_secret: secret
    scopes: [read:user]
    user_mapping_provider: {config: {subject_claim: id, localpart_template: "{{ user.login }}"}}
password_config: {enabled: only_for_reauth, policy: {minimum_length: 15}}
email:
  smtp_host: mail.example.org
  smtp_port: 587
  notif_from: noreply@example.org
  subjects: {password_reset: "[%(server_name)s] New password"}
encryption_enabled_by_default_for_room_type: off
alias_creation_rules: [{user_id: "*", action: allow}]
default_power_level_content_override:
  private_chat: {events: {"com.example.foo": 0}}
  public_chat: null
experimental_features: {faster_joins: false, msc3030_enabled: true}
instance_map: {worker1: {host: localhost, port: 8034}}
stream_writers: {events: [worker1, worker2], typing: worker1}
modules:
  - module: my_super_module.MySuperClass
    config: {do_thing: true}
media_upload_limits: [{time_period: 1h, max_size: 100M}]
"""


def test_a_grown_configuration_is_understood() -> None:
    config = from_yaml_text(_GROWN)
    assert [warning for warning in config.warnings if "unknown" in warning] == []
    assert len(config.listeners) == 3
    assert config.database.engine == "postgres"


def test_what_is_known_but_has_no_effect_is_said_once_each() -> None:
    warnings = from_yaml_text(_GROWN).warnings
    assert "homeserver.yaml:70: option stream_writers.events is known, but not honoured yet" in warnings
    assert len([warning for warning in warnings if "stream_writers.events" in warning]) == 1
    assert not [warning for warning in warnings if "listeners[]" in warning or "rc_message" in warning]


def test_what_is_known_and_set_to_its_default_is_not_worth_a_word() -> None:
    assert parse({"server_name": "test", "report_stats": False, "max_spider_size": 10 << 20}).warnings == ()


@pytest.mark.parametrize("missing", ["module", "store_local"])
def test_required_parts_of_list_elements_are_required(missing: str) -> None:
    provider = {"module": "m", "store_local": True, "store_remote": True, "store_synchronous": True}
    del provider[missing]
    with pytest.raises(ConfigError, match=rf"media_storage_providers\[0\]\.{missing}: is required"):
        parse({"server_name": "test", "media_storage_providers": [provider]})


def test_what_is_not_applicable_says_why() -> None:
    (option, *_) = [option for option in OPTIONS if option.not_applicable and option.kind.expected == "true or false"]
    (warning,) = parse({"server_name": "test", option.path: option.default is not True}).warnings
    assert warning == f"option {option.path} has no effect here: {option.not_applicable}"


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("report_stats", True, "tells nobody"),
        ("report_stats_endpoint", "https://there.example/push", "tells nobody"),
        ("server_context", "example", "tells nobody"),
        ("gc_min_interval", ["2s", "10s", "30s"], "counts objects and not seconds"),
    ],
)
def test_what_cannot_mean_anything_here_is_accepted_with_the_reason(option: str, value: object, reason: str) -> None:
    (warning,) = parse({"server_name": "test", option: value}).warnings
    assert warning.startswith(f"option {option} has no effect here: ")
    assert reason in warning


def test_no_option_is_honoured_and_not_applicable() -> None:
    assert [option.path for option in OPTIONS if option.honoured and option.not_applicable] == []
