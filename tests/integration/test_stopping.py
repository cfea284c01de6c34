"""A process asked to stop does so at once, but not between doing and recording."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from triagedesk.stopping import Stopped, Stopping

# It says what it does, and goes on when it is told to.
PROGRAM = """
import sys
from triagedesk.stopping import Stopped, Stopping

def step(what):
    print(what + " ...", flush=True)
    sys.stdin.readline()

stopping = Stopping()
stopping.install()
try:
    step("before")
    with stopping.shield():
        step("mail handed over")
        with stopping.shield():
            print("inner", flush=True)
        print("mail recorded", flush=True)
    step("after")
    print("the end", flush=True)
except Stopped as stopped:
    print("stopped", flush=True)
    sys.exit(stopped.exit_code)
"""


def stop_at(step: str, *signals: signal.Signals) -> tuple[list[str], int]:
    """What the program says from `step` on when it gets these there, and how it ends."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        while (said := process.stdout.readline()) != f"{step} ...\n":
            if said.endswith("...\n"):
                process.stdin.write("\n")
                process.stdin.flush()
        for signal_number in signals:
            process.send_signal(signal_number)
            # Until it has come: two at once may be one.
            time.sleep(0.1)
        rest, _ = process.communicate("\n\n\n", timeout=60)
    return rest.splitlines(), process.returncode


@pytest.mark.parametrize(
    ("signal_number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_a_shielded_block_is_finished_first(signal_number: signal.Signals, exit_code: int) -> None:
    said, ended_with = stop_at("mail handed over", signal_number, signal_number)
    assert said == ["inner", "mail recorded", "stopped"]
    assert ended_with == exit_code


@pytest.mark.parametrize("step", ["before", "after"])
@pytest.mark.parametrize(
    ("signal_number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_outside_of_a_shield_it_stops_at_once(
    step: str, signal_number: signal.Signals, exit_code: int
) -> None:
    said, ended_with = stop_at(step, signal_number)
    assert said == ["stopped"]
    assert ended_with == exit_code


def test_a_shielded_block_that_fails_still_stops() -> None:
    stopping = Stopping()

    def fail() -> None:
        stopping._ask(signal.SIGTERM, None)
        raise ValueError("in the block")

    with pytest.raises(Stopped) as caught, stopping.shield():
        fail()
    assert caught.value.exit_code == 143
    assert isinstance(caught.value.__context__, ValueError)


def test_a_request_is_answered_once() -> None:
    stopping = Stopping()
    with pytest.raises(Stopped), stopping.shield():
        stopping._ask(signal.SIGINT, None)
    with stopping.shield():
        pass


def test_nothing_that_catches_errors_catches_a_stop() -> None:
    assert not issubclass(Stopped, Exception)
