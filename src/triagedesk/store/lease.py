"""Only one run at a time per desk, over any number of hosts, and no waiting after a crash."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from triagedesk.errors import StoreBusy, StoreError
from triagedesk.store import Store

#: How long a holder that says nothing is believed to be alive.
LEASE = timedelta(seconds=90)
_HEARTBEAT = LEASE.total_seconds() / 4

log = structlog.get_logger()


@contextmanager
def hold(store: Store, name: str) -> Iterator[None]:
    """Hold the lease `name` of this desk, renewed by a thread until the end.

    Raises StoreBusy while another living process holds it.
    """
    me = _identity(os.getpid())
    now = datetime.now(UTC)
    with store.begin_alone() as transaction:
        held = transaction.lease(name)
        if held and held[1] > now and held[0] != me and not _is_dead(held[0]):
            host, pid, _start = held[0].split("|")
            raise StoreBusy(
                f"another {name} of this desk is in progress (process {pid} on {host})",
                hint=f"wait for it; a process that died is forgotten by {held[1]:%H:%M:%S} UTC",
            )
        transaction.take_lease(name, me, now + LEASE)
    ended = threading.Event()
    thread = threading.Thread(target=_renew, args=(store, name, me, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        with store.begin() as transaction:
            transaction.end_lease(name, me)


def _renew(store: Store, name: str, me: str, ended: threading.Event) -> None:
    while not ended.wait(_HEARTBEAT):
        try:
            with store.begin() as transaction:
                transaction.extend_lease(name, me, datetime.now(UTC) + LEASE)
        except StoreError as error:
            # The run meets the same trouble and reports it; the lease lasts three more beats.
            log.warning("lease not renewed", lease=name, error=error.message)


def _identity(pid: int) -> str:
    return f"{socket.gethostname()}|{pid}|{_namespace()}.{_started(pid)}"


def _namespace() -> str:
    """Whose process numbers these are: containers may share a host name, not their numbers."""
    try:
        return str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When the living process started, in the kernel's ticks; "" where the kernel does not say."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    state, *rest = stat.rpartition(")")[2].split()
    # A zombie has ended; only its parent has not noticed.
    return "" if state in "ZX" else rest[18]


def _is_dead(holder: str) -> bool:
    """True only when the holder ran on this host and surely does not any more."""
    host, pid, start = holder.split("|")
    namespace, _, started = start.partition(".")
    if host != socket.gethostname() or namespace != _namespace():
        return False
    if not started or not _started(os.getpid()):
        return False
    return _started(int(pid)) != started
