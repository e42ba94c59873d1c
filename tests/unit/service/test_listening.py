"""Where a server listens: connections that nobody reads from end by themselves, and it begins again at its port."""

import socket

import pytest

from service.serving import _UNREAD_SECONDS, _listening
from workers.runtime.settings import Settings


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system has no TCP_USER_TIMEOUT")
def test_connections_give_up_on_who_takes_nothing() -> None:
    with _listening(Settings(serve_port=0)) as (listener, _):
        listener.listen()
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == _UNREAD_SECONDS * 1000


def test_a_server_begins_again_at_the_port_that_it_has_just_left() -> None:
    with _listening(Settings(serve_port=0)) as (listener, _):
        listener.listen()
        where = listener.getsockname()
        with socket.create_connection(where):
            # It is the first to close, so that the system holds the connection for a while.
            listener.accept()[0].close()
    with _listening(Settings(serve_port=where[1])) as (listener, _):
        assert listener.getsockname() == where
