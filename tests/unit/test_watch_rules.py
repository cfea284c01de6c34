"""Escalation rules in the Service Catalog: what is read, and what is refused and where."""

from __future__ import annotations

import pytest

from triagedesk.catalog import EscalationRule, EscalationStep
from triagedesk.catalog_parser import parse_catalog
from triagedesk.errors import CatalogError

HEAD = """\
- name: Access
  requests:
    - name: Reset password
      sla: {unit: hours, value: 4}
"""


def rules(*lines: str) -> tuple[EscalationRule, ...]:
    text = HEAD + "      escalation:\n" + "".join(f"        - {line}\n" for line in lines)
    (entry,) = parse_catalog(text, origin="catalog.yaml").entries
    return entry.escalation


def problem(line: str) -> str:
    with pytest.raises(CatalogError) as caught:
        rules("{when: breached, do: reassign}", line)
    (found,) = caught.value.problems
    assert found.where == "line 7"
    return str(found)


def test_a_rule_says_when_what_and_whom() -> None:
    assert rules("{when: at_risk, do: [raise_priority, notify], notify: lead@example.com}") == (
        EscalationRule(
            when="at_risk",
            steps=(EscalationStep.RAISE_PRIORITY, EscalationStep.NOTIFY),
            notify=("lead@example.com",),
        ),
    )


def test_a_block_reads_like_a_line() -> None:
    block = 'when: at_risk\n          do: [notify]\n          notify: ["lead@example.com"]'
    assert rules(block) == rules("{when: at_risk, do: notify, notify: [lead@example.com]}")


def test_addresses_alone_mean_notify() -> None:
    (rule,) = rules("{when: breached, notify: [a@example.com, b@example.com]}")
    assert rule.steps == (EscalationStep.NOTIFY,)


@pytest.mark.parametrize(("written", "read"), [("0.5", "0.5"), ("'0.50'", "0.5"), (".9", "0.9")])
def test_a_fraction_may_be_quoted(written: str, read: str) -> None:
    (rule,) = rules(f"{{when: {written}, do: reassign}}")
    assert (rule.when, rule.fraction) == (read, float(read))


def test_a_rule_is_about_resolution_unless_it_names_another_target() -> None:
    one, other = rules(
        "{when: breached, do: reassign}", "{when: breached, do: reassign, target: response}"
    )
    assert (one.target, other.target) == ("resolution", "response")


def test_rules_are_part_of_the_catalogs_version() -> None:
    without = parse_catalog(HEAD, origin="")
    one, other = (
        parse_catalog(HEAD + f"      escalation: [{{when: {when}, do: reassign}}]\n", origin="")
        for when in ("at_risk", "breached")
    )
    assert len({without.version, one.version, other.version}) == 3


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{do: reassign}", "has no when"),
        ("{when: soon, do: reassign}", "when is soon"),
        ("{when: 1.5, do: reassign}", "when is 1.5"),
        ("{when: 0.0, do: reassign}", "when is 0.0"),
        ("{when: true, do: reassign}", "when is true"),
        ("{when: breached}", "does nothing"),
        ("{when: breached, do: panic}", "do is 'panic'"),
        ("{when: breached, do: notify}", "names nobody to notify"),
        ("{when: breached, do: reassign, notify: [a@b.example]}", "does not notify"),
        ("{when: breached, notify: [lead]}", "'lead' is no mail address"),
        ('{when: breached, notify: ["a@b.example>, c@d.example"]}', "is no mail address"),
        ("{when: breached, do: reassign, target: all}", "target is 'all'"),
        ("{when: breached, do: reassign, notfy: [a@b.example]}", "no 'notfy'"),
        ("at_risk", "an escalation rule is at_risk"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_line(line: str, said: str) -> None:
    assert said in problem(line)


def test_escalation_must_be_a_list() -> None:
    with pytest.raises(CatalogError, match="line 5: escalation is no list of rules"):
        parse_catalog(HEAD + "      escalation: at_risk\n", origin="")


def test_nobody_needs_more_than_twenty_rules() -> None:
    with pytest.raises(CatalogError, match="21 escalation rules are more than 20"):
        rules(*["{when: breached, do: reassign}"] * 21)
