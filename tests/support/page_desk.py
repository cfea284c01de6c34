"""A desk full of tickets with its page, served by a thread of this process, with light models.

    with PageDesk.running(folder, tickets=50) as desk:
        desk.add_person("lea", "lead")
        client = desk.signed_in("lea")
        assert "INC1000" in client.get("/queue").text

As a process (`python -m support.page_desk FOLDER COUNT`) it fills a database to look at.
"""

from __future__ import annotations

import random
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Self

import httpx2 as httpx
import pytest
import uvicorn
from argon2 import PasswordHasher

from support.light_models import LightClassifier, lighten
from triagedesk import app, desk_work, learning, passwords
from triagedesk.agents import Agent
from triagedesk.catalog import Label, ServiceCatalog
from triagedesk.classify import StageResult
from triagedesk.classify.corrections import Correction
from triagedesk.classify.occlusion import Deciding, Explanation, Neighbour
from triagedesk.cli import serve
from triagedesk.desk import Desk, RunSummary
from triagedesk.intake import Batch, take_in
from triagedesk.passwords import hash_password
from triagedesk.settings import Settings, load_settings
from triagedesk.store.queue import QueueFilter
from triagedesk.tickets import Alternative, DecidedBy, Status, Ticket

PASSWORD = "correct horse battery"
SUBJECTS = (
    "Laptop does not start after the update",
    "VPN drops every ten minutes from home",
    "Forgot my password, account is locked",
    "Printer on floor 3 jams",
    "Cannot open the shared mailbox",
    "New starter needs an account by Monday",
    "Wi-Fi is down in the whole building",
    "Access to the finance folder",
    "Second monitor stays black",
    "Outlook crashes on start, urgent",
    "Install the CAD software, please",
    "Phone has no signal in the basement",
)
BODY = "Since this morning. Restarting did not help.\nCan somebody have a look today?"
#: As it is in earnest, each signing in would take a quarter of a second of all cores.
_QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
_TOKEN = re.compile(r'name="csrf" value="([^"]+)"')


class RememberingClassifier(LightClassifier):
    """Answers as people corrected a text that shares most of its words; else as the light one."""

    def __init__(self, corrections: Sequence[Correction] = ()) -> None:
        self._known = [(_words(item.text), item.label) for item in corrections]

    def classify(self, tickets: Sequence[Ticket], catalog: ServiceCatalog) -> StageResult:
        """Classify tickets (distinct ids)."""
        answers = dict(super().classify(tickets, catalog).answers)
        for ticket in tickets:
            words = _words(ticket.text)
            for known, label in self._known:
                if len(known & words) > 0.7 * len(known | words):
                    answers[ticket.id] = replace(
                        answers[ticket.id],
                        label=label,
                        confidence=0.97,
                        decided_by=DecidedBy.CORRECTION,
                        needs_review=False,
                    )
        return StageResult(answers=answers)

    def explain(
        self, _ticket: Ticket, _catalog: ServiceCatalog, _label: Label
    ) -> Explanation | None:
        """Nothing, unless a test puts `say_why` here."""
        return None


def say_why(
    _model: RememberingClassifier, ticket: Ticket, catalog: ServiceCatalog, label: Label
) -> Explanation:
    """What such a model could say for an answer."""
    words = re.findall(r"[^\W_]{4,}", ticket.short_description)
    known = [
        Correction(text=f"{SUBJECTS[place]}\n{BODY}", label=label, made_by=made_by)
        for place, made_by in ((0, "dana"), (1, ""))
    ]
    others = [entry.label for entry in catalog.entries if entry.label != label]
    return Explanation(
        probability=0.84,
        phrases=tuple(Deciding(phrase=word, loss=1.4 / n) for n, word in enumerate(words[:3], 1)),
        nearest=tuple(Neighbour(correction=one, likeness=0.83) for one in known),
        alternatives=tuple(Alternative(label=other, probability=0.07) for other in others[:3]),
    )


def _words(text: str) -> set[str]:
    return set(re.findall(r"[^\W_]{3,}", text.casefold()))


def some_tickets(count: int, now: datetime) -> tuple[Ticket, ...]:
    """Tickets of the last two days, the same for the same count."""
    chance = random.Random(7)
    return tuple(
        Ticket(
            source="api",
            id=f"INC{1000 + number}",
            short_description=f"{SUBJECTS[number % len(SUBJECTS)]} ({number})",
            long_description=BODY,
            requester_email=f"person{number % 40}@example.com",
            created_at=now - timedelta(minutes=chance.randint(1, 60 * 40)),
            status=Status.ON_HOLD if number % 29 == 28 else Status.OPEN,
        )
        for number in range(count)
    )


def fill(desk: Desk, tickets: Sequence[Ticket]) -> None:
    """Have a desk deal with tickets; the agents of the sample are its roster."""
    if desk.read_roster:
        with desk.store.begin_alone() as transaction:
            roster = [replace(agent, capacity=400) for agent in desk.read_roster()]
            transaction.welcome(roster, desk.now())
    if tickets:
        summary = RunSummary(run_id=desk.new_id(), started_at=desk.now())
        take_in(desk, Batch(tickets=tuple(tickets)), learning.load_catalog(desk), summary)


@dataclass(kw_only=True)
class PageDesk:
    """A page that is served."""

    desk: Desk
    settings: Settings
    url: str
    _clients: list[httpx.Client] = field(default_factory=list)

    @classmethod
    @contextmanager
    def running(
        cls,
        folder: Path,
        *,
        tickets: int | Sequence[Ticket] = 0,
        host: str = "127.0.0.1",
        settings: Mapping[str, str] = {},
    ) -> Iterator[Self]:
        """A page over the sample desk, with `tickets` tickets dealt with."""
        given = {"OUTPUT_DIR": str(folder), **settings}
        made = load_settings(given, folder)
        with pytest.MonkeyPatch.context() as patch:
            lighten(patch.setattr, patch.setitem, lambda _seconds: None)
            patch.setattr(passwords, "_hasher", _QUICK)
            patch.setattr(
                app, "LocalClassifier", lambda **o: RememberingClassifier(o.get("corrections", ()))
            )
            with app.open_desk(made, app.RunOptions()) as desk:
                now = desk.now()
                fill(desk, some_tickets(tickets, now) if isinstance(tickets, int) else tickets)
                with _served(serve._compose(desk, made, host, with_workers=False)) as url:
                    page = cls(desk=desk, settings=made, url=url)
                    try:
                        yield page
                    finally:
                        for client in page._clients:
                            client.close()

    def client(self, **headers: str) -> httpx.Client:
        """A browser without JavaScript, that follows no redirect by itself."""
        made = httpx.Client(base_url=self.url, headers=headers, timeout=100, trust_env=False)
        self._clients.append(made)
        return made

    def add_person(self, name: str, role: str, *, agent_id: str = "") -> None:
        """Somebody who may sign in with `PASSWORD`."""
        with self.desk.store.begin() as transaction:
            transaction.create_person(
                name,
                self.desk.now(),
                display_name=name.title(),
                role=role,
                agent_id=agent_id,
                password_hash=_kept(),
            )

    def signed_in(self, name: str) -> httpx.Client:
        """A client that has signed in."""
        client = self.client()
        answer = post(client, "/sign-in", page="/sign-in", name=name, password=PASSWORD)
        assert answer.status_code == 303, answer.text
        return client

    def key_of(self, ticket_id: str) -> int:
        """The store's number of a ticket."""
        with self.desk.store.read() as transaction:
            return transaction.desk_tickets_called(ticket_id)[0].key

    def ticket(self, ticket_id: str) -> Any:
        """A ticket as the desk has it."""
        with self.desk.store.read() as transaction:
            return transaction.desk_tickets_called(ticket_id)[0]

    def assigned(self, place: int = 0) -> Any:
        """One of the tickets that an agent has, in the queue's order."""
        with self.desk.store.read() as transaction:
            found = transaction.queue(QueueFilter(status="waiting"), self.desk.now(), most=500)
        return [item for _, item in found if desk_work.holder_of(item)][place]

    def agents(self) -> tuple[Agent, ...]:
        """The roster."""
        with self.desk.store.read() as transaction:
            return transaction.roster()


@cache
def _kept() -> str:
    return hash_password(PASSWORD)


def token_of(client: httpx.Client, page: str) -> str:
    """The token of a page's forms."""
    found = _TOKEN.search(client.get(page).text)
    assert found, f"no form on {page}"
    return found[1]


def post(client: httpx.Client, path: str, *, page: str = "/queue", **fields: str) -> httpx.Response:
    """Send a form of a page."""
    fields = {"csrf": token_of(client, page), **fields}
    return client.post(path, data=fields, headers={"Origin": str(client.base_url).rstrip("/")})


@contextmanager
def _served(application: Any) -> Iterator[str]:
    config = uvicorn.Config(application, port=0, log_level="error", server_header=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    give_up = time.monotonic() + 60
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        assert time.monotonic() < give_up, "the server did not start in time"
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(60)


if __name__ == "__main__":
    lighten(setattr, dict.__setitem__, lambda _seconds: None)
    place = Path(sys.argv[1])
    with app.open_desk(load_settings({"OUTPUT_DIR": str(place)}, place), app.RunOptions()) as full:
        fill(full, some_tickets(int(sys.argv[2]), full.now()))
