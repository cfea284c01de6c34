"""What a desk does by itself: mailing again, watching clocks, cleaning up; and runs followed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from support.desk import WholeDesk, sqlite_desk
from support.engine_desk import office
from support.smtp import Fault
from triagedesk.store.jobs import Job

__all__ = ["sqlite_desk"]


def test_a_report_that_did_not_go_out_is_mailed_by_itself(sqlite_desk: WholeDesk) -> None:
    # Refused for now more often than one run tries.
    sqlite_desk.smtp.script(Fault(at="MAIL", reply="451 4.3.0 try again later", times=5))
    with office(sqlite_desk) as works:
        works.hire()
        run = works.over(works.begin())
        assert run.summary
        assert run.summary["reports"][0]["state"] == "unsent"
        works.until(lambda: sqlite_desk.report_states() == ["sent"])
        assert len(sqlite_desk.smtp.messages) == 1
        works.until(lambda: works.job(f"mail-{run.id}").state == "done")


def test_what_the_desk_does_between_runs_is_begun_by_the_clock(sqlite_desk: WholeDesk) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=30)
    with sqlite_desk.store() as store, store.begin() as transaction:
        for kind in ("watch", "clean-up", "rebalance"):
            transaction.take_tick(kind, None, long_ago)
        old = Job(id="old", kind="watch", state="queued", created_at=long_ago)
        transaction.add_job(old)
        transaction.set_job_state("old", "done", finished_at=long_ago)
        transaction.put_into_inbox("old", [({"id": "1"}, False)], long_ago)
        transaction.worked_off([item.key for item in transaction.inbox(1)], long_ago)
    with office(sqlite_desk) as works:
        works.hire(REBALANCE_MINUTES="30")

        def done() -> set[str]:
            listed = sqlite_desk.cli("runs", "list", "--all", "--json")
            return {job["kind"] for job in json.loads(listed.out) if job["state"] == "done"}

        works.until(lambda: done() == {"watch", "clean-up", "rebalance"})
    with sqlite_desk.store() as store, store.read() as transaction:
        assert transaction.job("old") is None
        assert transaction.inbox(10) == []
        assert transaction.job_list() != []


def test_a_run_of_the_command_line_is_followed_like_any_other(sqlite_desk: WholeDesk) -> None:
    assert sqlite_desk.run().code == 0
    (listed,) = json.loads(sqlite_desk.cli("runs", "list", "--json").out)
    assert (listed["kind"], listed["state"], listed["actor"]) == ("desk", "done", "cli")
    assert listed["summary"]["decided"] == 5
    shown = sqlite_desk.cli("runs", "show", listed["id"])
    assert listed["id"] in shown.out
    unknown = sqlite_desk.cli("runs", "show", "nobody")
    assert (unknown.code, "there is no run 'nobody'" in unknown.err) == (2, True)
