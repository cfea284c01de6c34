"""Review, agents, reports and runs in real Chromium, each task as a person would do it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import httpx2 as httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from support.browser import context_of, running_chromium, serious_faults, sign_in
from support.page_desk import PASSWORD, PageDesk, post, token_of
from support.web_desk import running
from triagedesk.agents import Availability
from triagedesk.store.jobs import Job
from triagedesk.store.sla_records import BoardLine

_NARROWEST = {"width": 320, "height": 700}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageDesk]:
    folder = tmp_path_factory.mktemp("desk")
    with running(folder, open_tickets=240, days=5, per_day=12, roster=14, reports=7) as page:
        yield page


@pytest.fixture(scope="module")
def signed(chromium: Browser, desk: PageDesk) -> Iterator[Page]:
    context = context_of(chromium, desk.url, impatient=True, accept_downloads=True)
    yield sign_in(context, "dana", PASSWORD)
    context.close()


@pytest.fixture
def dana(signed: Page) -> Iterator[Page]:
    signed.errors.clear()  # type: ignore[attr-defined] # see sign_in
    yield signed
    assert signed.errors == []  # type: ignore[attr-defined] # see sign_in


@pytest.fixture(scope="module")
def reader(desk: PageDesk) -> httpx.Client:
    return desk.signed_in("vic")


@pytest.fixture(scope="module")
def lead(desk: PageDesk) -> httpx.Client:
    return desk.signed_in("dana")


def waiting(page: Page) -> int:
    found = re.search(r"\d+", page.locator("#review-count").inner_text())
    assert found
    return int(found[0])


def in_hand(page: Page) -> str:
    return str(page.locator(".in-hand .crumbs a").first.text_content())


def wait_for_next(page: Page, before: str) -> None:
    expect(page.locator(".in-hand .crumbs a").first).not_to_have_text(before)
    expect(page.locator(".in-hand")).to_be_focused()


# Review


def test_one_key_accepts_the_suggestion_of_the_first_ticket(desk: PageDesk, dana: Page) -> None:
    dana.goto("/review")
    expect(dana.locator(".in-hand")).to_be_focused()
    first, count = in_hand(dana), waiting(dana)
    suggested = desk.ticket(first).triaged.classification.label
    dana.keyboard.press("y")
    wait_for_next(dana, first)
    assert waiting(dana) == count - 1
    answer = desk.ticket(first).triaged.classification
    assert (answer.label, answer.decided_by, answer.needs_review) == (suggested, "human", False)
    expect(dana.locator(".taught")).to_contain_text(suggested.request_type)


def test_a_digit_answers_and_what_was_learned_is_applied_to_others(
    desk: PageDesk, dana: Page
) -> None:
    dana.goto("/review")
    learned = dana.locator(".taught [data-key='+']")
    for _ in range(8):
        first, count = in_hand(dana), waiting(dana)
        chosen = desk.ticket(first).triaged.classification.alternatives[0].label
        dana.keyboard.press("1")
        wait_for_next(dana, first)
        assert desk.ticket(first).triaged.classification.label == chosen
        expect(dana.locator(".taught")).not_to_contain_text("Looking for")
        if learned.is_visible():
            break
    assert "would change" in dana.locator(".taught").inner_text()
    dana.keyboard.press("+")
    expect(dana.get_by_text("Applied.")).to_be_visible()
    assert waiting(dana) <= count - 1


def test_slash_opens_the_whole_catalog_to_type_in(desk: PageDesk, dana: Page) -> None:
    dana.goto("/review")
    first = in_hand(dana)
    dana.keyboard.press("/")
    expect(dana.get_by_placeholder("Type to narrow")).to_be_focused()
    dana.keyboard.type("stolen")
    dana.keyboard.press("Enter")
    wait_for_next(dana, first)
    label = desk.ticket(first).triaged.classification.label
    assert label.request_type == "Lost or Stolen Device"


def test_escape_leaves_the_choice_and_answers_nothing(dana: Page) -> None:
    dana.goto("/review")
    first = in_hand(dana)
    dana.keyboard.press("/")
    dana.locator("dialog[open]").wait_for()
    dana.keyboard.press("Escape")
    expect(dana.locator("dialog[open]")).to_have_count(0)
    assert in_hand(dana) == first


def test_a_skipped_ticket_comes_back_at_the_end(dana: Page) -> None:
    dana.goto("/review")
    first, count = in_hand(dana), waiting(dana)
    dana.keyboard.press("s")
    wait_for_next(dana, first)
    assert waiting(dana) == count
    dana.reload()
    assert in_hand(dana) != first
    dana.goto("/review")
    assert in_hand(dana) == first


def test_a_ticket_that_somebody_else_answers_meanwhile_makes_room(
    desk: PageDesk, lead: httpx.Client, dana: Page
) -> None:
    dana.goto("/review")
    first, count = in_hand(dana), waiting(dana)
    label = desk.ticket(first).triaged.classification.label
    fields = {"label": f"{label.request_category}\t{label.request_type}"}
    address = f"/review/{desk.key_of(first)}/answer"
    assert post(lead, address, page="/reports", **fields).status_code == 303
    wait_for_next(dana, first)
    assert waiting(dana) == count - 1
    again = post(lead, address, page="/reports", **fields)
    assert "did=review_gone" in again.headers["location"]


def test_readers_see_what_waits_and_answer_nothing(desk: PageDesk, reader: httpx.Client) -> None:
    shown = reader.get("/review").text
    assert 'id="in-hand"' in shown
    assert "/answer" not in shown
    key = re.findall(r"/tickets/(\d+)", shown)[0]
    assert post(reader, f"/review/{key}/answer", label="a\tb").status_code == 403


def test_agents_review_what_they_have(desk: PageDesk) -> None:
    client = desk.signed_in("amy")
    shown = client.get("/review").text
    keys = {int(key) for key in re.findall(r"/tickets/(\d+)", shown)}
    with desk.desk.store.read() as transaction:
        mine = {one.key for one in transaction.to_review("A02")}
        every = {one.key for one in transaction.to_review()}
    assert keys <= mine
    assert mine < every


def test_a_label_that_is_not_in_the_catalog_is_refused(lead: httpx.Client) -> None:
    key = re.findall(r"/tickets/(\d+)", lead.get("/review").text)[0]
    answer = post(lead, f"/review/{key}/answer", page="/review", label="No such\tthing")
    assert answer.status_code == 422
    assert "not in the Service Catalog" in answer.text


# Agents


def fullest(desk: PageDesk) -> tuple[str, str]:
    """Id and name of somebody with work."""
    ready = [one for one in desk.agents() if one.availability is Availability.AVAILABLE]
    found = max(ready, key=lambda one: one.load)
    return found.id, found.name


def test_setting_an_agent_away_shows_who_has_their_work_now(desk: PageDesk, dana: Page) -> None:
    agent_id, name = fullest(desk)
    dana.goto("/agents?sort=load")
    dana.get_by_role("button", name=f"Set {name} to away").click()
    dana.wait_for_url(f"**/agents/{agent_id}*")
    expect(dana.get_by_text("What had not begun went to others")).to_be_visible()
    handed = dana.locator(".handed li")
    expect(handed.first).to_be_visible()
    told = handed.first.inner_text()
    key = re.findall(r"/tickets/(\d+)", handed.first.inner_html())[0]
    with desk.desk.store.read() as transaction:
        (item,) = transaction.desk_tickets_of([int(key)])
    given = item.triaged.assignment if item.triaged else None
    assert (given.agent_name if given and given.agent_id else "waits in the queue") in told
    dana.get_by_role("button", name=f"Set {name} to available").click()
    expect(dana.locator(".facts .state").first).to_have_text("available")


def test_the_list_follows_what_happens_elsewhere(
    desk: PageDesk, lead: httpx.Client, dana: Page
) -> None:
    (someone, *_rest) = [one for one in desk.agents() if one.load == 0] or desk.agents()
    row = dana.locator(f"#a-{someone.id}")
    dana.goto("/agents")
    dana.locator("[data-row]").nth(2).focus()
    focused = dana.evaluate("document.activeElement.textContent")
    wanted = "away" if someone.availability is Availability.OFFLINE else "offline"
    answer = post(lead, "/agents-availability", page="/reports", set=f"{wanted} {someone.id}")
    assert answer.status_code == 303
    expect(row.locator(".state")).to_have_text(wanted)
    assert dana.evaluate("document.activeElement.textContent") == focused


def test_agents_are_sorted_by_how_full_they_are(desk: PageDesk, dana: Page) -> None:
    dana.goto("/agents")
    dana.get_by_role("link", name="Fullest first").click()
    expect(dana.locator("[aria-current=true]")).to_have_text("Fullest first")
    shares = [one.load / one.capacity for one in desk.agents()]
    loads = [text.split("/") for text in dana.locator(".team .num").all_inner_texts()]
    shown = [int(load) / int(capacity) for load, capacity in loads]
    assert shown == sorted(shares, reverse=True)


def test_an_agent_page_shows_their_open_tickets_and_skills(desk: PageDesk, dana: Page) -> None:
    agent_id, name = fullest(desk)
    (agent,) = (one for one in desk.agents() if one.id == agent_id)
    dana.goto("/agents")
    dana.get_by_role("link", name=name).first.click()
    expect(dana.get_by_role("heading", level=1)).to_have_text(name)
    expect(dana.locator(".queue tbody tr")).to_have_count(agent.load)
    for skill in agent.skills:
        expect(dana.locator(".skills")).to_contain_text(skill)


def test_readers_set_nobody_away(desk: PageDesk, reader: httpx.Client) -> None:
    assert "agents-availability" not in reader.get("/agents").text
    assert post(reader, "/agents-availability", set="away A01").status_code == 403


@pytest.mark.parametrize(
    ("agent", "state", "status"), [("nobody", "away", 404), ("A01", "asleep", 422)]
)
def test_an_agent_or_a_word_there_is_not_is_refused(
    lead: httpx.Client, agent: str, state: str, status: int
) -> None:
    answer = post(lead, "/agents-availability", page="/reports", set=f"{state} {agent}")
    assert answer.status_code == status


# Reports and runs


def unsent(desk: PageDesk) -> set[str]:
    with desk.desk.store.read() as transaction:
        return {report.id for report in transaction.unsent()}


def card_of(page: Page, error: str) -> tuple[Locator, str]:
    """The card of an unsent report with this error, and the report's id."""
    card = page.locator(".unsent", has_text=error)
    return card, str(card.locator("h2 a").get_attribute("href")).removeprefix("/reports/")


def test_an_unsent_report_says_why_and_goes_to_somebody_else(desk: PageDesk, dana: Page) -> None:
    dana.goto("/reports")
    before = unsent(desk)
    card, sent = card_of(dana, "550 5.1.1")
    card.get_by_role("button", name="Send again").click()
    card.get_by_label("To, separated by commas").fill("deputy@example.com")
    dana.keyboard.press("Enter")
    expect(dana.get_by_text("Sent to everybody.")).to_be_visible()
    expect(dana.locator(".copies")).to_contain_text("deputy@example.com")
    assert unsent(desk) == before - {sent}


def test_a_report_is_given_up_after_being_asked(desk: PageDesk, dana: Page) -> None:
    dana.goto("/reports")
    before = unsent(desk)
    card, given_up = card_of(dana, "421 4.3.2")
    card.get_by_role("button", name="Give up…").click()
    dana.get_by_role("button", name="Give it up").click()
    expect(dana.locator(".notice.done")).to_have_text("Given up.")
    assert unsent(desk) == before - {given_up}
    with desk.desk.store.read() as transaction:
        report = transaction.report(given_up)
    assert report
    assert report.state == "discarded"


def test_a_report_is_downloaded_as_it_was_built(desk: PageDesk, dana: Page, tmp_path: Path) -> None:
    dana.goto("/reports")
    with dana.expect_download() as waiting_for:
        dana.locator(".list").first.get_by_role("link", name="Download the report").first.click()
    waiting_for.value.save_as(tmp_path / "report.xlsx")
    assert (tmp_path / "report.xlsx").read_bytes()[:2] == b"PK"
    assert waiting_for.value.suggested_filename.endswith(".xlsx")


@pytest.mark.parametrize("to", ["nobody", "a@example.com, <b@example.com>", "@example.com"])
def test_what_is_no_mail_address_is_refused(desk: PageDesk, lead: httpx.Client, to: str) -> None:
    with desk.desk.store.read() as transaction:
        (report, *_rest) = transaction.report_list()
    answer = post(lead, f"/reports/{report.id}/resend", page="/reports", to=to)
    assert answer.status_code == 422
    assert "is not a mail address" in answer.text


def test_readers_send_and_run_nothing(desk: PageDesk, reader: httpx.Client) -> None:
    with desk.desk.store.read() as transaction:
        (report, *_rest) = transaction.report_list()
    shown = reader.get("/reports").text
    assert "Run now" not in shown
    assert "Send again" not in shown
    assert reader.get(f"/reports/{report.id}/file").content[:2] == b"PK"
    for address in (f"/reports/{report.id}/resend", f"/reports/{report.id}/discard", "/runs"):
        assert post(reader, address).status_code == 403


def test_a_run_is_begun_followed_stopped_and_taken_up_again(desk: PageDesk, dana: Page) -> None:
    store = desk.desk.store
    dana.goto("/reports")
    dana.get_by_role("button", name="Run now").click()
    expect(dana.get_by_text("The run begins.")).to_be_visible()
    with store.read() as transaction:
        (run_id,) = transaction.waiting_jobs("desk")
    assert dana.url.endswith(run_id)
    # No worker is under way here: what it would record is recorded for it.
    with store.begin() as transaction:
        transaction.begin_job(run_id, "")
        transaction.start_job_step(run_id, "Classifying", 400)
        transaction.advance_job(run_id, 150)
    expect(dana.locator("#run")).to_contain_text("150 of 400")
    expect(dana.locator("#run progress")).to_have_attribute("aria-label", "Classifying")
    dana.get_by_role("button", name="Stop it").click()
    expect(dana.locator("#run")).to_contain_text("is stopping")
    with store.begin() as transaction:
        assert transaction.job_standing(run_id).cancel_asked
        transaction.set_job_state(run_id, "cancelled", finished_at=desk.desk.now())
    expect(dana.locator("#run .state")).to_have_text("stopped")
    dana.get_by_role("button", name="Take it up again").click()
    expect(dana.locator("#run .state")).to_have_text("waiting")
    finish(desk, run_id)
    expect(dana.locator("#run")).to_contain_text("What it did")


def finish(desk: PageDesk, run_id: str) -> None:
    with desk.desk.store.begin() as transaction:
        now = desk.desk.now()
        transaction.set_job_state(run_id, "done", summary={"decided": 7}, finished_at=now)


def test_the_list_shows_how_far_a_run_is_and_a_second_one_is_not_begun(
    desk: PageDesk, lead: httpx.Client, dana: Page
) -> None:
    dana.goto("/reports")
    token = token_of(lead, "/reports")
    headers = {"Origin": desk.url}
    first = lead.post("/runs", data={"csrf": token}, headers=headers)
    again = lead.post("/runs", data={"csrf": token}, headers=headers)
    assert "did=run_is_on" in again.headers["location"]
    run_id = first.headers["location"].split("/")[2].split("?")[0]
    with desk.desk.store.begin() as transaction:
        transaction.begin_job(run_id, "")
        transaction.start_job_step(run_id, "Assigning", 10)
    expect(dana.locator("#under-way")).to_contain_text("Assigning")
    with desk.desk.store.begin() as transaction:
        transaction.advance_job(run_id, 4)
    expect(dana.locator(f"#r-{run_id}")).to_contain_text("4 of 10")
    finish(desk, run_id)
    expect(dana.locator("#under-way")).to_contain_text("No run is under way")
    expect(dana.locator(f"#r-{run_id}")).to_contain_text("7 tickets decided")


def test_a_run_that_failed_says_why(desk: PageDesk, lead: httpx.Client) -> None:
    with desk.desk.store.begin() as transaction:
        made = Job(
            id="20990101T000000Z-000000",
            kind="desk",
            state="queued",
            actor="<b>x</b>",
            created_at=desk.desk.now(),
        )
        transaction.add_job(made)
        error = "the helpdesk <script>alert(1)</script> is away"
        ended = replace(made, state="failed", error=error)
        now = desk.desk.now()
        transaction.set_job_state(made.id, ended.state, error=ended.error, finished_at=now)
    shown = lead.get(f"/runs/{made.id}").text
    assert "the helpdesk &lt;script&gt;" in shown
    assert "<b>x</b>" not in shown


def test_model_calls_have_their_price(lead: httpx.Client) -> None:
    shown = lead.get("/reports").text
    assert "openai:gpt-4.1-mini" in shown
    assert re.search(r"costs \d+\.\d\d", shown)


@pytest.mark.parametrize("address", ["/runs/none", "/reports/none", "/agents/none"])
def test_what_there_is_not_is_a_page_that_says_so(lead: httpx.Client, address: str) -> None:
    assert lead.get(address).status_code == 404


# SLA and insights


def next_due(desk: PageDesk) -> BoardLine:
    with desk.desk.store.read() as transaction:
        (first,) = transaction.due_targets(after=desk.desk.now(), most=1)
    return first


def test_what_is_overdue_and_what_is_next_lead_to_their_tickets(desk: PageDesk, dana: Page) -> None:
    first = None
    # Until none comes due while the page is drawn.
    while first is None or first != next_due(desk):
        first = next_due(desk)
        dana.goto("/sla")
    overdue = dana.locator(".panel", has=dana.get_by_role("heading", name="Overdue"))
    following = dana.locator(".panel", has=dana.get_by_role("heading", name="Next to breach"))
    assert overdue.locator(".left.breached").count() == overdue.locator("tbody tr").count() > 0
    assert following.locator(".left.breached").count() == 0
    link = following.get_by_role("link").first
    expect(link).to_have_text(first.subject)
    link.click()
    expect(dana).to_have_url(f"{desk.url}/tickets/{first.key}")


def test_compliance_is_drawn_and_stands_in_a_table(dana: Page) -> None:
    dana.goto("/sla?days=7")
    figure = dana.locator("figure")
    expect(figure.get_by_role("img", name="Resolution targets met, by category")).to_be_visible()
    expect(figure.get_by_role("row", name="All categories")).to_be_visible()
    assert figure.locator("svg path.line").count() >= 2


def test_each_chart_has_a_name_and_a_table_behind_it(dana: Page) -> None:
    dana.goto("/insights")
    dana.get_by_role("link", name="Last 7 days").click()
    expect(dana).to_have_url(re.compile(r"/insights\?days=7$"))
    figures = dana.locator("figure").all()
    assert len(figures) >= 5
    for figure in figures:
        title = figure.get_by_role("heading").inner_text()
        expect(figure.get_by_role("img", name=title)).to_be_visible()
        figure.get_by_text("As a table").click()
        expect(figure.get_by_role("table", name=title)).to_be_visible()
        assert figure.locator("tbody tr").count() > 0


# Everybody


def views(desk: PageDesk) -> list[str]:
    with desk.desk.store.read() as transaction:
        report = transaction.report_list()[0].id
        (run, *_rest) = transaction.job_list(most=1)
    (agent_id, _name) = fullest(desk)
    agent, rest = f"/agents/{agent_id}", (f"/reports/{report}", f"/runs/{run.id}")
    return ["/review", "/agents", agent, "/reports", *rest, "/sla", "/insights"]


def test_nothing_keeps_anybody_out(chromium: Browser, desk: PageDesk) -> None:
    context = context_of(chromium, desk.url, color_scheme="light")
    page = sign_in(context, "dana", PASSWORD)
    faults = {}
    for address in views(desk):
        page.goto(address)
        faults[address] = serious_faults(page)
    page.goto("/review")
    page.keyboard.press("/")
    page.locator("dialog[open]").wait_for()
    faults["choice"] = serious_faults(page)
    # In the dark only colours are others, and these views have them all.
    page.emulate_media(color_scheme="dark")
    for address in ("/review", "/agents", "/reports", "/sla", "/insights"):
        page.goto(address)
        faults[f"{address} in the dark"] = serious_faults(page, only_colours=True)
    context.close()
    assert not any(faults.values()), faults


def test_nothing_is_cut_off_on_the_narrowest_screen_in_the_longer_language(
    chromium: Browser, desk: PageDesk
) -> None:
    context = context_of(chromium, desk.url, viewport=_NARROWEST, locale="de-DE")
    page = sign_in(context, "dana", PASSWORD)
    for address in views(desk):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, address
    assert page.errors == []  # type: ignore[attr-defined] # see sign_in
    context.close()


def test_an_empty_desk_says_what_will_be_there(tmp_path: Path) -> None:
    catalog = files("triagedesk.sample") / "service_catalog.yaml"
    settings = {"HELPDESK_API_URL": "-", "SERVICE_CATALOG_URL": str(catalog)}
    with PageDesk.running(tmp_path, settings=settings) as desk:
        client = desk.client()
        assert "Nothing to review" in client.get("/review").text
        assert "No agents yet" in client.get("/agents").text
        assert "Nothing is overdue" in client.get("/sla").text
        assert "No target came to an end" in client.get("/sla").text
        assert "No figures for this period" in client.get("/insights").text
        shown = client.get("/reports").text
        for words in ("No report yet", "No runs yet", "No language model was called"):
            assert words in shown
