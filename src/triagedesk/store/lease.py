"""Only one run at a time per desk, over any number of hosts, and no waiting after a crash."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from triagedesk.errors import StoreBusy, StoreError
from triagedesk.store import Store

#: How long a holder that says nothing is believed to be alive, by the database's clock.
LEASE = timedelta(seconds=40)
_HEARTBEAT = LEASE.total_seconds() / 5
#: What this process holds: (database, name). Its own threads keep out of one another's way too.
_MINE: set[tuple[str, str]] = set()
_MINE_LOCK = threading.Lock()

log = structlog.get_logger()


@dataclass
class Held:
    """A lease in hand."""

    name: str
    holder: str
    #: Set once somebody else has it: this process was silent for too long.
    lost: threading.Event = field(default_factory=threading.Event)


@contextmanager
def hold(store: Store, name: str, *, strict: bool = False) -> Iterator[Held]:
    """Hold the lease `name` of this desk, renewed by a thread until the end.

    A strict lease is lost once it has expired, even where nobody else has taken it since: others
    have drawn their conclusions.

    Raises StoreBusy while another living process, or another thread of this one, holds it.
    """
    held = Held(name, identity())
    mine = (store.origin, name)
    with _MINE_LOCK:
        if mine in _MINE:
            raise _busy(name, held.holder, datetime.now(UTC) + LEASE)
        _MINE.add(mine)
    try:
        _take(store, held)
        ended = threading.Event()
        thread = threading.Thread(target=_renew, args=(store, held, ended, strict), daemon=True)
        thread.start()
        try:
            yield held
        finally:
            ended.set()
            thread.join()
            with store.begin() as transaction:
                transaction.end_lease(name, held.holder)
    finally:
        with _MINE_LOCK:
            _MINE.discard(mine)


def living(store: Store, prefix: str) -> dict[str, str]:
    """Names of leases that begin with `prefix`, and who holds them; those of the dead left out."""
    with store.read() as transaction:
        now = transaction.database_time()
        found = transaction.leases(prefix)
    return {name: holder for name, holder, until in found if until > now and not _is_dead(holder)}


def identity() -> str:
    """What this process is called as a holder."""
    return _identity(os.getpid())


def _take(store: Store, held: Held) -> None:
    with store.begin_alone() as transaction:
        now = transaction.database_time()
        other = transaction.lease(held.name)
        if other and other[1] > now and other[0] != held.holder and not _is_dead(other[0]):
            raise _busy(held.name, *other)
        transaction.take_lease(held.name, held.holder, now + LEASE)


def _busy(name: str, holder: str, until: datetime) -> StoreBusy:
    host, pid, _start = holder.split("|")
    return StoreBusy(
        f"another {name} of this desk is in progress (process {pid} on {host})",
        hint=f"wait for it; a process that died is forgotten by {until:%H:%M:%S} UTC",
    )


def _renew(store: Store, held: Held, ended: threading.Event, strict: bool) -> None:
    while not ended.wait(_HEARTBEAT):
        try:
            if _renewed(store, held, strict):
                continue
        except StoreError as error:
            # The holder meets the same trouble and reports it; the lease lasts four more beats.
            log.warning("lease not renewed", lease=held.name, error=error.message)
            continue
        held.lost.set()
        log.warning("lease lost", lease=held.name)
        return


def _renewed(store: Store, held: Held, strict: bool) -> bool:
    with store.begin() as transaction:
        now = transaction.database_time()
        found = transaction.lease(held.name)
        if found is None or found[0] != held.holder or (strict and found[1] < now):
            return False
        return transaction.extend_lease(held.name, held.holder, now + LEASE)


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
