"""What processes that work together keep in the store: inbox, ticks, rates, leases, jobs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from triagedesk.errors import ConflictError, NotFoundError, StoreBusy
from triagedesk.store import Store
from triagedesk.store.jobs import Job
from triagedesk.store.lease import hold, identity, living
from triagedesk.workflows.asking import begin_run, cancel_run, resume_run, run_list
from triagedesk.workflows.process import a_name, executors

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def a_job(job_id: str, kind: str = "desk", state: str = "queued", **fields: object) -> Job:
    return Job(id=job_id, kind=kind, state=state, created_at=NOW, **fields)  # type: ignore[arg-type] # by keyword


def test_a_delivery_is_kept_once_in_the_order_it_came(store: Store) -> None:
    rows = [({"id": f"T-{number}"}, False) for number in range(1203)]
    with store.begin() as transaction:
        assert transaction.put_into_inbox("one", rows, NOW) == 1203
    with store.begin() as transaction:
        assert transaction.put_into_inbox("one", rows, NOW) == 0
        assert transaction.put_into_inbox("two", rows[:1], NOW) == 1
        waiting = transaction.inbox(2000)
    assert [item.payload["id"] for item in waiting] == [row["id"] for row, _ in (*rows, rows[0])]
    with store.begin() as transaction:
        transaction.worked_off([item.key for item in waiting[:1203]], NOW)
        assert transaction.inbox_size() == 1
        assert transaction.forget_inbox(NOW + timedelta(days=1)) == 1203
        assert transaction.inbox_waits()


def test_a_tick_is_taken_on_by_one(store: Store) -> None:
    later = NOW + timedelta(hours=1)
    with store.begin() as transaction:
        assert transaction.take_tick("desk", None, NOW)
        assert not transaction.take_tick("desk", None, NOW)
        assert transaction.take_tick("desk", NOW, later)
        assert not transaction.take_tick("desk", NOW, later)
        assert transaction.last_tick("desk") == later


def test_calls_are_spaced_evenly_over_all_processes(store: Store) -> None:
    waits = []
    for _ in range(3):
        with store.begin_alone() as transaction:
            waits.append(transaction.reserve_call("model", 1))
    assert waits[0] == 0
    assert 0 < waits[1] <= 60
    assert 60 < waits[2] <= 120


def test_a_lease_keeps_threads_of_one_process_apart_too(store: Store) -> None:
    with (
        hold(store, "run"),
        pytest.raises(StoreBusy, match="another run of this desk is in progress"),
        hold(store, "run"),
    ):
        pass
    with hold(store, "run") as held:
        assert living(store, "run") == {"run": identity()}
        assert not held.lost.is_set()


def test_a_lease_that_somebody_else_has_by_now_is_known_to_be_lost(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("triagedesk.store.lease._HEARTBEAT", 0.05)
    with hold(store, "run") as held:
        with store.begin() as transaction:
            transaction.take_lease("run", "other|7|1.2", NOW + timedelta(days=9999))
        assert held.lost.wait(60)


def test_each_process_has_a_name_of_its_own_and_the_same_again(store: Store) -> None:
    with a_name(store, "1") as (first, _), a_name(store, "1") as (second, _):
        assert first != second
        assert first.endswith("/1@1")
        assert executors(store) == {first, second}
    with a_name(store, "1") as (again, _):
        assert again == first


def test_a_job_that_is_begun_anew_is_another_one_to_the_engine(store: Store) -> None:
    with store.begin() as transaction:
        transaction.add_job(a_job("a", options={}), b"what was asked")
        transaction.hand_over("a", NOW)
        assert transaction.jobs_to_hand_over(NOW) == []
        transaction.begin_job("a", "host/1@1")
        transaction.begin_job_anew("a", not_before=NOW + timedelta(seconds=5), error="busy")
        assert transaction.jobs_to_hand_over(NOW) == []
        (job,) = transaction.jobs_to_hand_over(NOW + timedelta(seconds=5))
        assert (job.attempt, job.state, job.error, job.worker) == (2, "queued", "busy", "")
        assert transaction.job_request("a") == b"what was asked"


def test_the_progress_of_a_step_never_exceeds_its_tickets(store: Store) -> None:
    with store.begin() as transaction:
        transaction.add_job(a_job("a", state="running"))
        assert transaction.start_job_step("a", "Classifying", 300).state == "running"
        for _ in range(2):
            transaction.advance_job("a", 200)
        job = transaction.job("a")
    assert job
    assert (job.step, job.done, job.total) == ("Classifying", 300, 300)


def test_runs_are_begun_cancelled_and_taken_up_from_anywhere(store: Store) -> None:
    assert begin_run(store, "r1", "ann", NOW).state == "queued"
    with pytest.raises(ConflictError, match="the run r1 is not over"):
        begin_run(store, "r2", "ann", NOW)
    with pytest.raises(ConflictError, match="the run is queued"):
        resume_run(store, "r1", "ann", NOW)
    assert cancel_run(store, "r1", "ann", NOW).state == "cancelled"
    with pytest.raises(ConflictError, match="over: cancelled"):
        cancel_run(store, "r1", "ann", NOW)
    again = resume_run(store, "r1", "ann", NOW)
    assert (again.state, again.attempt, again.cancel_asked) == ("queued", 2, False)
    with pytest.raises(NotFoundError):
        cancel_run(store, "nobody", "ann", NOW)


def test_a_run_whose_process_is_no_more_says_so(store: Store) -> None:
    with store.begin() as transaction:
        transaction.add_job(a_job("a", state="running", step="Classifying", worker="gone|7|1.2"))
        transaction.add_job(a_job("b", kind="watch"))
    (shown,) = run_list(store, 10)
    assert shown.step == "Classifying (cut off: gone|7|1.2 is no more)"
    assert cancel_run(store, "a", "ann", NOW).state == "cancelled"
    assert len(run_list(store, 10, everything=True)) == 2


def test_a_new_run_ends_those_that_were_cut_off(store: Store) -> None:
    with store.begin() as transaction:
        transaction.add_job(a_job("a", state="running"))
        transaction.add_job(a_job("b", state="running"))
        transaction.end_other_runs("b", NOW)
        jobs = {job.id: job.state for job in transaction.job_list()}
    assert jobs == {"a": "failed", "b": "running"}
