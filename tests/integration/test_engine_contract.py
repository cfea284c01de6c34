"""The engine's own contract, on both databases: once, in steps, forgotten when asked to."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from triagedesk.store import Store
from triagedesk.workflows.engine import Engine, job_name


class Counting:
    """Work that counts its steps; the job called `stuck` waits until it is let go."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.done = engine, list[str]()
        self.let_go = threading.Event()

    def carry_out(self, job_id: str, attempt: int) -> dict[str, Any]:
        answers = [self.engine.step(f"step {n}", partial(self.step, job_id, n)) for n in (1, 2)]
        return {"answers": answers, "attempt": attempt, "new way": self.engine.changed("later")}

    def step(self, job_id: str, number: int) -> dict[str, Any]:
        if job_id == "stuck":
            assert self.let_go.wait(60)
        self.done.append(f"{job_id} {number}")
        return {"number": number}

    def carry_out_chunks(
        self, job_id: str, attempt: int, version: str, chunks: list[list[int]]
    ) -> dict[str, Any]:
        return {"summary": {"decided": sum(chunk[2] for chunk in chunks)}, "of": [job_id, version]}


@pytest.fixture
def engine(store: Store) -> Iterator[Engine]:
    opened = Engine(store.url, "test/1@1")
    yield opened
    opened.stop()


def result_of(engine: Engine, name: str) -> Any:
    give_up = time.monotonic() + 60
    while True:
        known = engine.jobs([name], results=True)
        if known and known[0].state == "done":
            return known[0].result
        assert time.monotonic() < give_up, known
        time.sleep(0.1)


def test_a_job_is_carried_out_once_and_remembers_its_steps(engine: Engine) -> None:
    work = Counting(engine)
    engine.start(work)
    for _ in range(3):
        engine.enqueue_job("work", "a", 1)
    engine.enqueue_job("work", "a", 2)
    engine.enqueue_chunks("a:part", "a", 1, "v1", [(1, 9, 5), (10, 19, 7)])
    answers = [{"number": 1}, {"number": 2}]
    assert result_of(engine, "a") == {"answers": answers, "attempt": 1, "new way": True}
    assert result_of(engine, job_name("a", 2))["attempt"] == 2
    assert result_of(engine, "a:part") == {"summary": {"decided": 12}, "of": ["a", "v1"]}
    assert sorted(work.done) == ["a 1", "a 1", "a 2", "a 2"], "once each attempt"
    assert engine.unfinished() == []
    assert engine.forget((datetime.now(UTC) - timedelta(hours=1)).isoformat()) == 0
    assert engine.forget((datetime.now(UTC) + timedelta(hours=1)).isoformat()) == 3
    assert engine.jobs(["a"]) == []


def test_only_what_the_dead_had_begun_is_queued_again(engine: Engine) -> None:
    work = Counting(engine)
    engine.start(work)
    engine.enqueue_job("work", "stuck", 1)
    give_up = time.monotonic() + 60
    while not any(job.state == "running" for job in engine.unfinished()):
        assert time.monotonic() < give_up
        time.sleep(0.1)
    engine.take_over(["somebody/else@1"])
    (job,) = engine.unfinished()
    assert (job.id, job.state, job.executor, job.version) == ("stuck", "running", "test/1@1", "1")
    work.let_go.set()
    assert result_of(engine, "stuck")["answers"] == [{"number": 1}, {"number": 2}]
    assert work.done == ["stuck 1", "stuck 2"]
