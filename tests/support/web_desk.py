"""A desk with weeks of work behind it, for tests and pictures of the page.

`fill` puts it into an empty database: agents, resolved tickets with corrections and assignments,
SLA clocks and events, open tickets, reports (one unsent, with its error), runs and what language
models cost. It goes the product's own way with a clock it turns itself and a model of words.

    with running(folder, open_tickets=200, days=7, per_day=10, roster=12) as desk:
        client = desk.signed_in("dana")

As a process it fills a database to look at:

    cd tests && python -m support.web_desk sqlite:////tmp/desk.db 2000
"""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

from support.light_models import LightSkillReader
from support.page_desk import PageDesk
from support.web_tickets import (
    WordModel,
    Written,
    age_of,
    agents,
    on,
    tickets,
    time_to_resolve,
)
from triagedesk import app, learning, pipeline, reporting, watch
from triagedesk.catalog import ServiceCatalog
from triagedesk.classify.corrections import text_key
from triagedesk.desk import Desk, RunSummary
from triagedesk.settings import load_settings
from triagedesk.store.corrections import StoredCorrection
from triagedesk.store.jobs import Job
from triagedesk.store.reports import Delivery
from triagedesk.tickets import Classification, DecidedBy, Status

#: Share of resolved tickets that somebody looked at first: of those a model was unsure of, of all.
_REVIEWED, _GLANCED_AT = 0.6, 0.06
_LEAD = "Dana Lind"
_MODEL = "openai:gpt-4.1-mini"
_REFUSED = "550 5.1.1 <desk-lead@example.com>: Recipient address rejected: User unknown"
_SILENT = "The helpdesk at https://helpdesk.example.com did not answer after 4 tries: timed out"
_BUSY = "421 4.3.2 Service not available, closing transmission channel"


@dataclass
class _Past:
    """A desk whose clock is turned by hand."""

    at: datetime
    seed: int
    #: When it really is.
    present: datetime
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def new_id(self) -> str:
        return f"{self.at:%Y%m%dT%H%M%SZ}-{next(self.numbers):06x}"


def fill(
    store_url: str,
    *,
    open_tickets: int = 2000,
    days: int = 28,
    per_day: int = 60,
    roster: int = 60,
    reports: int = 8,
    seed: int = 1,
) -> None:
    """Fill an empty database; `per_day` tickets were resolved on each of the `days` before now."""
    now = datetime.now(UTC).replace(microsecond=0)
    past = _Past(at=now - timedelta(days=days), seed=seed, present=now)
    with _desk(store_url, past) as desk:
        catalog = learning.load_catalog(desk)
        with desk.store.begin_alone() as transaction:
            transaction.welcome(agents(catalog, roster), past.at)
        written = tickets(catalog, seed)
        _work_off(desk, past, catalog, written, days=days, per_day=per_day)
        runs = _open(desk, past, catalog, written, open_tickets)
        past.at = now
        _begin_some(desk, past, random.Random(seed))
        watch.look(desk)
        watch.escalate(desk, RunSummary(run_id=runs[-1], started_at=now), catalog)
        _report(desk, past, runs[-reports:])
        _pay(desk, past)


@contextmanager
def _desk(store_url: str, past: _Past) -> Iterator[Desk]:
    settings = load_settings({"DATABASE_URL": store_url}, Path("/nowhere"))
    with app.open_desk(settings, app.RunOptions(send=False)) as desk:
        yield replace(
            desk,
            read_roster=None,
            classifier=WordModel,
            skill_reader=LightSkillReader,
            now=lambda: past.at,
            new_id=past.new_id,
        )


def _take(
    desk: Desk, past: _Past, catalog: ServiceCatalog, batch: Sequence[Written], took: int = 40
) -> str:
    """Take tickets in as a run does; returns the run's id."""
    summary = RunSummary(run_id=desk.new_id(), started_at=past.at, catalog_version=catalog.version)
    with desk.store.begin_alone() as transaction:
        transaction.start_run(summary.run_id, past.at)
        for source in sorted({item.ticket.source for item in batch}):
            these = [item.ticket for item in batch if item.ticket.source == source]
            transaction.receive(summary.run_id, source, these, (), past.at)
    summary.fetched = summary.new = len(batch)
    pipeline.triage(desk, summary, catalog)
    pipeline.assign(desk, summary, catalog)
    watch.follow(desk, catalog)
    ended = past.at + timedelta(seconds=took)
    job = Job(
        id=summary.run_id,
        kind="desk",
        state="running",
        step="Delivering",
        done=len(batch),
        total=len(batch),
        actor="schedule",
        created_at=past.at,
    )
    with desk.store.begin() as transaction:
        transaction.finish_run(summary.run_id, "done", summary.as_json(), ended)
        transaction.add_job(job)
        transaction.set_job_state(job.id, "done", summary=summary.as_json(), finished_at=ended)
    return summary.run_id


def _work_off(
    desk: Desk,
    past: _Past,
    catalog: ServiceCatalog,
    written: Iterator[Written],
    *,
    days: int,
    per_day: int,
) -> None:
    """Days on which tickets came, some of them were answered by people, and all were resolved."""
    chance = random.Random(past.seed)
    waiting: list[tuple[datetime, Written]] = []
    for day in range(days, 0, -1):
        morning = past.present - timedelta(days=day)
        weekend = morning.weekday() >= 5
        batch = []
        for item in itertools.islice(written, per_day // 5 if weekend else per_day):
            raised = min(on(morning, chance), past.present - timedelta(hours=3))
            batch.append(replace(item, ticket=replace(item.ticket, created_at=raised)))
            done = raised + timedelta(minutes=20) + time_to_resolve(item, chance)
            waiting.append(
                (min(done, past.present - timedelta(minutes=chance.randint(1, 90))), item)
            )
        batch.sort(key=lambda item: item.ticket.created_at or morning)
        past.at = max(item.ticket.created_at or morning for item in batch)
        _take(desk, past, catalog, batch)
        unsure = _unsure(catalog, batch)
        looked_at = [
            item
            for place, item in enumerate(batch)
            if chance.random() < (_REVIEWED if item.ticket.id in unsure else _GLANCED_AT)
            # On every day there is one, so that no test depends on the weekday.
            or place == 0
        ]
        _answer(desk, past, catalog, looked_at)
        watch.look(desk)
        ready = [entry for entry in waiting if entry[0] <= past.at]
        waiting = [entry for entry in waiting if entry[0] > past.at]
        _resolve(desk, ready)
        watch.follow(desk, catalog)
    past.at = past.present
    watch.look(desk)
    _resolve(desk, waiting)
    watch.follow(desk, catalog)


def _unsure(catalog: ServiceCatalog, batch: Sequence[Written]) -> set[str]:
    """Ids of those that the model is unsure of."""
    answers = WordModel().classify([item.ticket for item in batch], catalog).answers
    return {name for name, answer in answers.items() if answer.needs_review}


def _answer(desk: Desk, past: _Past, catalog: ServiceCatalog, looked_at: Sequence[Written]) -> None:
    """Somebody says what these are; each is a lesson."""
    with desk.store.begin() as transaction:
        for item in looked_at:
            lesson = desk.new_id()
            answer = Classification(
                label=item.label, confidence=1.0, decided_by=DecidedBy.HUMAN, model=_LEAD
            )
            received = transaction.tickets_called(item.ticket.id)[0]
            correction = StoredCorrection(
                ticket_key=received.key,
                text_key=text_key(received.ticket.text),
                text=received.ticket.text,
                label=item.label,
                made_at=past.at,
                made_by=_LEAD,
                lesson=lesson,
            )
            transaction.record_lesson(lesson, past.at)
            transaction.correct([correction])
            transaction.decide(lesson, [pipeline.decide(desk, received, answer, catalog)])


def _resolve(desk: Desk, ready: Sequence[tuple[datetime, Written]]) -> None:
    """The helpdesk says that these are resolved, each since its own time."""
    with desk.store.begin_alone() as transaction:
        for source in sorted({item.ticket.source for _at, item in ready}):
            these = {item.ticket.id: at for at, item in ready if item.ticket.source == source}
            found = transaction.desk_tickets_from(source, list(these))
            closed = [
                replace(item.ticket, status=Status.RESOLVED, updated_at=these[name])
                for name, item in found.items()
            ]
            transaction.receive("", source, closed, (), max(these.values()))


def _open(
    desk: Desk, past: _Past, catalog: ServiceCatalog, written: Iterator[Written], count: int
) -> list[str]:
    """Tickets that are open, taken in by several runs; returns the runs' ids, oldest first."""
    chance = random.Random(past.seed + 1)
    found = []
    for item in itertools.islice(written, count):
        raised = past.present - age_of(item, chance)
        found.append(replace(item, ticket=replace(item.ticket, created_at=raised)))
    found.sort(key=lambda item: (item.ticket.created_at or past.present, item.ticket.id))
    runs, parts = [], 8
    for number in range(parts):
        batch = found[number * count // parts : (number + 1) * count // parts]
        past.at = max(
            [item.ticket.created_at for item in batch if item.ticket.created_at]
            + [past.present - timedelta(minutes=5 * (parts - number))]
        )
        runs.append(_take(desk, past, catalog, batch))
    return runs


def _begin_some(desk: Desk, past: _Past, chance: random.Random) -> None:
    """Agents have begun some of their tickets, and some are on hold."""
    with desk.store.begin_alone() as transaction:
        every = transaction.open_work()
        held = [work for work in every if work.agent_id]
        for work in held:
            since = past.at - timedelta(minutes=chance.randint(0, 60))
            if chance.random() < 0.25:
                transaction.accept(work.key, since)
            elif chance.random() < 0.2:
                transaction.commit_to(work.key, since)
            elif chance.random() < 0.06:
                (item,) = transaction.desk_tickets_of([work.key])
                ticket = replace(item.ticket, status=Status.ON_HOLD, updated_at=since)
                transaction.change_status(ticket, since)
    watch.follow(desk, learning.load_catalog(desk))


def _report(desk: Desk, past: _Past, runs: Sequence[str]) -> None:
    """A report of each run: sent, but one given up and the newest two not delivered."""
    for place, run_id in enumerate(reversed(runs)):
        at = past.present - timedelta(days=place, minutes=7)
        stored, content, _ = reporting.build_report(desk, run_id, at)
        state = {0: "unsent", 1: "unsent", 3: "discarded", 5: "kept"}.get(place, "sent")
        with desk.store.begin() as transaction:
            transaction.add_report(replace(stored, state=state), content)
            if state == "kept":
                continue
            copies = [("service-desk@example.com", "delivered", "")]
            if state != "sent":
                again = ("pending", _BUSY) if place == 0 else ("parked", _REFUSED)
                copies.append(("desk-lead@example.com", *again))
            for recipient, became, error in copies:
                copy = Delivery(
                    recipient=recipient,
                    state=became,
                    channel="smtp",
                    fingerprint="smtp mail.example.com:587",
                    attempts=3 if error else 1,
                    error=error,
                    attempted_at=at + timedelta(seconds=9),
                )
                transaction.save_delivery(stored.id, copy)


def _pay(desk: Desk, past: _Past) -> None:
    """What a language model cost, and runs that did not end well."""
    chance = random.Random(past.seed + 2)
    ended = {
        "failed": _SILENT,
        "cancelled": "",
    }
    with desk.store.begin() as transaction:
        for day in range(14, -1, -1):
            calls = chance.randint(4, 30)
            transaction.record_model_use(
                _MODEL,
                calls=calls,
                input_tokens=calls * chance.randint(1800, 2600),
                output_tokens=calls * chance.randint(300, 500),
                tickets=calls * 18,
                now=past.present - timedelta(days=day),
            )
        for place, (state, error) in enumerate(ended.items(), start=1):
            past.at = past.present - timedelta(hours=7 * place)
            job = Job(
                id=desk.new_id(),
                kind="desk",
                state="queued",
                step="Classifying",
                done=140 * place,
                total=400,
                actor=_LEAD,
                created_at=past.at,
            )
            transaction.add_job(job)
            ends = past.at + timedelta(seconds=50)
            transaction.set_job_state(job.id, state, error=error, finished_at=ends)


@contextmanager
def running(folder: Path, **options: int) -> Iterator[PageDesk]:
    """The page over a desk filled with `options`; its lead is `dana`, its reader `vic`.

    `amy` is the agent A02. All of them sign in with `PASSWORD`.
    """
    url = f"sqlite:///{folder / 'desk.db'}"
    fill(url, **options)
    (folder / "tickets.json").write_text("[]")
    # A desk that is not the sample reads no agents file: the roster is that of the store.
    settings = {
        "DATABASE_URL": url,
        "HELPDESK_API_URL": str(folder / "tickets.json"),
        "SERVICE_CATALOG_URL": str(files("triagedesk.sample") / "service_catalog.yaml"),
        "EMAIL_RECIPIENT": "service-desk@example.com, desk-lead@example.com",
        "LLM_PRICE_INPUT": "0.4",
        "LLM_PRICE_OUTPUT": "1.6",
    }
    with PageDesk.running(folder, settings=settings) as page:
        page.add_person("dana", "lead")
        page.add_person("vic", "viewer")
        page.add_person("amy", "agent", agent_id="A02")
        yield page


if __name__ == "__main__":
    fill(sys.argv[1], open_tickets=int((sys.argv[2:] or ["2000"])[0]))
