"""What single commands do, over a desk that `app` puts together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from triagedesk import app, dataset, desk_work, evaluating, learning, pipeline, reporting, watch
from triagedesk.agents import Agent, Availability
from triagedesk.agents_parser import parse_agents
from triagedesk.catalog import Label, ServiceCatalog
from triagedesk.catalog_parser import parse_catalog
from triagedesk.classify import Classifier
from triagedesk.classify.confusable import Confusable, find_confusable
from triagedesk.classify.corrections import Correction
from triagedesk.desk import Progress, SentReport
from triagedesk.errors import NotFoundError, TicketsError
from triagedesk.evaluating import EvaluatedFile, EvaluateOptions
from triagedesk.files import write_file
from triagedesk.formats import format_for
from triagedesk.settings import Settings, load_settings
from triagedesk.sources.catalogs import catalog_source
from triagedesk.sources.files import read_text, read_ticket_text, shown_path
from triagedesk.sources.history import closed_tickets
from triagedesk.store.costs import ModelUse
from triagedesk.store.lease import hold
from triagedesk.store.sla_records import BoardLine, EventLine
from triagedesk.tickets import BrokenTicket, Classification, Ticket, TriagedTicket


def model_use(settings: Settings, days: int) -> list[ModelUse]:
    """What language models did in the last `days` days."""
    with closing(app.open_store(settings)) as store, store.read() as transaction:
        return transaction.model_use(datetime.now(UTC) - timedelta(days=days))


def read_catalog(place: str) -> ServiceCatalog:
    """The catalog at a URL or in a file."""
    document = catalog_source(place).load()
    return parse_catalog(document.text if document else "", origin=place)


def check_files(settings: Settings) -> None:
    """Read every file the settings name; raises the first file's own error."""
    app.check_language_model(settings)
    app.sla_policy(settings)
    app.priority_policy(settings)
    read_roster = app.roster_reader(settings)
    if read_roster:
        read_roster()


def resend_reports(
    settings: Settings,
    report_id: str,
    to: tuple[str, ...],
    shield: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> list[SentReport]:
    """Send one report, or all unsent ones, now."""
    with app.open_desk(settings, app.RunOptions(), shield=shield) as desk, hold(desk.store, "run"):
        return reporting.resend(desk, report_id, to)


def discard_report(settings: Settings, report_id: str) -> None:
    """Give a report up."""
    with app.open_desk(settings, app.RunOptions()) as desk:
        reporting.discard(desk, report_id)


def rebuild_report(settings: Settings, run_id: str, output: Path) -> str:
    """Write a run's workbook anew; returns the run's id."""
    with app.open_desk(settings, app.RunOptions(report=output, send=False)) as desk:
        with desk.store.read() as transaction:
            wanted = run_id or transaction.newest_run() or ""
            if not transaction.has_run(wanted):
                hint = "see `triagedesk report list`; `triagedesk run` makes the first one"
                raise NotFoundError(f"there is no run {wanted!r}", hint=hint)
        _, content, _ = reporting.build_report(desk, wanted, desk.now())
        write_file(output, content)
    return wanted


def sla_board(
    settings: Settings, most: int | None, *, everything: bool
) -> tuple[list[BoardLine], datetime]:
    """SLAs that run, next to breach first, as they stand at the time that comes with them."""
    with app.open_desk(settings, app.RunOptions(send=False)) as desk:
        return watch.board(desk, most=most, everything=everything), desk.now()


def sla_events(settings: Settings, most: int | None) -> list[EventLine]:
    """What happened to SLAs, newest first."""
    with app.open_desk(settings, app.RunOptions(send=False)) as desk:
        return watch.event_lines(desk, most=most)


def next_ticket(settings: Settings, agent_id: str, by: str) -> desk_work.Pulled:
    """Give an agent the ticket to begin now."""
    with app.open_desk(settings, app.RunOptions(send=False)) as desk:
        return desk_work.next_ticket(desk, agent_id, by=by)


def set_availability(
    settings: Settings, agent_id: str, availability: Availability, by: str
) -> tuple[Agent, list[desk_work.HandedOn]]:
    """Say whether an agent takes work; returns what they handed back."""
    with app.open_desk(settings, app.RunOptions(send=False)) as desk:
        return desk_work.set_availability(desk, agent_id, availability, by=by)


def correct_ticket(
    settings: Settings, ticket_id: str, category: str, kind: str, by: str
) -> tuple[learning.Learned, TriagedTicket]:
    """Record a person's answer for a ticket."""
    with app.open_desk(settings, app.RunOptions()) as desk:
        return learning.correct(desk, ticket_id, Label(category, kind), by=by)


def learn_history(settings: Settings, history: Path, by: str) -> learning.Learned:
    """Learn from a file of closed tickets."""
    with app.open_desk(settings, app.RunOptions()) as desk:
        return learning.learn(desk, closed_tickets(history), by=by)


def explain_ticket(settings: Settings, ticket_id: str) -> learning.Explained:
    """Why a ticket was classified as it was."""
    with app.open_desk(settings, app.RunOptions(send=False)) as desk:
        return learning.explain(desk, ticket_id)


def undo_lesson(settings: Settings, lesson: str, by: str) -> int:
    """Take a lesson back."""
    with app.open_desk(settings, app.RunOptions()) as desk:
        return learning.undo(desk, lesson, by=by)


@dataclass(frozen=True, kw_only=True)
class ClassifiedFile:
    """Tickets with their classifications, in the file's order, and what was set aside."""

    classified: tuple[tuple[Ticket, Classification], ...]
    broken: tuple[BrokenTicket, ...]


def classify_file(settings: Settings, progress: Progress) -> ClassifiedFile:
    """Classify the tickets the settings name; no store is touched."""
    app.configure_logging(settings)
    document = app.the_catalog_source(settings).load()
    catalog = parse_catalog(
        document.text if document else "", origin=app.the_catalog_source(settings).origin
    )
    fetched = app.ticket_source(settings).fetch("")
    progress.start("Classifying", len(fetched.tickets))
    classifier = app.classifier(settings, None)
    answers: list[Classification] = []
    for start in range(0, len(fetched.tickets), pipeline.CHUNK):
        chunk = fetched.tickets[start : start + pipeline.CHUNK]
        answers += pipeline.classify(classifier, chunk, catalog)[0]
        progress.advance(len(chunk))
    return ClassifiedFile(
        classified=tuple(zip(fetched.tickets, answers, strict=True)), broken=fetched.broken
    )


def check_confusable(
    settings: Settings, catalog: ServiceCatalog
) -> tuple[tuple[Confusable, ...], tuple[str, ...]]:
    """Entries the local model cannot tell apart, and what the model lacks, in plain words."""
    local = app.local_model(settings)
    return find_confusable(catalog, local), local.missing


def evaluate_labelled(
    settings: Settings, options: EvaluateOptions, progress: Progress | None = None
) -> EvaluatedFile:
    """Measure on a labelled file how well tickets are classified; no store is touched."""
    app.configure_logging(settings)

    def local(
        precision: float, corrections: Sequence[Correction]
    ) -> tuple[Classifier, tuple[str, ...]]:
        made = app.local_model(settings, precision=precision, corrections=corrections)
        return made, made.missing

    place = options.catalog or settings.service_catalog_url
    return evaluating.evaluate_file(
        options,
        catalog=read_catalog(place) if place else None,
        makers=evaluating.Makers(local=local, llm=lambda: app.language_model(settings, None)),
        precision=settings.auto_precision,
        progress=progress,
    )


def assign_dataset(path: Path, progress: Progress) -> dict[str, Any]:
    """Assign a dataset's tickets among its own agents; JSON types, each ticket in one list."""
    settings = load_settings()
    # Read once: standard input cannot be read again for the agents.
    text = read_text(path, error=TicketsError)
    origin = shown_path(path)
    fetched = read_ticket_text(text, source="file", origin=origin)
    agents = parse_agents(
        text,
        origin=origin,
        format=format_for(origin, text),
        default_capacity=settings.agent_capacity,
    )
    one_off = dataset.assign_one_off(
        fetched.tickets,
        agents,
        skill_reader=app.skill_reader(settings),
        priority_policy=app.priority_policy(settings),
        assign_policy=app.assign_policy(settings),
        now=datetime.now(UTC),
        progress=progress,
    )
    return dataset.as_json(one_off, fetched.broken)
