"""What the settings say about online assignment, as the desk knows it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from triagedesk import app
from triagedesk.desk import OnlineRules
from triagedesk.errors import SettingsError
from triagedesk.priority import Priority
from triagedesk.settings import Settings, load_settings


def settings(tmp_path: Path, **given: str) -> Settings:
    return load_settings(given, tmp_path)


def test_without_settings_a_desk_commits_late_and_nothing_interrupts(tmp_path: Path) -> None:
    rules = app.online_rules(settings(tmp_path))
    assert rules == OnlineRules()
    assert (rules.commits_early, rules.affinity, rules.commitment.interrupt) == (
        False,
        "off",
        frozenset(),
    )
    assert app.assign_policy(settings(tmp_path)).min_shift == timedelta(minutes=30)


def test_settings_are_followed(tmp_path: Path) -> None:
    given = settings(
        tmp_path,
        COMMITMENT="Early",
        AFFINITY="Linked",
        INTERRUPT="p2, P1",
        SHIFT_MIN_LEFT="60",
        REBALANCE_MINUTES="5",
    )
    rules = app.online_rules(given)
    assert (rules.commits_early, rules.affinity) == (True, "linked")
    assert rules.commitment.interrupt == {Priority.P1, Priority.P2}
    assert app.assign_policy(given).min_shift == timedelta(hours=1)
    assert given.rebalance_minutes == 5


def test_off_is_nothing_that_interrupts(tmp_path: Path) -> None:
    assert settings(tmp_path, INTERRUPT="off").interrupt == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COMMITMENT", "sometimes"),
        ("AFFINITY", "friends"),
        ("INTERRUPT", "P3"),
        ("SHIFT_MIN_LEFT", "-1"),
        ("REBALANCE_MINUTES", "1441"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(tmp_path, **{name: value})
    assert [problem.where for problem in caught.value.problems] == [name]
