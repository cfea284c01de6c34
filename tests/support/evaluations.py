"""Outcomes, cases and classifiers for tests of measuring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from triagedesk.catalog import CatalogEntry, Label, ServiceCatalog, Sla, SlaUnit, catalog_version
from triagedesk.classify import StageResult, Usage
from triagedesk.classify.evaluate import Case, Evaluation, Outcome
from triagedesk.tickets import Alternative, Classification, DecidedBy, Ticket

A, B, C = Label("Access", "Account"), Label("Devices", "Printer"), Label("Network", "VPN")


def an_outcome(number: int, truth: Label, answer: Label | None, **fields: Any) -> Outcome:
    """An answer for ticket `T-number`, left to a person unless said otherwise."""
    plain = {"confidence": 0.5, "alone": False, "decided_by": "local"}
    return Outcome(
        ticket_id=f"T-{number}",
        where=f"line {number + 2}",
        subject=fields.pop("subject", f"ticket {number}"),
        truth=truth,
        answer=answer,
        **{**plain, **fields},
    )


def an_evaluation(outcomes: Sequence[Outcome], **fields: Any) -> Evaluation:
    """An evaluation of policy `local`."""
    plain = {
        "policy": "local",
        "version": "v1",
        "promised": 0.95,
        "labels": (A, B, C),
        "catalog_version": "c1",
        "folds": 0,
        "seed": 0,
        "seconds": 2.0,
    }
    return Evaluation(outcomes=tuple(outcomes), **{**plain, **fields})


def a_case(number: int, truth: Label, text: str = "") -> Case:
    """A ticket `T-number` with a text of its own."""
    ticket = Ticket(
        source="labelled", id=f"T-{number}", short_description=text or f"words {number}"
    )
    return Case(ticket=ticket, truth=truth, where=f"line {number + 2}")


def a_catalog(*labels: Label, **fields: Mapping[Label, Any]) -> ServiceCatalog:
    """A catalog of these labels; `descriptions={label: text}`, `examples={label: texts}`."""
    entries = tuple(
        CatalogEntry(
            label=label,
            sla=Sla(value=4, unit=SlaUnit.HOURS),
            description=fields.get("descriptions", {}).get(label, ""),
            examples=fields.get("examples", {}).get(label, ()),
        )
        for label in labels
    )
    return ServiceCatalog(entries=entries, version=catalog_version(entries), origin="test")


class Scripted:
    """A classifier that answers by the ticket's text."""

    name = "scripted"
    version = "scripted-1"

    def __init__(
        self,
        answers: Mapping[str, Sequence[tuple[Label, float]]],
        *,
        sure_from: float = 0.9,
        usage: Usage | None = None,
        failures: Mapping[str, str] | None = None,
    ) -> None:
        """`answers`: text -> labels with probabilities, the answer first."""
        self._answers, self._failures = answers, failures or {}
        self._sure_from, self._usage = sure_from, usage or Usage()
        self.seen: list[Ticket] = []

    def classify(self, tickets: Sequence[Ticket], catalog: ServiceCatalog) -> StageResult:
        """Answer what is scripted; fail for the rest."""
        assert catalog.entries
        self.seen.extend(tickets)
        answers = {}
        for ticket in tickets:
            if ranked := self._answers.get(ticket.short_description):
                answers[ticket.id] = Classification(
                    label=ranked[0][0],
                    confidence=ranked[0][1],
                    decided_by=DecidedBy.LOCAL,
                    needs_review=ranked[0][1] < self._sure_from,
                    alternatives=tuple(
                        Alternative(label=label, probability=p) for label, p in ranked[1:]
                    ),
                )
        failures = {
            t.id: self._failures.get(t.short_description, "not scripted")
            for t in tickets
            if t.id not in answers
        }
        usage = self._usage if tickets else Usage()
        return StageResult(answers=answers, failures=failures, usage=usage)
