"""Finds free ports on the loopback address."""

import secrets
import socket

LOOPBACK = "127.0.0.1"

_SERVERS_PORTS = range(20_000, 32_000)
"""Below the ports that Linux and macOS assign to clients: a client could otherwise take the port of a server that is
down, or even connect to itself there."""


def free_ports(count: int) -> list[int]:
    """Return `count` different ports that are free now. Another process may take one before it is used."""
    chosen: set[int] = set()
    while len(chosen) < count:
        port = secrets.choice(_SERVERS_PORTS)
        if is_free(port):
            chosen.add(port)
    return list(chosen)


def is_free(port: int) -> bool:
    """Return whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
