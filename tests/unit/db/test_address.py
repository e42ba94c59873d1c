"""Addresses of databases: everything that libpq takes is translated, or refused by its name."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from asyncpg.connect_utils import _parse_connect_dsn_and_args

from db.address import BadAddress, connect_arguments, engine_url, shown_address, with_password

# https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-PARAMKEYWORDS
_LIBPQ = (
    "host", "hostaddr", "port", "dbname", "user", "password", "passfile", "require_auth", "channel_binding",
    "connect_timeout", "client_encoding", "options", "application_name", "fallback_application_name",
    "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout", "replication",
    "gssencmode", "sslmode", "requiressl", "sslnegotiation", "sslcompression", "sslcert", "sslkey",
    "sslkeylogfile", "sslpassword", "sslcertmode", "sslrootcert", "sslcrl", "sslcrldir", "sslsni", "requirepeer",
    "ssl_min_protocol_version", "ssl_max_protocol_version", "min_protocol_version", "max_protocol_version",
    "krbsrvname", "gsslib", "gssdelegation", "scram_client_key", "scram_server_key", "service", "servicefile",
    "target_session_attrs", "load_balance_hosts", "oauth_issuer", "oauth_client_id", "oauth_client_secret",
    "oauth_scope",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGSERVICE", "PGSERVICEFILE"):
        monkeypatch.delenv(name, raising=False)


def _refusal(address: str) -> str | None:
    try:
        connect_arguments(address)
    except BadAddress as refusal:
        return str(refusal)
    return None


@pytest.mark.parametrize("name", [name for name in _LIBPQ if name != "servicefile"])
def test_each_parameter_of_libpq_is_known(name: str) -> None:
    address = f"postgresql://localhost/x?{name}=odd"
    refusal = _refusal(address)
    if refusal is None:
        assert "odd" in repr(connect_arguments(address))
    else:
        assert name in refusal
        assert "there is no parameter" not in refusal
        assert "\n" not in refusal


@pytest.mark.parametrize(
    ("address", "expected"),
    (
        ("postgresql://me:secret@db:5433/x", {"user": "me", "password": "secret", "host": ["db"], "port": 5433}),
        ("postgresql+asyncpg://me@db/x", {"user": "me", "host": ["db"], "database": "x"}),
        ("postgres://db/a%20b", {"database": "a b"}),
        ("postgresql://a:1,b:2/x", {"host": ["a", "b"], "port": [1, 2]}),
        ("postgresql://a,b/x", {"host": ["a", "b"]}),
        ("postgresql://a:65535,:1/x", {"host": ["a", "localhost"], "port": [65535, 1]}),
        ("postgresql://a:1,b/x", {"port": [1, 5432]}),
        ("postgresql://[::1]:5433,[fe80::2]/x", {"host": ["::1", "fe80::2"], "port": [5433, 5432]}),
        ("postgresql:///x?host=/run/pg&port=5433", {"host": ["/run/pg"], "port": 5433}),
        ("postgresql://%2Frun%2Fpg/x", {"host": ["/run/pg"]}),
        ("postgresql://me:a%2Fb%40c@db/x", {"password": "a/b@c"}),
        ("postgresql://me:a/b@db/x", {"password": "a/b", "host": ["db"]}),
        ("postgresql://db/x?password=a+b", {"password": "a+b"}),
        ("postgresql://db?user=me&dbname=y", {"user": "me", "database": "y"}),
        ("postgresql://db/x?connect_timeout=3", {"timeout": 3.0}),
        ("postgresql://db/x?connect_timeout=1", {"timeout": 1.0}),
        ("postgresql://db/x?connect_timeout=0", {"timeout": None}),
        ("postgresql://db/x", {"timeout": 10.0, "server_settings": {"application_name": "whopays"}}),
        ("postgresql://db/x?application_name=billing", {"server_settings": {"application_name": "billing"}}),
        ("postgresql://db/x?fallback_application_name=b", {"server_settings": {"application_name": "b"}}),
        (
            "postgresql://db/x?options=-c%20search_path%3Dbilling",
            {"server_settings": {"application_name": "whopays", "options": "-c search_path=billing"}},
        ),
        ("postgresql://db/x?target_session_attrs=read-write", {"target_session_attrs": "read-write"}),
        ("postgresql://db/x?passfile=/p", {"passfile": "/p"}),
        ("postgresql://db/x?gssencmode=prefer&channel_binding=prefer&sslsni=1&client_encoding=UTF8", {"host": ["db"]}),
    ),
)
def test_parameters_of_libpq_are_translated(address: str, expected: dict[str, Any]) -> None:
    arguments = connect_arguments(address)
    assert {name: arguments[name] for name in expected} == expected


@pytest.mark.parametrize("mode", ("disable", "allow", "prefer", "require"))
@pytest.mark.parametrize("name", ("sslmode", "ssl"))
def test_encryption_arrives_where_asyncpg_reads_it(name: str, mode: str) -> None:
    assert _as_asyncpg_reads(f"postgresql://db/x?{name}={mode}").sslmode.name == mode


def test_encryption_from_the_first_byte_on() -> None:
    assert connect_arguments("postgresql://db/x?sslnegotiation=direct")["dsn"] == "postgresql://?sslnegotiation=direct"


def test_encryption_as_jdbc_says_it() -> None:
    assert _as_asyncpg_reads("postgresql://db/x?ssl=true").sslmode.name == "require"


def test_certificates_arrive_where_asyncpg_reads_them() -> None:
    read = _as_asyncpg_reads("postgresql://db/x?sslrootcert=system&ssl_min_protocol_version=TLSv1.3")
    assert read.sslmode.name == "verify_full"
    assert read.ssl.check_hostname
    assert read.ssl.minimum_version.name == "TLSv1_3"


def test_a_system_without_certificates_needs_a_file_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssl.get_default_verify_paths", lambda: SimpleNamespace(cafile=None))
    assert "no certificate file for sslrootcert=system" in (_refusal("postgresql://db/x?sslrootcert=system") or "")


@pytest.mark.parametrize(
    ("parameters", "words"),
    (
        ("sslmode=always", "sslmode may be disable, allow, prefer, require, verify-ca, verify-full"),
        ("sslmode=", "sslmode may be"),
        ("sslrootcert=/nowhere/ca.pem", "the file /nowhere/ca.pem of sslrootcert cannot be read"),
        ("sslcert=/nowhere/me.pem", "the file /nowhere/me.pem of sslcert cannot be read"),
        ("sslrootcert=system&sslmode=require", "sslrootcert=system needs sslmode=verify-full"),
        ("channel_binding=require", "channel_binding may be disable, prefer"),
        ("gssencmode=require", "gssencmode may be"),
        ("keepalives_idle=10", "keepalives_idle is not supported by whopays' driver"),
        ("hostaddr=10.0.0.1", "hostaddr is not supported"),
        ("connect_timeout=soon", "connect_timeout is a whole number of seconds"),
        ("target_session_attrs=master", "target_session_attrs may be"),
        ("sslnegotiation=later", "sslnegotiation may be"),
        ("client_encoding=latin1", "client_encoding may be"),
        ("pool_size=3", 'there is no parameter "pool_size"'),
        ("statement_timeout=5s", "options=-c%20NAME=VALUE"),
        ("sslmode", '"sslmode" has no value'),
        ("port=x", "a port is a number from 1 to 65535"),
        ("port=0", "a port is a number"),
        ("port=65536", "a port is a number"),
        ("host=a,b&port=1,0", "a port is a number"),
        ("ssl_min_protocol_version=SSLv3", "ssl_min_protocol_version may be TLSv1, TLSv1.1, TLSv1.2, TLSv1.3"),
        ("host=a,b,c&port=1,2", "one port, or as many as hosts"),
    ),
)
def test_parameters_that_cannot_be_honoured_are_refused_by_name(parameters: str, words: str) -> None:
    with pytest.raises(BadAddress) as refused:
        connect_arguments(f"postgresql://me:secret@db/x?{parameters}")
    assert words in str(refused.value)
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    (
        "",
        "nonsense",
        "mysql://me:secret@db/x",
        "host=db password=secret",
        "postgresql://me:sec:ret@db:5432:1/x",
        "postgresql://me:secret@db:70000/x",
        "postgresql://me:sec?ret@db/x",
    ),
)
def test_what_is_no_address_is_not_repeated(address: str) -> None:
    assert "sec" not in (_refusal(address) or "")
    assert "sec" not in shown_address(address)


def test_a_service_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "services"
    file.write_text(
        "[billing]\nhost=a,b\nport=8,9\nport=1,2\nuser=me\npassword=100%\ndbname=x\napplication_name=from-service\n"
    )
    arguments = connect_arguments(f"postgresql://?service=billing&servicefile={file}&user=other")
    assert (arguments["host"], arguments["port"], arguments["user"]) == (["a", "b"], [1, 2], "other")
    assert (arguments["database"], arguments["password"]) == ("x", "100%")
    assert arguments["server_settings"] == {"application_name": "from-service"}
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    monkeypatch.setenv("PGSERVICE", "billing")
    assert connect_arguments("postgresql://")["user"] == "me"
    with pytest.raises(BadAddress, match='no service "nosuch"'):
        connect_arguments("postgresql://?service=nosuch")


def test_a_file_of_services_that_is_not_there() -> None:
    with pytest.raises(BadAddress, match="/nowhere/services cannot be read"):
        connect_arguments("postgresql://?service=billing&servicefile=/nowhere/services")


def test_what_is_shown_has_no_password_and_no_parameters() -> None:
    shown = shown_address("postgresql+asyncpg://me:secret@a:1,b:2/x?password=secret&sslpassword=secret")
    assert shown == "postgresql://me:***@a:1,b:2/x"


@pytest.mark.parametrize(
    ("address", "shown"),
    (
        ("postgresql://db", "postgresql://db/"),
        ("postgresql://me@db/x", "postgresql://me@db/x"),
        ("postgresql://:secret@db/x", "postgresql://:***@db/x"),
        ("db", "its address"),
    ),
)
def test_what_is_shown_of_less(address: str, shown: str) -> None:
    assert shown_address(address) == shown


def test_hosts_that_cannot_be_read_are_refused() -> None:
    assert "its hosts are not HOST:PORT, separated by commas" in (_refusal("postgresql://a:1,db:5432:1/x") or "")


def test_a_password_that_is_kept_elsewhere() -> None:
    for address in ("postgresql://me@db/x", "postgresql://me@db/x?sslmode=require"):
        assert connect_arguments(with_password(address, "a/b &?é"))["password"] == "a/b &?é"
    for address in ("postgresql://me:one@db/x", "postgresql://me@db/x?password=one"):
        with pytest.raises(BadAddress, match="has a password already"):
            with_password(address, "other")


def test_the_dialect_is_told_the_first_host() -> None:
    assert str(engine_url("postgresql://me@a:1,b:2/x")) == "postgresql+asyncpg://me@a:1/x"
    of_socket = engine_url("postgresql:///x?host=/run/pg")
    assert (of_socket.host, of_socket.query) == (None, {"host": "/run/pg"})


def _as_asyncpg_reads(address: str) -> Any:
    arguments = connect_arguments(address)
    every = "dsn host port user password passfile database ssl service servicefile direct_tls server_settings"
    every += " target_session_attrs krbsrvname gsslib"
    return _parse_connect_dsn_and_args(**{name: arguments.get(name) for name in every.split()})[1]
