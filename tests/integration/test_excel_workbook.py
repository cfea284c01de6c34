from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.workbook import Workbook

from support.reports import NOW, agent_row, hours, row
from triagedesk.errors import OutputError
from triagedesk.priority import Priority
from triagedesk.report import ReportRow, sort_key, tally
from triagedesk.report.excel import write_workbook
from triagedesk.tickets import BrokenTicket

FIRST = [
    "id",
    "request_category",
    "request_type",
    "short_description",
    "sla_value",
    "sla_unit",
    "priority",
    "due",
    "response due",
    "SLA",
    "agent",
    "confidence",
    "decided by",
]


def write(target: Any, rows: Sequence[ReportRow], **fields: Any) -> None:
    in_order = sorted(rows, key=sort_key)
    values: dict[str, Any] = {
        "figures": tally(in_order, NOW),
        "agents": [agent_row()],
        "created_at": NOW,
        "title": "Triage report",
    }
    write_workbook(target, lambda: iter(in_order), **values | fields)


def workbook(*rows: ReportRow, **fields: Any) -> Workbook:
    content = io.BytesIO()
    write(content, rows or (row(),), **fields)
    return openpyxl.load_workbook(io.BytesIO(content.getvalue()))


def cells(book: Workbook, sheet: str = "Tickets", line: int = 2) -> dict[str, Any]:
    """One line of a sheet as cells by header."""
    heads = [str(cell.value) for cell in book[sheet][1]]
    return dict(zip(heads, book[sheet][line], strict=True))


def test_the_sheets_stand_in_order_and_tickets_is_in_front() -> None:
    book = workbook()

    assert book.sheetnames == ["Tickets", "Summary", "Agents", "Review"]
    assert book.active is not None
    assert book.active.title == "Tickets"


def test_the_columns_have_their_agreed_names_and_places() -> None:
    headers = [cell.value for cell in workbook()["Tickets"][1]]

    assert headers[: len(FIRST)] == FIRST


def test_the_header_is_bold_frozen_and_filtered() -> None:
    sheet = workbook(row(id="1"), row(id="2"))["Tickets"]

    assert all(cell.font.bold for cell in sheet[1])
    assert sheet.freeze_panes == "B2"
    assert sheet.auto_filter.ref == "A1:Q3"


def test_the_rows_stand_in_the_reports_order() -> None:
    book = workbook(
        row(id="1", request_category="network"),
        row(id="2", request_category="Access", request_type="b"),
        row(id="3", request_category="access", request_type="A"),
    )

    assert [cell.value for cell in book["Tickets"]["A"][1:]] == ["3", "2", "1"]


def test_rows_out_of_order_are_refused() -> None:
    rows = [row(request_category="b"), row(request_category="a")]
    with pytest.raises(ValueError, match="order"):
        write_workbook(
            io.BytesIO(),
            lambda: iter(rows),
            figures=tally(rows, NOW),
            agents=[],
            created_at=NOW,
            title="t",
        )


def test_figures_of_other_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="figures"):
        write(io.BytesIO(), [row()], figures=tally([], NOW))


def test_values_have_their_types_and_formats() -> None:
    shown = cells(workbook(row()))

    assert (shown["sla_value"].value, shown["sla_value"].data_type) == (8, "n")
    assert (shown["confidence"].value, shown["confidence"].number_format) == (0.93, "0%")
    assert shown["due"].value == (NOW + hours(6)).replace(tzinfo=None)
    assert shown["due"].number_format == 'yyyy-mm-dd hh:mm "UTC"'
    assert (shown["priority"].value, shown["agent"].value) == ("P3", "Ana Lopez")
    assert shown["decided by"].value == "local"


def test_zero_is_written_and_unknown_left_empty() -> None:
    book = workbook(
        row(id="1", request_type="a", sla_value=0),
        row(id="2", request_type="b", sla_value=None, due=None, confidence=None, sla_unit=""),
    )

    assert cells(book)["sla_value"].value == 0
    for name in ("sla_value", "sla_unit", "due", "confidence"):
        assert cells(book, line=3)[name].value is None


def test_due_times_are_in_the_desks_zone_and_name_it() -> None:
    summer = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
    book = workbook(
        row(id="1", request_type="a"),
        row(id="2", request_type="b", due=summer),
        time_zone="Europe/Berlin",
    )

    assert cells(book)["due"].value == datetime(2026, 3, 5, 20, 0)  # noqa: DTZ001 - Excel has none
    assert cells(book)["due"].number_format.endswith('"CET"')
    assert cells(book, line=3)["due"].value == datetime(2026, 7, 1, 12, 0)  # noqa: DTZ001 - as above
    assert cells(book, line=3)["due"].number_format.endswith('"CEST"')
    assert "Europe/Berlin" in book["Summary"]["A2"].value


@pytest.mark.parametrize(
    "due", [datetime.max.replace(tzinfo=UTC), datetime(1850, 1, 1, tzinfo=UTC)]
)
def test_a_date_excel_does_not_know_is_written_as_text(due: datetime) -> None:
    shown = cells(workbook(row(due=due), time_zone="Asia/Tokyo"))

    assert shown["due"].value.startswith(due.isoformat()[:10])


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        '=HYPERLINK("http://evil.example","click")',
        "+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(1)",
        "{=1}",
        "http://evil.example/x",
        "mailto:a@b.example",
        "internal:Summary!A1",
        "file:///etc/passwd",
        "<r><t>x</t></r>",
        "<r></t></is></c><c r='Z9'><f>1+1</f></c></r>",
        "00123",
        "1e5",
        "TRUE",
        "#N/A",
        "  two spaces  ",
        "two\nlines\tand a tab",
        "]]>&amp;<b>",
    ],
)
def test_text_stays_text_whatever_it_looks_like(text: str) -> None:
    book = workbook(
        row(
            id=text,
            request_category=text,
            request_type=text,
            short_description=text,
            agent=text,
            needs_review=True,
            notes=(text,),
            alternatives=(text,),
            rationale=text,
            priority_evidence=(text,),
        ),
        agents=[agent_row(name=text, id=text)],
        broken=[BrokenTicket(position=0, id=text, reason=text, raw=text)],
        title=text,
    )

    found = 0
    sheets: list[Any] = book.worksheets
    for sheet in sheets:
        assert sheet._hyperlinks == []
        for cell in (cell for line in sheet.iter_rows() for cell in line):
            assert cell.data_type in ("s", "n", "inlineStr", "d"), cell.coordinate
            found += isinstance(cell.value, str) and cell.value.strip() == text.strip()
    assert found >= 15


def test_what_excel_reads_as_an_escaped_character_is_escaped_itself() -> None:
    # Excel shows `_x005F_x0041_` as `_x0041_`, and `_x0041_` as `A`; openpyxl shows what is stored.
    assert cells(workbook(row(id="_x0041_")))["id"].value == "_x005F_x0041_"


def test_control_characters_surrogates_and_a_megabyte_of_text_are_survived() -> None:
    book = workbook(
        row(id="1", request_type="a", short_description="a\x00b\x1b\ud800c\ufffe"),
        row(id="2", request_type="b", short_description="long " * 200_000),
        title="title\x00\ud800",
    )

    assert cells(book)["short_description"].value == "ab\ufffdc"
    cut = cells(book, line=3)["short_description"].value
    assert len(cut) <= 32_767
    assert "cut" in cut[-40:]


def test_numbers_excel_cannot_hold_become_text() -> None:
    shown = cells(workbook(row(sla_value=10**400, confidence=float("nan"))))

    assert shown["sla_value"].value == "1" + "0" * 400
    assert shown["confidence"].value == "nan"


def test_columns_fit_their_texts_within_limits() -> None:
    sheet = workbook(row(id="1", short_description="Short", rationale="r" * 5_000))["Tickets"]
    widths = {sheet[f"{letter}1"].value: sheet.column_dimensions[letter].width for letter in "ABDQ"}

    assert 8 <= widths["short_description"] < 30
    assert widths["why this agent"] < 100
    assert widths["request_category"] > len("request_category")


def test_a_wide_script_gets_wider_columns() -> None:
    narrow = workbook(row(short_description="a" * 25))["Tickets"].column_dimensions["D"].width
    wide = workbook(row(short_description="中" * 25))["Tickets"].column_dimensions["D"].width

    assert wide > narrow * 1.5


def test_what_needs_a_person_is_on_the_review_sheet_with_why() -> None:
    book = workbook(
        row(id="1"),
        row(
            id="2",
            needs_review=True,
            notes=("less sure than this desk asks for", "the LLM did not answer"),
            alternatives=("Hardware / Monitor (21%)", "Other (9%)"),
        ),
    )
    shown = cells(book, "Review")

    assert book["Review"].max_row == 2
    assert shown["id"].value == "2"
    assert shown["suggested type"].value == "Printer"
    assert "the LLM did not answer" in shown["why a person is asked"].value
    assert shown["other possibilities"].value == "Hardware / Monitor (21%)\nOther (9%)"
    assert cells(book, line=3)["review"].value == "yes"


def test_agents_show_their_load_against_capacity() -> None:
    book = workbook(agents=[agent_row(load=15, capacity=20), agent_row(id="a2", capacity=0)])
    shown = cells(book, "Agents")

    assert (shown["load"].value, shown["capacity"].value) == (15, 20)
    assert (shown["load of capacity"].value, shown["load of capacity"].number_format) == (
        0.75,
        "0%",
    )
    assert cells(book, "Agents", 3)["load of capacity"].value is None
    assert len(book["Agents"].conditional_formatting) >= 1


def test_unreadable_tickets_have_a_sheet_of_their_own() -> None:
    broken = [BrokenTicket(position=4, id="", reason="no id", raw='{"a": 1}')]
    shown = cells(workbook(broken=broken), "Set aside")

    assert (shown["position"].value, shown["what is wrong"].value) == (4, "no id")


def test_the_summary_has_the_figures_and_a_chart_for_each_question() -> None:
    book = workbook(row(id="1", due=NOW - hours(1), priority=Priority.P1), row(id="2", agent=""))
    sheet: Any = book["Summary"]
    figures = {
        sheet.cell(line, 1).value: sheet.cell(line, 2).value for line in range(1, sheet.max_row + 1)
    }

    assert sheet["A1"].value == "Triage report"
    assert (figures["Tickets"], figures["Left in the queue"]) == (2, 1)
    assert (figures["Breached"], figures["On time"], figures["P1"]) == (1, 1, 1)
    assert (figures["Hardware"], figures["the local model"]) == (2, 2)
    assert len(sheet._charts) == 4


def test_charts_show_their_figures_without_being_recalculated() -> None:
    content = io.BytesIO()
    write(content, [row(id=str(n)) for n in range(7)])
    with zipfile.ZipFile(content) as package:
        charts = [
            package.read(name).decode() for name in package.namelist() if "charts/chart" in name
        ]

    assert len(charts) == 4
    assert all("<c:v>7</c:v>" in chart for chart in charts)
    assert all("<c:f>Summary!$B$" in chart for chart in charts)


def test_many_categories_are_counted_together_in_the_chart() -> None:
    rows = [row(id=str(n), request_category=f"Category {n:02}") for n in range(40)]
    labels = [cell.value for cell in workbook(*rows)["Summary"]["A"]]

    assert "29 further categories" in labels


def test_an_empty_report_is_a_workbook_too() -> None:
    content = io.BytesIO()
    write(content, [], agents=[])
    book = openpyxl.load_workbook(content)

    assert book["Tickets"].max_row == 1
    assert book["Summary"]["B5"].value == 0


def test_the_properties_name_the_report() -> None:
    properties = workbook(title="Triage report\r\nX").properties

    assert properties.title == "Triage report X"
    assert properties.creator == "Triagedesk"
    assert properties.created == NOW.replace(tzinfo=None)


def test_the_same_input_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row(id=str(n), needs_review=n % 3 == 0) for n in range(50)]
    first, again = io.BytesIO(), io.BytesIO()
    write(first, rows)
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        write(again, rows)
        write(tmp_path / "report.xlsx", rows)
    finally:
        monkeypatch.undo()
        time.tzset()

    assert again.getvalue() == first.getvalue()
    assert (tmp_path / "report.xlsx").read_bytes() == first.getvalue()


def test_a_file_appears_whole_with_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "report.xlsx"
    write(path, [row()])

    assert openpyxl.load_workbook(path).sheetnames[0] == "Tickets"
    assert list(path.parent.iterdir()) == [path]


def test_a_report_written_again_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "report.xlsx"
    write(path, [row(id="old")])
    write(path, [row(id="new")])

    assert cells(openpyxl.load_workbook(path))["id"].value == "new"


def _fails_on(sheet_rows: Sequence[ReportRow], error: Exception) -> Callable[[], Iterator[Any]]:
    passes = []

    def rows() -> Iterator[ReportRow]:
        passes.append(1)
        yield from sheet_rows
        if len(passes) == 2:
            raise error

    return rows


def test_a_failure_half_way_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "report.xlsx"
    path.write_bytes(b"the old one")
    rows = [row(id=str(n)) for n in range(100)]
    with pytest.raises(RuntimeError, match="store went away"):
        write_workbook(
            path,
            _fails_on(rows, RuntimeError("the store went away")),
            figures=tally(rows, NOW),
            agents=[],
            created_at=NOW,
            title="t",
        )

    assert path.read_bytes() == b"the old one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_names_the_file_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk."""
    script = """
import resource, signal, sys
from pathlib import Path
from support.reports import NOW, row
from triagedesk.errors import OutputError
from triagedesk.report import tally
from triagedesk.report.excel import write_workbook
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
rows = [row(id=f"{n:06}", rationale="why " * 50) for n in range(5000)]
try:
    write_workbook(Path(sys.argv[1]), lambda: iter(rows), figures=tally(rows, NOW), agents=[],
                   created_at=NOW, title="t")
except OutputError as error:
    print(error, "|", error.hint, "|", error.exit_code)
"""
    path = tmp_path / "report.xlsx"
    # The first limit stops the rows on their way to the disk, the second one the finished file.
    for limit in ("300000", "100000"):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", script, str(path), limit],
            cwd=Path(__file__).parent.parent,
            capture_output=True,
            text=True,
            check=True,
        )
        assert f"{path} could not be written: File too large" in done.stdout
        assert "OUTPUT_DIR" in done.stdout
        assert done.stdout.strip().endswith("5")
        assert done.stderr == ""
        assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file")
    path = tmp_path / "reports" / "report.xlsx"
    with pytest.raises(OutputError, match=r"report\.xlsx could not be written"):
        write(path, [row()])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="Permission denied"):
            write(tmp_path / "report.xlsx", [row()])
    finally:
        tmp_path.chmod(0o700)


def test_a_disk_full_at_the_last_moment_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("triagedesk.report.excel.os.fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write(tmp_path / "report.xlsx", [row()])

    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_behind_is_cleared_away(tmp_path: Path) -> None:
    stale, fresh = tmp_path / ".report.xlsx.old1", tmp_path / ".report.xlsx.new1"
    for folder in (stale, fresh):
        folder.mkdir()
        (folder / "part").write_text("half")
    os.utime(stale, (time.time() - 7200,) * 2)
    write(tmp_path / "report.xlsx", [row()])

    assert sorted(path.name for path in tmp_path.iterdir()) == [fresh.name, "report.xlsx"]


def test_memory_does_not_grow_with_the_number_of_tickets() -> None:
    root = Path(__file__).parent.parent.parent
    done = subprocess.run(
        [sys.executable, "benchmarks/report.py", "--tickets", "8000"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout)["peak_memory_growth_mb"] < 15
