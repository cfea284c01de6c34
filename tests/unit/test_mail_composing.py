from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.reports import NOW, hours, row
from triagedesk.errors import SettingsError
from triagedesk.priority import Priority
from triagedesk.report import ReportRow, tally
from triagedesk.report.mail import ComposedMail, compose, subject_of
from triagedesk.tickets import BrokenTicket


def composed(*rows: ReportRow, **fields: Any) -> ComposedMail:
    values: dict[str, Any] = {
        "figures": tally(rows or (row(),), NOW),
        "created_at": NOW,
        "title": "Triage report",
    }
    return compose(**values | fields)


class Tags(HTMLParser):
    """Collects a document's tags and its visible text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_subject_is_the_title_and_the_name() -> None:
    assert composed(candidate_name="Ada Lovelace").subject == "Triage report - Ada Lovelace"


def test_without_a_name_the_subject_is_the_title_alone() -> None:
    assert composed().subject == "Triage report"


@given(st.text(max_size=400), st.text(max_size=400))
def test_no_title_or_name_can_break_the_subject_line(title: str, name: str) -> None:
    subject = subject_of(title, name)

    assert len(subject.splitlines()) <= 1
    assert subject.isprintable() or not subject.isascii()
    assert subject.encode("utf-8") is not None


def test_a_line_break_in_the_title_adds_no_header() -> None:
    assert subject_of("Report\r\nBcc: evil@example.com") == "Report Bcc: evil@example.com"


def test_text_and_html_both_have_the_figures() -> None:
    rows = (row(id="1", needs_review=True), row(id="2", due=NOW - hours(1)), row(id="3", agent=""))
    mail = composed(*rows)

    assert "      3  tickets" in mail.text
    assert "      1  waiting for review by a person" in mail.text
    assert "      1  past due" in mail.text
    assert "      1  left in the queue" in mail.text
    text = " ".join(Tags(mail.html).text.split())
    assert "3 tickets 1 to review 1 past due 0 at risk" in text
    assert 'sheet "Review" lists the 1 that wait' in mail.text


def test_urgent_tickets_are_listed_in_order_of_work() -> None:
    rows = (
        row(id="INC2", due=NOW - hours(1), agent=""),
        row(id="INC1", priority=Priority.P1, short_description="Mail server down"),
        row(id="INC3"),
    )
    for version in (composed(*rows).text, composed(*rows).html):
        assert version.index("INC1") < version.index("INC2")
        assert "Mail server down" in version
        assert "nobody yet" in version
        assert "INC3" not in version


def test_past_ten_urgent_tickets_the_rest_is_counted() -> None:
    rows = [row(id=f"INC{n}", priority=Priority.P1) for n in range(13)]

    assert "... and 3 more in the workbook" in composed(*rows).text


def test_ticket_text_stays_text_in_the_html() -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>&amp;"
    html = composed(
        row(priority=Priority.P1, short_description=evil, agent=evil, request_category=evil),
        title=f"Report {evil}",
    ).html
    parsed = Tags(html)

    assert {"script", "img"}.isdisjoint(tag for tag, _ in parsed.tags)
    assert evil in parsed.text


def test_the_html_loads_nothing_from_elsewhere() -> None:
    parsed = Tags(composed(codebase_url="https://example.com/code").html)
    addresses = [v for _, attrs in parsed.tags for k, v in attrs.items() if k in ("src", "href")]

    assert addresses == ["https://example.com/code"]


def test_the_code_is_linked_in_both_versions() -> None:
    mail = composed(codebase_url="https://example.com/code?a=1&b=2")

    assert "Code: https://example.com/code?a=1&b=2" in mail.text
    links = [attrs["href"] for tag, attrs in Tags(mail.html).tags if tag == "a"]
    assert links == ["https://example.com/code?a=1&b=2"]


def test_without_an_address_of_the_code_there_is_no_link() -> None:
    mail = composed()

    assert "Code:" not in mail.text
    assert "<a " not in mail.html


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "ftp://example.com", "//example.com", "https://", "https://a b/\nc"],
)
def test_only_web_addresses_become_links(url: str) -> None:
    with pytest.raises(SettingsError, match="CODEBASE_URL"):
        composed(codebase_url=url)


def test_times_are_in_the_desks_zone_and_say_so() -> None:
    mail = composed(row(due=NOW - hours(1)), time_zone="Europe/Berlin")

    assert "2026-03-05 14:00 CET" in mail.text
    assert "all times are in Europe/Berlin" in mail.text
    assert "2026-03-05 13:00" in mail.html


def test_tickets_set_aside_are_named_with_their_reasons() -> None:
    broken = [BrokenTicket(position=n, id="", reason=f"reason {n}", raw="{}") for n in range(7)]
    mail = composed(broken=broken)

    assert "number 1: reason 0" in mail.text
    assert "... and 2 more in the workbook" in mail.text
    assert "Set aside: 7 could not be read" in mail.html


def test_a_huge_subject_line_is_cut() -> None:
    mail = composed(row(priority=Priority.P1, short_description="x" * 1_000_000))

    assert len(mail.text) < 3_000
    assert "…" in mail.text


def test_the_same_figures_give_the_same_mail() -> None:
    assert composed() == composed()
