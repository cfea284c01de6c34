"""The worked examples of docs/sla.md are what the clock says."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from triagedesk.catalog import Sla, SlaUnit
from triagedesk.sla import Pause, due_at, elapsed, length, parse_sla_policy

PAGE = (Path(__file__).parents[2] / "docs" / "sla.md").read_text(encoding="utf-8")
POLICY = parse_sla_policy(PAGE.partition("```yaml\n")[2].partition("```")[0])


def examples() -> list[list[str]]:
    table = PAGE.partition("| calendar | start |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return [row for row in rows[2:] if len(row) == 6]


def moment(text: str, zone: str = "") -> datetime:
    day, time, *named = text.split()
    return datetime.fromisoformat(f"{day} {time}").replace(tzinfo=ZoneInfo(*named or [zone]))


def test_there_are_examples() -> None:
    assert len(examples()) == len(re.findall(r"\| \d+ (?:hours|days) \|", PAGE)) >= 15


@pytest.mark.parametrize("row", examples(), ids=lambda row: f"{row[0]}: {row[5]}")
def test_an_example_is_true(row: list[str]) -> None:
    name, start_text, target_text, hold, due_text, _ = row
    calendar, start = POLICY.named(name), moment(start_text)
    value, unit = target_text.split()
    target = Sla(value=int(value), unit=SlaUnit(unit))
    pauses = []
    if hold:
        begin, _, end = hold.partition(" to ")
        zone = end.split()[2]
        pauses.append(Pause(started_at=moment(begin, zone), ended_at=moment(end)))
    due = due_at(start, target, calendar, pauses)
    if due_text == "none":
        assert due is None
        return
    assert due is not None
    assert due.astimezone(ZoneInfo(due_text.split()[2])) == moment(due_text)
    assert elapsed(start, due, calendar, pauses) == length(target, calendar)
