"""Only one run at a time, and no waiting for one that has died."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from triagedesk.errors import StoreBusy
from triagedesk.store import Store
from triagedesk.store.lease import LEASE, hold

TESTS = Path(__file__).resolve().parent.parent


@contextmanager
def another_process(url: str, name: str = "run") -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lease until its standard input ends."""
    with subprocess.Popen(
        [sys.executable, "-m", "support.store_processes", url, name],
        cwd=TESTS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def holder_of(store: Store, name: str = "run") -> str | None:
    with store.read() as transaction:
        held = transaction.lease(name)
    return held[0] if held else None


def put_lease(store: Store, holder: str, until: datetime) -> None:
    with store.begin() as transaction:
        transaction.take_lease("run", holder, until)


def test_a_lease_is_held_and_given_back(store: Store) -> None:
    before = datetime.now(UTC)
    with hold(store, "run"), store.read() as transaction:
        held = transaction.lease("run")
    assert held is not None
    assert f"|{os.getpid()}|" in held[0]
    assert before + LEASE <= held[1] <= datetime.now(UTC) + LEASE
    assert holder_of(store) is None


def test_a_lease_is_given_back_when_the_run_fails(store: Store) -> None:
    with pytest.raises(RuntimeError, match="the run"), hold(store, "run"):
        raise RuntimeError("the run")
    assert holder_of(store) is None


def test_a_second_holder_is_refused_while_the_first_lives(store: Store, store_url: str) -> None:
    with another_process(store_url) as other:
        with pytest.raises(StoreBusy) as caught, hold(store, "run"):
            pass
        message = f"process {other.pid} on {socket.gethostname()}"
        assert caught.value.message == f"another run of this desk is in progress ({message})"
        assert "a process that died is forgotten by" in caught.value.hint
        assert caught.value.temporary
        with hold(store, "something else"):
            assert holder_of(store, "something else") is not None
        other.communicate("")
        assert other.returncode == 0
        with hold(store, "run"):
            assert holder_of(store) is not None


def test_a_holder_that_was_killed_is_followed_at_once(store: Store, store_url: str) -> None:
    with another_process(store_url) as other:
        other.send_signal(signal.SIGKILL)
        # Not waited for: until its parent looks, it is a zombie, which holds nothing either.
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        assert f"|{other.pid}|" in str(holder_of(store))
        with hold(store, "run"):
            assert f"|{os.getpid()}|" in str(holder_of(store))


def test_a_process_number_used_again_is_not_the_holder(store: Store) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    with hold(store, "run"):
        host, _pid, start = str(holder_of(store)).split("|")
    namespace = start.partition(".")[0]
    put_lease(store, f"{host}|{os.getppid()}|{namespace}.1", until)
    with hold(store, "run"):
        assert f"|{os.getpid()}|" in str(holder_of(store))


def test_another_hosts_lease_is_believed_until_it_expires(store: Store) -> None:
    put_lease(store, "other-host|7|123.456", datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(StoreBusy, match="process 7 on other-host"), hold(store, "run"):
        pass
    put_lease(store, "other-host|7|123.456", datetime.now(UTC) - timedelta(seconds=1))
    with hold(store, "run"):
        assert f"|{os.getpid()}|" in str(holder_of(store))


def test_another_container_of_the_same_name_is_not_taken_for_dead(store: Store) -> None:
    # Its process numbers are not ours: that there is no such process here says nothing.
    holder = f"{socket.gethostname()}|4194305|999.456"
    put_lease(store, holder, datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(StoreBusy, match="process 4194305"), hold(store, "run"):
        pass
    assert holder_of(store) == holder


def test_a_lease_is_renewed_while_it_is_held(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triagedesk.store.lease._HEARTBEAT", 0.05)
    with hold(store, "run"):
        with store.read() as transaction:
            first = transaction.lease("run")
        give_up = time.monotonic() + 60
        while True:
            with store.read() as transaction:
                renewed = transaction.lease("run")
            if first and renewed and renewed[1] > first[1]:
                break
            assert time.monotonic() < give_up, "not renewed"
            time.sleep(0.05)


def test_a_lease_that_was_taken_over_is_not_given_back_by_its_former_holder(store: Store) -> None:
    with hold(store, "run"):
        put_lease(store, "other-host|7|1.2", datetime.now(UTC) + timedelta(seconds=30))
    assert holder_of(store) == "other-host|7|1.2"
