"""Ports of the loopback interface where nobody listens, and that nobody else gets meanwhile."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

#: Below those that a machine hands out to whoever takes any free one.
_OURS = range(20_000, 32_000)


def port_nobody_listens_on() -> int:
    """A free port that is not among those handed out to whoever takes any."""
    start = os.getpid() * 101
    for number in range(len(_OURS)):
        port = _OURS[(start + number) % len(_OURS)]
        with socket.socket() as free:
            # As a server does: a port whose last connections are still fading away will do.
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                free.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("there is no free port")


@contextmanager
def silent_port() -> Iterator[int]:
    """A port where nobody listens, nor can until the end of the block."""
    with keep_port(0) as taken:
        yield taken.getsockname()[1]


def keep_port(port: int) -> socket.socket:
    """Keep a port (0 for any) without listening: connections are refused, nobody else takes it."""
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind(("127.0.0.1", port))
    return taken
