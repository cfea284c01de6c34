"""Runs against helpdesks and catalog servers that are down, slow, or talk nonsense."""

from __future__ import annotations

from typing import Any

import pytest

from support.desk import (
    API_SECRET,
    CATALOG,
    WholeDesk,
    desk,
    sqlite_desk,
    wire_tickets,
)
from support.helpdesk import Reply
from support.light_models import LightClassifier
from triagedesk.catalog import ServiceCatalog
from triagedesk.classify import StageResult
from triagedesk.tickets import Ticket

__all__ = ["desk", "sqlite_desk"]
REFUSED = {"response_code": 401, "message": f"bad secret {API_SECRET}"}
CATALOG_V2 = CATALOG.replace("value: 4", "value: 40")
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def assert_nothing_half_done(desk: WholeDesk) -> None:
    """A run that could not fetch leaves no tickets, no report and no mail."""
    contents = desk.contents()
    assert not any(contents[name] for name in ("tickets", "decisions", "reports", "cursors"))
    assert desk.smtp.commands == []
    assert not list(desk.folder.glob("out/**/*.xlsx"))


def assert_carries_on(desk: WholeDesk) -> None:
    """Once the servers are well again, the next run does everything."""
    desk.helpdesk.script()
    desk.helpdesk.script_catalog()
    assert desk.run().code == 0
    desk.check_books(tickets_expected=5)
    assert len(desk.smtp.messages) == 1


def patience_with(reply: Reply) -> dict[str, str]:
    """Little with a server that is slow on purpose; with others a busy machine may be slow."""
    return {"HTTP_TIMEOUT": "0.3"} if reply.delay else {}


def clear_line(err: str) -> str:
    """The one line that says what is wrong, besides the advice."""
    lines = err.splitlines()
    advice = [line for line in lines if line.startswith("What to do: ")]
    (line,) = (line for line in lines if line not in advice)
    assert line.startswith("triagedesk: ")
    assert len(lines) <= 2
    return line


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(delay=30), "no answer within 0.3 seconds"),
        (Reply(status=500, body="oops"), "HTTP 500, oops"),
        (Reply(cut=True), "did not answer after 4 tries"),
        (Reply(body='{"data": {"requests": [', cut_after=20), "did not answer after 4 tries"),
        (Reply(status=429, headers={"retry-after": "7"}), "HTTP 429"),
        (Reply(body='{"data": {"requests": ['), "not JSON"),
        (Reply(body={"data": {"orders": []}}), "holds no list of tickets"),
        (Reply(body="<html><h1>Welcome</h1></html>"), "is a web page, not JSON"),
        (Reply(body={"response_code": 500, "message": "queue broken"}), "queue broken"),
        (Reply(status=404, body="nothing here"), "HTTP 404"),
        (Reply(status=401, body=REFUSED), "refused the credentials"),
        (Reply(status=200, body=REFUSED), "refused the credentials"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_helpdesk_in_trouble_ends_the_run_with_one_clear_line(
    sqlite_desk: WholeDesk, reply: Reply, words: str
) -> None:
    sqlite_desk.helpdesk.script(reply, forever=True)

    outcome = sqlite_desk.run(**patience_with(reply))

    assert outcome.code == 3
    assert words in clear_line(outcome.err)
    assert outcome.out == ""
    assert_nothing_half_done(sqlite_desk)
    assert_carries_on(sqlite_desk)


def test_a_helpdesk_that_is_down_ends_the_run_and_the_next_one_carries_on(desk: WholeDesk) -> None:
    desk.helpdesk.stop()
    outcome = desk.run()
    assert outcome.code == 3
    assert "did not answer after 4 tries" in clear_line(outcome.err)
    assert_nothing_half_done(desk)
    desk.helpdesk.start()
    assert_carries_on(desk)


def test_credentials_are_not_tried_again(sqlite_desk: WholeDesk) -> None:
    for secret in ("wrong", "worse"):
        outcome = sqlite_desk.run(HELPDESK_API_SECRET=secret)
        assert outcome.code == 3
        assert "check HELPDESK_API_KEY and HELPDESK_API_SECRET" in outcome.err
    assert sqlite_desk.asked == ["/tickets"] * 2


def test_a_helpdesk_that_recovers_is_waited_for(sqlite_desk: WholeDesk) -> None:
    sqlite_desk.helpdesk.script(Reply(status=500), Reply(status=429, headers={"retry-after": "7"}))
    assert sqlite_desk.run().code == 0
    assert sqlite_desk.asked == ["/tickets"] * 3 + ["/catalog.yaml"]
    assert 7.0 in sqlite_desk.naps
    sqlite_desk.check_books(tickets_expected=5)


def test_an_empty_helpdesk_is_no_error_and_no_reason_for_a_mail(sqlite_desk: WholeDesk) -> None:
    sqlite_desk.helpdesk.tickets = []
    outcome = sqlite_desk.run()
    assert outcome.code == 0
    assert sqlite_desk.smtp.messages == []
    assert sqlite_desk.report_states() == []


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (Reply(body=BOMB), 2, "values, repeated ones included"),
        (Reply(status=404, body="gone"), 3, "HTTP 404"),
        (Reply(status=503), 3, "did not answer after 4 tries"),
        (Reply(delay=30), 3, "no answer within 0.3 seconds"),
        (Reply(body="<html>login</html>"), 3, "is a web page, not YAML"),
        (Reply(body=CATALOG.replace("value: 8", "value: -8")), 2, "line 15"),
        (Reply(body=""), 2, "cannot be used"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_without_a_catalog_the_tickets_wait_for_the_next_run(
    sqlite_desk: WholeDesk, reply: Reply, code: int, words: str
) -> None:
    sqlite_desk.helpdesk.script_catalog(reply, forever=True)

    outcome = sqlite_desk.run(**patience_with(reply))

    assert outcome.code == code
    assert words in outcome.err
    assert len(sqlite_desk.contents()["tickets"]) == 5
    assert sqlite_desk.smtp.commands == []
    # The helpdesk need not name them again.
    sqlite_desk.helpdesk.tickets = []
    assert_carries_on(sqlite_desk)


@pytest.mark.parametrize(
    "reply", [Reply(body=BOMB), Reply(status=404), Reply(status=503), Reply(body="[")]
)
def test_the_last_good_catalog_is_used_and_said(sqlite_desk: WholeDesk, reply: Reply) -> None:
    sqlite_desk.run()
    sqlite_desk.helpdesk.tickets += wire_tickets(5, start=6)
    sqlite_desk.helpdesk.script_catalog(reply, forever=True)

    outcome = sqlite_desk.run()

    assert outcome.code == 0
    assert "the catalog of 2" in outcome.text
    assert "was used instead" in outcome.text
    sqlite_desk.check_books(tickets_expected=10)


def test_a_catalog_that_has_not_changed_is_not_sent_again(desk: WholeDesk) -> None:
    desk.run()
    desk.helpdesk.tickets += wire_tickets(1, start=6)
    assert desk.run().code == 0
    assert "if-none-match" in desk.helpdesk.requests[-1].headers
    assert len({item.catalog_version for item in desk.triaged()}) == 1


def test_a_changed_catalog_counts_from_the_next_run_on(sqlite_desk: WholeDesk) -> None:
    sqlite_desk.run()
    sqlite_desk.helpdesk.catalog = CATALOG_V2
    sqlite_desk.helpdesk.tickets[:] = wire_tickets(1, start=5)  # a known one
    sqlite_desk.helpdesk.tickets += wire_tickets(1, start=10)
    assert sqlite_desk.run().code == 0
    known, new = sorted(sqlite_desk.triaged(), key=lambda item: item.key)
    assert known.catalog_version != new.catalog_version


def test_a_catalog_that_changes_mid_run_is_not_mixed(
    sqlite_desk: WholeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite_desk.helpdesk.tickets[:] = wire_tickets(450)
    classify = LightClassifier.classify

    def change_it(
        self: LightClassifier, tickets: list[Ticket], catalog: ServiceCatalog
    ) -> StageResult:
        sqlite_desk.helpdesk.catalog = CATALOG_V2
        return classify(self, tickets, catalog)

    monkeypatch.setattr(LightClassifier, "classify", change_it)

    assert sqlite_desk.run().code == 0

    triaged = sqlite_desk.triaged()
    assert len(triaged) == 450
    assert len({item.catalog_version for item in triaged}) == 1
    values = {item.sla.value for item in triaged if item.sla}
    assert 4 in values
    assert 40 not in values
    assert sqlite_desk.asked.count("/catalog.yaml") == 1


def test_the_same_id_from_two_helpdesks_is_two_tickets(sqlite_desk: WholeDesk) -> None:
    import json

    sqlite_desk.helpdesk.script_catalog(Reply(status=404))
    assert sqlite_desk.run().code == 3
    others: list[dict[str, Any]] = wire_tickets(5)
    for ticket in others:
        ticket["short_description"] = "Printer jam on floor 3"
    (sqlite_desk.folder / "more.json").write_text(json.dumps(others))

    assert sqlite_desk.run("--tickets", "more.json").code == 0

    triaged = sqlite_desk.triaged()
    assert len(triaged) == 10
    for item in triaged:
        label = item.classification.label
        assert label is not None
        if item.ticket.source == "file":
            assert label.request_type == "Printer jam"
    kinds = {t.classification.label for t in triaged if t.ticket.source == "webhook"}
    assert len(kinds) == 4, "two of the five look the same"
