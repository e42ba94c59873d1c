"""Which URLs are safe to fetch keys or tokens from: no one on the network path may read or replace these."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def insist_on_safe_url(what: str, url: str) -> None:
    """Raise ValueError unless a URL is https or local, so that no one can tamper with it, and holds no password."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"{what} is not a URL") from None
    if not host or parts.username is not None or parts.fragment or not url.isascii() or not url.isprintable():
        raise ValueError(f"{what} is a URL of a host, without a user and without a fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise ValueError(f"{what} is read over https (over http from this host only: 127.0.0.1, ::1, localhost)")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
