"""Parses the database's address: every libpq parameter is translated for asyncpg, or rejected by name.

asyncpg passes any parameter it does not know to the server as a setting, ignores a service that does not exist, and
reads `+` as a space. So the address is parsed here, and an unknown parameter is rejected.
"""

import configparser
import os
import re
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlencode

from asyncpg.connect_utils import SessionAttribute, SSLMode

if TYPE_CHECKING:
    from sqlalchemy import URL

CONNECT_SECONDS = 10.0
_APPLICATION_NAME = "whopays"
_SETTING = "WHOPAYS_DATABASE_URL"
_FORM = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"

_ADDRESS = re.compile(
    r"(?:postgres|postgresql|postgresql\+asyncpg)://"
    r"(?:(?P<user>[^:/@?]*)(?::(?P<password>[^@]*))?@)?"
    r"(?P<hosts>[^/?]*)"
    r"(?:/(?P<database>[^?]*))?"
    r"(?:\?(?P<parameters>.*))?"
)
_HOST = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[^:]*))?")


class BadAddress(ValueError):
    """A database address that cannot be used; the message says why, without quoting a password."""


class DatabaseUnreachable(ConnectionError):
    """The database cannot be reached, or the connection was lost."""


def connect_arguments(database_url: str) -> dict[str, Any]:
    """Return the arguments of asyncpg's `connect` for an address. Raises BadAddress."""
    parameters = _parameters(database_url)
    arguments: dict[str, Any] = {"timeout": CONNECT_SECONDS, "server_settings": {}}
    tls: dict[str, str] = {}
    for name, value in parameters.items():
        if name in _PASSED_ON:
            arguments[_PASSED_ON[name]] = value
        elif name in _TLS:
            tls[name] = _TLS[name](name, value)
        elif name in _TRANSLATED:
            _TRANSLATED[name](arguments, name, value)
        elif name in _ACCEPTED_AS_DEFAULT:
            _one_of(name, value, _ACCEPTED_AS_DEFAULT[name])
        elif name in _UNSUPPORTED:
            raise BadAddress(f"{_SETTING}: {name} is not supported by whopays' driver. Leave it out.")
        else:
            raise BadAddress(
                f"{_SETTING}: there is no parameter {_shown(name)}. Settings of the server are given as "
                "options=-c%20NAME=VALUE."
            )
    if isinstance(arguments.get("port"), list) and len(arguments["port"]) != len(arguments.get("host", ())):
        raise BadAddress(f"{_SETTING}: there must be one port, or as many as hosts.")
    settings = arguments["server_settings"]
    fallback = settings.pop("fallback_application_name", _APPLICATION_NAME)
    settings.setdefault("application_name", fallback)
    if tls.get("sslrootcert") == _SYSTEM:
        if tls.setdefault("sslmode", "verify-full") != "verify-full":
            raise BadAddress(f"{_SETTING}: sslrootcert=system needs sslmode=verify-full.")
        tls["sslrootcert"] = _system_certificates()
    if tls:
        # asyncpg accepts these only in an address.
        arguments["dsn"] = f"postgresql://?{urlencode(tls, quote_via=quote)}"
    return arguments


def engine_url(database_url: str) -> "URL":
    """Return the address as a SQLAlchemy URL, which names the dialect and only the first of several hosts."""
    from sqlalchemy import URL  # noqa: PLC0415 - callers that use the driver directly do not need it

    parameters = _parameters(database_url)
    host = parameters.get("host", "").split(",")[0]
    port = parameters.get("port", "").split(",")[0]
    is_socket = host.startswith("/")
    return URL.create(
        "postgresql+asyncpg",
        parameters.get("user"),
        parameters.get("password"),
        None if is_socket else host or None,
        int(port) if port.isdecimal() else None,
        parameters.get("dbname"),
        {"host": host} if is_socket else {},
    )


def with_password(database_url: str, password: str) -> str:
    """Return the address with a password added. Raises BadAddress, also if it already has one."""
    if "password" in _parameters(database_url):
        raise BadAddress(
            f"{_SETTING} has a password already: leave it out there, or leave out WHOPAYS_DATABASE_PASSWORD."
        )
    return f"{database_url}{'&' if '?' in database_url else '?'}password={quote(password, safe='')}"


def shown_address(database_url: str) -> str:
    """Return an address that is safe to show: without password or parameters."""
    found = _ADDRESS.fullmatch(database_url)
    if found is None:
        return "its address"
    password = ":***" if found["password"] else ""
    who = f"{found['user']}{password}@" if found["user"] or password else ""
    return f"postgresql://{who}{found['hosts']}/{found['database'] or ''}"


def _host(text: str) -> re.Match[str]:
    """Match a host and its port. Raises BadAddress."""
    found = _HOST.fullmatch(text)
    if found is None:
        raise BadAddress(f"{_SETTING}: its hosts are not HOST:PORT, separated by commas. Is the password encoded?")
    return found


def _parameters(database_url: str) -> dict[str, str]:
    """Return all parameters of an address and of the service that it names, under libpq's names."""
    found = _ADDRESS.fullmatch(database_url)
    if found is None:
        raise BadAddress(f"{_SETTING} is not an address such as {_FORM}.")
    said = {"user": found["user"], "password": found["password"], "dbname": found["database"]}
    parameters = {name: unquote(value) for name, value in said.items() if value}
    if found["hosts"]:
        hosts = [_host(one) for one in found["hosts"].split(",")]
        parameters["host"] = ",".join(unquote(one["host"].strip("[]")) for one in hosts)
        ports = [one["port"] or "" for one in hosts]
        if any(ports):
            parameters["port"] = ",".join(ports)
    for part in (found["parameters"] or "").split("&"):
        name, equals, value = part.partition("=")
        if part and not (name and equals):
            raise BadAddress(f"{_SETTING}: {_shown(name)} has no value.")
        if (name, value) == ("ssl", "true"):
            value = "require"  # JDBC's spelling, which libpq accepts too
        if part:
            parameters[_ALIASES.get(unquote(name), unquote(name))] = unquote(value)
    return _of_service(parameters) | parameters


def _of_service(parameters: dict[str, str]) -> dict[str, str]:
    """Return the named service's parameters from the service file, if any; those in the address take precedence."""
    service = parameters.pop("service", None) or os.environ.get("PGSERVICE")
    file = parameters.pop("servicefile", None) or os.environ.get("PGSERVICEFILE")
    if service is None:
        return {}
    path = Path(file) if file else Path.home() / ".pg_service.conf"
    services = configparser.RawConfigParser(strict=False)
    try:
        services.read_string(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, configparser.Error):
        raise BadAddress(f"{_SETTING}: the service file {path} cannot be read.") from None
    if not services.has_section(service):
        raise BadAddress(f"{_SETTING}: there is no service {_shown(service)} in {path}.")
    return {_ALIASES.get(name, name): value for name, value in services.items(service)}


def _hosts(arguments: dict[str, Any], _: str, value: str) -> None:
    arguments["host"] = [one or "localhost" for one in value.split(",")]


def _ports(arguments: dict[str, Any], name: str, value: str) -> None:
    ports = [one or "5432" for one in value.split(",")]
    if not all(port.isdecimal() and 0 < int(port) < 2**16 for port in ports):
        raise BadAddress(f"{_SETTING}: a {name} is a number from 1 to 65535.")
    arguments["port"] = [int(port) for port in ports] if len(ports) > 1 else int(ports[0])


def _timeout(arguments: dict[str, Any], name: str, value: str) -> None:
    if not re.fullmatch(r"-?\d{1,6}", value.strip()):
        raise BadAddress(f"{_SETTING}: {name} is a whole number of seconds.")
    seconds = int(value)
    # As in libpq: zero or less means no limit.
    arguments["timeout"] = float(seconds) if seconds > 0 else None


def _server_setting(arguments: dict[str, Any], name: str, value: str) -> None:
    arguments["server_settings"][name] = value


def _session(arguments: dict[str, Any], name: str, value: str) -> None:
    _one_of(name, value, [one.value for one in SessionAttribute])
    arguments[name] = value


def _mode(name: str, value: str) -> str:
    _one_of(name, value, [mode.name.replace("_", "-") for mode in SSLMode])
    return value


def _negotiation(name: str, value: str) -> str:
    _one_of(name, value, ("postgres", "direct"))
    return value


def _file(name: str, value: str) -> str:
    if value != _SYSTEM and not os.access(value, os.R_OK):
        raise BadAddress(f"{_SETTING}: the file {value} of {name} cannot be read.")
    return value


def _version(name: str, value: str) -> str:
    _one_of(name, value, ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"))
    return value


def _unchanged(_: str, value: str) -> str:
    return value


def _one_of(name: str, value: str, values: Any) -> None:
    if value not in values:
        raise BadAddress(f"{_SETTING}: {name} may be {', '.join(values)} here, not {_shown(value)}.")


def _system_certificates() -> str:
    found = ssl.get_default_verify_paths().cafile
    if found is None:
        raise BadAddress(f"{_SETTING}: this system has no certificate file for sslrootcert=system. Name one.")
    return found


def _shown(word: str) -> str:
    """Return a word of the address if it looks like a name; anything else may be part of a password."""
    return f'"{word}"' if re.fullmatch(r"[\w-]{1,40}", word) else "of that name"


_SYSTEM = "system"
_ALIASES = {"database": "dbname", "ssl": "sslmode"}
"""Aliases, as SQLAlchemy and asyncpg use them."""

_PASSED_ON = {
    "user": "user",
    "password": "password",
    "dbname": "database",
    "passfile": "passfile",
    "krbsrvname": "krbsrvname",
    "gsslib": "gsslib",
}
_TLS: Mapping[str, Callable[[str, str], str]] = {
    "sslmode": _mode,
    "sslnegotiation": _negotiation,
    "sslcert": _file,
    "sslkey": _file,
    "sslpassword": _unchanged,
    "sslrootcert": _file,
    "sslcrl": _file,
    "ssl_min_protocol_version": _version,
    "ssl_max_protocol_version": _version,
}
_TRANSLATED: Mapping[str, Callable[[dict[str, Any], str, str], None]] = {
    "host": _hosts,
    "port": _ports,
    "connect_timeout": _timeout,
    "application_name": _server_setting,
    "fallback_application_name": _server_setting,
    "options": _server_setting,
    "target_session_attrs": _session,
}
_ACCEPTED_AS_DEFAULT = {
    "channel_binding": ("disable", "prefer"),
    "client_encoding": ("UTF8", "utf8", "UTF-8", "utf-8", "auto"),
    "gssdelegation": ("0",),
    "gssencmode": ("disable", "prefer"),
    "load_balance_hosts": ("disable",),
    "replication": ("0", "false", "no", "off"),
    "sslcertmode": ("allow",),
    "sslcompression": ("0",),
    "sslsni": ("1",),
}
"""Parameters with values that match what asyncpg does anyway."""
_UNSUPPORTED = frozenset({
    "hostaddr", "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "max_protocol_version",
    "min_protocol_version", "oauth_client_id", "oauth_client_secret", "oauth_issuer", "oauth_scope", "require_auth",
    "requirepeer", "requiressl", "scram_client_key", "scram_server_key", "sslcrldir", "sslkeylogfile",
    "tcp_user_timeout", "tty",
})  # fmt: skip
