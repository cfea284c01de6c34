"""The desk's own sentences in the viewer's language: every form of them is known to the page."""

from __future__ import annotations

import ast
import random
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path
from string import Formatter

import yaml
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup, escape

import support
import triagedesk
from support.desks import NOW, SKILLS, agent, item
from triagedesk.agents import Agent, Availability, Shift
from triagedesk.assign import AssignPolicy, WorkItem, assign_batch
from triagedesk.assign.commitment import CommitmentPolicy, next_for, why_nothing
from triagedesk.assign.ranking import rank
from triagedesk.assign.rebalance import rebalance
from triagedesk.sla import Window
from triagedesk.tickets import Assignment
from triagedesk.web.sayings import Saying, read, said
from triagedesk.web.texts import SAYINGS, texts

HOUR = timedelta(hours=1)
POLICY = AssignPolicy()
AGENTS = ("Ann", "Bob", "Cem", "Dora O'Neil", "Eve")
#: Desks made by chance.
ROUNDS = 70
PIECES = (
    "a",
    " with ",
    "; ",
    ", ",
    " (",
    ") but ",
    " has ",
    " is ",
    " was next, but ",
    "1 of 2",
    ": ",
)
SOURCE = Path(triagedesk.__file__).parent
#: Whose messages the page shows.
WORDED = (
    *("desk_work/*.py", "sources/*.py", "classify/*.py", "classify/llm/*.py", "store/[ep]*.py"),
    *("workflows/[aw]*.py", "workflows/duty.py", "workflows/runs.py", "web/ticket.py"),
    *("errors.py", "learning.py", "passwords.py", "pipeline.py", "reporting.py", "agents.py"),
    *("assign/*.py", "placing.py", "watch.py", "notices.py", "priority/decide.py", "tickets.py"),
)
DAY_SHIFT = Shift(time_zone="UTC", week=((Window(opens=11 * 3600, closes=19 * 3600),),) * 7)


def recorded(at: datetime) -> Markup:
    return escape(f"{at:%Y-%m-%d %H:%M} UTC")


def short(at: datetime) -> Markup:
    return escape(f"{at:%d.%m. %H:%M}")


def marked(at: datetime) -> Markup:
    return Markup("<time>{}</time>").format(short(at))


def a_roster(chance: random.Random) -> list[Agent]:
    found = []
    for name in AGENTS[: chance.randint(0, 5)]:
        here = chance.choice(
            [Availability.AVAILABLE] * 5 + [Availability.AWAY] * 2 + [*Availability]
        )
        one = agent(
            name,
            {skill: chance.randint(1, 10) for skill in SKILLS if chance.random() < 0.5},
            load=chance.choice((0, 0, 1, 2, 5)),
            capacity=chance.choice((1, 2, 5, 5, 6)),
            availability=here,
            experience=chance.choice((0.0, 0.0, 2.0)),
            groups=chance.choice(((), (), ("Network",), ("Network", "Desk"))),
            shift=DAY_SHIFT if chance.random() < 0.15 else None,
            shift_ends_at=chance.choice((None, None, None, NOW + HOUR / 6, NOW - HOUR)),
        )
        found.append(one.on_shift(NOW) if one.shift else one)
    return found


def some_work(chance: random.Random, roster: list[Agent]) -> list[WorkItem]:
    ids = [one.id for one in roster]
    return [
        item(
            f"INC{number}",
            *chance.sample([*SKILLS, "Cobol"], chance.choice((0, 1, 1, 1, 2, 3))),
            priority=chance.randint(1, 4),
            age=chance.choice((0.2, 2, 30)),
            due_at=NOW + chance.choice((-1, 0.3, 4, 60)) * HOUR if chance.random() < 0.7 else None,
            group=chance.choice(("", "", "", "Network", "Nowhere")),
            declined_by=frozenset(id_ for id_ in ids if chance.random() < 0.1),
            affinity={id_: 0.8 for id_ in ids if chance.random() < 0.1},
        )
        for number in range(chance.choice((1, 1, 2, 4, 6)))
    ]


def told_of(given: Assignment) -> Iterator[tuple[str, str]]:
    yield "sentence", given.rationale
    if given.would_change:
        yield "change", given.would_change
    yield from (("reason", one.reason) for one in given.exclusions)


def told(chance: random.Random) -> Iterator[tuple[str, str]]:
    """What the engine says of a desk made by chance."""
    roster = a_roster(chance)
    work = some_work(chance, roster)
    for assigned in assign_batch(work, roster, policy=POLICY, now=NOW).assignments:
        yield from told_of(assigned)
    excluded = rank(work[0], roster, policy=POLICY, now=NOW)[1]
    yield from (("reason", one.reason) for one in excluded)
    rules = {"policy": CommitmentPolicy(), "assign_policy": POLICY, "now": NOW}
    for one in roster:
        found = next_for(one, work, roster, **rules)  # type: ignore[arg-type] # by keyword
        if found:
            yield "sentence", found.reason
            yield from (("reason", skip.reason) for skip in found.skipped)
        else:
            yield "nothing", why_nothing(one, work, roster, **rules)  # type: ignore[arg-type] # same
    has: dict[str, list[WorkItem]] = {}
    for ticket in work:
        if roster and chance.random() < 0.8:
            has.setdefault(chance.choice(roster).id, []).append(ticket)
    held = {ticket.ticket_id for mine in has.values() for ticket in mine}
    loaded = [replace(one, load=one.load + len(has.get(one.id, ()))) for one in roster]
    free = [ticket for ticket in work if ticket.ticket_id not in held]
    for move in rebalance(has, free, loaded, policy=POLICY, now=NOW):
        yield "sentence", move.why


def keys_of(saying: Saying) -> Iterator[str]:
    yield saying.key
    for value in saying.values.values():
        if isinstance(value, Saying):
            yield from keys_of(value)


def examples() -> dict[str, dict[str, str]]:
    """By kind, what the desk says in English and the page in German."""
    found = yaml.safe_load((Path(support.__file__).parent / "page_sayings.yaml").read_text())
    assert isinstance(found, dict)
    return found


def test_every_sentence_of_the_engine_has_a_known_form() -> None:
    chance = random.Random(11)
    for _ in range(ROUNDS):
        for kind, sentence in told(chance):
            assert read(sentence, kind), (kind, sentence)
            # Said by the forms it was read by, it is the same sentence again.
            assert unescape(said(sentence, kind, texts("en"), recorded)) == sentence


def test_every_form_is_shown_by_an_example() -> None:
    met = set[str]()
    for kind, pairs in examples().items():
        for sentence in pairs:
            saying = read(sentence, kind)
            assert saying, (kind, sentence)
            met |= set(keys_of(saying))
    assert {key for key in texts("en").texts if key.startswith(f"{SAYINGS}.")} - met == set()


def test_what_the_desk_says_is_said_in_words_of_its_code() -> None:
    said_there = {
        word
        for place in WORDED
        for path in sorted(SOURCE.glob(place))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for word in re.findall(r"\w{5,}", node.value)
    }
    for key, text in texts("en").texts.items():
        if key.startswith(f"{SAYINGS}."):
            words = " ".join(piece for piece, *_ in Formatter().parse(str(text)))
            assert set(re.findall(r"\w{5,}", words)) <= said_there, key


def test_the_german_page_says_it_in_german() -> None:
    shown = {
        kind: {sentence: unescape(said(sentence, kind, texts("de"), short)) for sentence in pairs}
        for kind, pairs in examples().items()
    }
    assert shown == examples()


def test_what_waits_says_until_when_in_the_viewers_time() -> None:
    ann = agent("Ann", {"Linux": 7}, shift=DAY_SHIFT).on_shift(NOW)
    work = item("t", "Linux", due_at=NOW + 4 * HOUR)
    bob = agent("Bob", {"VPN": 9})
    (one,) = assign_batch([work], [ann, bob], policy=POLICY, now=NOW).assignments
    assert said(one.rationale, "sentence", texts("de"), marked) == (
        "Wartet auf Ann (Linux 7/10), Schichtbeginn <time>02.03. 11:00</time>, rechtzeitig für die "
        "SLA: niemand mit dem Können kann es jetzt nehmen (Linux: 1 nicht im Dienst)."
    )


def test_what_has_no_known_form_is_shown_as_it_was_recorded() -> None:
    for sentence in ("", "Ann is nice.", "goes by load to", "1 away,", "x" * 5000, "{agent}"):
        for kind in ("sentence", "reason", "counts", "no such kind"):
            assert read(sentence, kind) is None
            assert said(sentence, kind, texts("de"), short) == sentence


def test_names_from_outside_are_text_and_never_forms() -> None:
    name = "<b>{agent}</b> %s {0}"
    sentence = f"{name} would come first with one open ticket fewer."
    assert said(sentence, "change", texts("de"), short) == (
        "Mit einem offenen Ticket weniger käme &lt;b&gt;{agent}&lt;/b&gt; %s {0} zuerst."
    )


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_names_that_look_like_pieces_of_sentences_are_read_in_no_time(name: str) -> None:
    sentence = f"{name} takes this: best on {name} (7/10), with 3 of 20 open; {name}."
    began = time.process_time()
    said(sentence, "sentence", texts("de"), short)
    assert time.process_time() - began < 1
