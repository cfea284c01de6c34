"""The matrix, what wins over what, and a desk's own rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest

from triagedesk.errors import InputError
from triagedesk.priority import (
    Level,
    Priority,
    PriorityDecision,
    PriorityPolicy,
    order_key,
    prioritise,
)

DEFAULT = PriorityPolicy.default()
H, M, L = Level.HIGH, Level.MEDIUM, Level.LOW


def decide(
    text: str = "",
    *,
    policy: PriorityPolicy = DEFAULT,
    priority: Priority | None = None,
    **levels: Level | None,
) -> PriorityDecision:
    return prioritise(text_subject=text, text_body="", policy=policy, priority=priority, **levels)


def test_the_bundled_matrix_is_the_usual_one_and_never_gives_less_for_more() -> None:
    row = {impact: [int(DEFAULT.matrix[impact, urgency]) for urgency in Level] for impact in Level}
    assert row == {H: [1, 2, 3], M: [2, 3, 4], L: [3, 4, 4]}


@pytest.mark.parametrize(("impact", "urgency"), [*product(Level, Level)])
def test_fields_decide_by_the_matrix_whatever_the_text_says(impact: Level, urgency: Level) -> None:
    found = decide("URGENT outage, low priority", impact=impact, urgency=urgency)
    assert found.priority == DEFAULT.matrix[impact, urgency]
    assert found.evidence == (
        f"urgency field: {urgency.name.lower()}",
        f"impact field: {impact.name.lower()}",
    )


def test_fields_win_over_the_model_that_over_the_text_that_over_the_entry() -> None:
    text = "all users get an error, not urgent"
    everything = decide(text, impact=L, urgency=M, llm_impact=M, llm_urgency=H, default_impact=M)
    assert (everything.impact, everything.urgency) == (L, M)
    model = decide(text, llm_impact=M, llm_urgency=H, default_impact=L)
    assert (model.impact, model.urgency) == (M, H)
    assert model.evidence == ("urgency by the model: high", "impact by the model: medium")
    from_text = decide(text, default_impact=L)
    assert (from_text.impact, from_text.urgency) == (H, L)
    entry = decide("printer, not urgent", default_impact=L)
    assert (entry.impact, entry.urgency) == (L, L)
    assert entry.evidence == ("not urgent", "impact of the request type: low")


def test_each_level_is_decided_by_itself() -> None:
    found = decide("all users get an error, not urgent", urgency=H)
    assert (found.impact, found.urgency) == (H, H)
    assert found.evidence == ("urgency field: high", "all users")


def test_a_priority_that_arrives_filled_stays() -> None:
    found = decide("not urgent", priority=Priority.P1, impact=L)
    assert found == PriorityDecision(
        priority=Priority.P1, impact=L, urgency=L, evidence=("priority field: P1",)
    )


def test_a_desk_adds_phrases_and_signals() -> None:
    policy = PriorityPolicy.from_yaml(
        """
        classes: {system: {en: [tape robot]}}
        signals:
          urgent: {phrases: {pl: [pilne], en: [hair on fire]}}
          vip: {kind: scope, impact: high, phrases: {en: [board member]}}
        """
    )
    assert decide("Pilne!", policy=policy).urgency == H
    assert decide("My hair on fire", policy=policy).urgency == H
    assert decide("urgent", policy=policy).urgency == H
    assert decide("tape robot is down", policy=policy).priority == Priority.P1
    assert decide("A board member cannot print", policy=policy).impact == H
    assert decide("Pilne!").urgency == M
    assert policy.version != DEFAULT.version


def test_a_desk_takes_phrases_out_and_moves_them() -> None:
    policy = PriorityPolicy.from_yaml(
        "remove: [ASAP, server is down]\nsignals: {unhurried: {phrases: {en: [right away]}}}"
    )
    assert decide("asap", policy=policy).urgency == M
    assert decide("server is down", policy=policy).impact == M
    assert decide("network is down", policy=policy).impact == H
    assert decide("right away", policy=policy).urgency == L


def test_a_desk_changes_pairs_of_the_matrix() -> None:
    policy = PriorityPolicy.from_yaml("matrix: {low: {medium: P3, high: p2}}")
    assert policy.matrix[L, M] == Priority.P3
    assert policy.matrix[L, H] == Priority.P2
    assert policy.matrix[L, L] == Priority.P4
    twice = PriorityPolicy.from_yaml("matrix: {low: {high: P3}}", base=policy)
    assert twice.matrix[L, M] == Priority.P3
    assert twice.matrix[L, H] == Priority.P3


def test_an_empty_file_changes_nothing() -> None:
    assert PriorityPolicy.from_yaml("").version == DEFAULT.version
    assert PriorityPolicy.default() is DEFAULT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "matrix: {low: {low: P1}}",
            "line 1, matrix.low.medium: P4 is less than the P1 of low/low",
        ),
        ("matrix: {low: {low: P9}}", "matrix.low.low: 'P9' is not known (one of: P1, P2, P3, P4)"),
        ("matrix:\n  huge: {low: P1}", "line 2, matrix: 'huge' is not known"),
        ("signals: {new: {phrases: {en: [x]}}}", "signals.new: kind is missing"),
        ("signals: {new: {kind: odd}}", "signals.new.kind: 'odd' is not known"),
        ("signals: {new: {kind: event}}", "signals.new: says neither impact nor urgency"),
        ("signals: {urgent: {urgency: very}}", "signals.urgent.urgency: 'very' is not known"),
        ("signals: {urgent: {phrase: {}}}", "'phrase' is not known here"),
        ("signals: {urgent: {phrases: [now]}}", "where names with values belong"),
        ("signals: {urgent: {phrases: {en: now}}}", "phrases.en: is no list of phrases"),
        ("signals: {urgent: {phrases: {en: [1]}}}", "'1' is no text"),
        ("signals: {urgent: {phrases: {en: ['!!']}}}", "'!!' has no word"),
        ("signals: {urgent: {phrases: {en: [<word> now]}}}", "begins with any word"),
        ("signals: {urgent: {phrases: {en: [<thing> now]}}}", "no class 'thing'"),
        ("signals: {urgent: {phrases: {en: [a b c d e f g h i j k l m]}}}", "more than 12"),
        (
            "signals: {urgent: {phrases: {en: [<system> <people> <person> <matter> <whole>]}}}",
            "stands for more than",
        ),
        ("words: {negator: {en: [x]}}", "'negator' is not known here"),
        ("{", "line 2: not YAML"),
        ("surprise: 1", "'surprise' is not known here"),
        ("signals: {urgent: {kind: event}, urgent: {kind: event}}", "given twice"),
    ],
)
def test_rules_that_cannot_be_are_refused_with_their_place(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        PriorityPolicy.from_yaml(text)
    assert message in str(caught.value)


def test_the_order_of_work_is_priority_slack_age_id() -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    hour = timedelta(hours=1)
    wanted = [
        order_key(Priority.P1, None, now, "z"),
        order_key(Priority.P2, -hour, now, "y"),
        order_key(Priority.P2, timedelta(0), now, "x"),
        order_key(Priority.P2, hour, now - hour, "w"),
        order_key(Priority.P2, hour, now, "a"),
        order_key(Priority.P2, hour, now, "b"),
        order_key(Priority.P2, None, now - hour, "a"),
        order_key(Priority.P4, -hour, now - hour, "a"),
    ]
    shuffled = [wanted[place] for place in (4, 0, 7, 2, 6, 1, 5, 3)]
    assert sorted(shuffled) == wanted


def test_the_order_of_work_reads_times_in_utc() -> None:
    zone = ZoneInfo("Europe/Berlin")
    first = datetime(2026, 10, 25, 2, 45, tzinfo=zone)
    second = datetime(2026, 10, 25, 2, 15, fold=1, tzinfo=zone)
    keys = [order_key(Priority.P3, None, at, "same") for at in (first, second)]
    assert keys == sorted(keys)
    with pytest.raises(ValueError, match="created_at of ticket 7 has no time zone"):
        order_key(Priority.P3, None, datetime(2026, 1, 1), "7")  # noqa: DTZ001 - on purpose
