"""Connections that nobody reads from end by themselves."""

import socket

import pytest

from service.serving import _UNREAD_SECONDS, _listening
from workers.runtime.settings import Settings


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system has no TCP_USER_TIMEOUT")
def test_connections_give_up_on_who_takes_nothing() -> None:
    with _listening(Settings(serve_port=0)) as (listener, _):
        listener.listen()
        listener.setblocking(True)
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == _UNREAD_SECONDS * 1000
