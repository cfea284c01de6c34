"""The report as a workbook: Tickets, Summary, Agents, Review, and Set aside where needed.

Rows go straight to disk, so that a report of 100,000 tickets needs no more memory than one of ten.
The same input gives the same bytes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from zoneinfo import ZoneInfo

from xlsxwriter.exceptions import XlsxWriterException
from xlsxwriter.workbook import Workbook

from triagedesk.cleaning import clean_name
from triagedesk.errors import OutputError
from triagedesk.report import AgentRow, Figures, ReportRow, sort_key
from triagedesk.report.cells import Cells, Column, Widths
from triagedesk.report.sheets import (
    REVIEW,
    RowsSheet,
    ticket_columns,
    write_agents,
    write_set_aside,
)
from triagedesk.report.summary import NAME as SUMMARY
from triagedesk.report.summary import write_summary
from triagedesk.tickets import BrokenTicket

CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
#: Excel's limit, without the header.
MAX_ROWS = 1_048_575
#: Seconds after which the working folder of a run that was killed is cleared away.
LEFTOVER_AGE = 3600

_MAX_PROPERTY = 255

Rows = Callable[[], Iterator[ReportRow]]


def write_workbook(
    target: str | Path | IO[bytes],
    rows: Rows,
    *,
    figures: Figures,
    agents: Sequence[AgentRow],
    created_at: datetime,
    title: str,
    time_zone: str = "UTC",
    broken: Sequence[BrokenTicket] = (),
) -> None:
    """Write the report to a path (atomically) or to an open file.

    `rows` is called twice and yields the same rows in the order of `sort_key` each time;
    `figures` is their `tally`; dates are shown in `time_zone`, an IANA name. Raises OutputError,
    naming the path, when the disk is full or refuses, or there are too many rows for Excel.
    """
    contents = _Contents(
        rows=rows,
        figures=figures,
        agents=agents,
        broken=broken,
        created_at=created_at,
        title=clean_name(title),
        zone=ZoneInfo(time_zone),
    )
    if isinstance(target, (str, Path)):
        path = Path(target)
        with _naming(str(path)), _working_folder(path) as folder:
            made = folder / path.name
            contents.write(str(made), folder)
            _put_in_place(made, path)
        return
    name = str(getattr(target, "name", "the workbook"))
    with _naming(name), tempfile.TemporaryDirectory(prefix="triagedesk-") as working:
        contents.write(target, Path(working))


@dataclass(frozen=True, kw_only=True)
class _Contents:
    """Everything that goes into one workbook."""

    rows: Rows
    figures: Figures
    agents: Sequence[AgentRow]
    broken: Sequence[BrokenTicket]
    created_at: datetime
    title: str
    zone: ZoneInfo

    def write(self, target: str | IO[bytes], working: Path) -> None:
        """Write the workbook; temporary files go to `working`."""
        book = Workbook(target, {"constant_memory": True, "tmpdir": str(working)})
        try:
            self._fill(book)
            book.close()
        finally:
            for sheet in book.worksheets():
                # Not closed by XlsxWriter when something fails on the way.
                sheet.row_data_fh.close()

    def _fill(self, book: Workbook) -> None:
        book.use_zip64()
        book.set_size(2400, 1400)
        book.set_properties(
            {
                "title": self.title[:_MAX_PROPERTY],
                "subject": "Triaged service desk tickets",
                "author": "Triagedesk",
                "comments": "Made by Triagedesk",
                "created": self.created_at.astimezone(UTC).replace(tzinfo=None),
            }
        )
        cells = Cells(book=book, zone=self.zone)
        tickets, summary, agents, review = (
            book.add_worksheet(name) for name in ("Tickets", SUMMARY, "Agents", "Review")
        )
        for sheet, colour in ((tickets, "#1F3A5F"), (summary, "#2F6DB5"), (review, "#D98E04")):
            sheet.set_tab_color(colour)
        self._write_rows(cells, tickets, review)
        write_summary(
            summary,
            cells,
            self.figures,
            title=self.title,
            created_at=self.created_at,
            set_aside=len(self.broken),
        )
        write_agents(agents, cells, self.agents)
        if self.broken:
            write_set_aside(book.add_worksheet("Set aside"), cells, self.broken)
        tickets.activate()

    def _write_rows(self, cells: Cells, tickets: Any, review: Any) -> None:
        columns = ticket_columns(self.created_at)
        widths, review_widths = self._measure(cells, columns)
        every = RowsSheet(tickets, cells, widths, columns, self.created_at)
        doubtful = RowsSheet(review, cells, review_widths, REVIEW, self.created_at)
        for row in self.rows():
            every.add(row)
            if row.needs_review:
                doubtful.add(row)
        every.finish()
        doubtful.finish()

    def _measure(
        self, cells: Cells, columns: Sequence[Column[ReportRow]]
    ) -> tuple[Widths[ReportRow], Widths[ReportRow]]:
        """The first pass: column widths, and that the rows are what was promised."""
        widths, review_widths = Widths(columns, cells), Widths(REVIEW, cells)
        last, count = ("", "", ""), 0
        for count, row in enumerate(self.rows(), start=1):
            if count > MAX_ROWS:
                raise OutputError(
                    f"a workbook holds at most {MAX_ROWS:,} tickets",
                    hint="report on fewer tickets at once",
                )
            # Among equals any order will do, so the id is not compared.
            key = sort_key(row)[:3]
            if key < last:
                raise ValueError(f"rows are not in the report's order: {key} after {last}")
            last = key
            widths.measure(row)
            if row.needs_review:
                review_widths.measure(row)
        if count != self.figures.total:
            raise ValueError(f"the figures count {self.figures.total} tickets, there are {count}")
        return widths, review_widths


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Turn what the disk or XlsxWriter says into an OutputError that names the file."""
    try:
        yield
    except XlsxWriterException as error:
        cause = error.args[0] if error.args and isinstance(error.args[0], OSError) else error
        raise _output_error(name, cause) from error
    except OSError as error:
        raise _output_error(name, error) from error


def _output_error(name: str, cause: Exception) -> OutputError:
    reason = (cause.strerror if isinstance(cause, OSError) else "") or str(cause)
    return OutputError(
        f"{name} could not be written: {reason}",
        hint="check free space and permissions, or set OUTPUT_DIR to another folder",
    )


@contextmanager
def _working_folder(path: Path) -> Iterator[Path]:
    """A hidden folder beside `path`, on the same disk, for the file while it is being made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_leftovers(path)
    with tempfile.TemporaryDirectory(
        prefix=f".{path.name}.", dir=path.parent, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


def _clear_leftovers(path: Path) -> None:
    """Remove working folders that runs killed long ago have left for this report."""
    oldest = time.time() - LEFTOVER_AGE
    for folder in path.parent.iterdir():
        mine = folder.name.startswith(f".{path.name}.") and folder.is_dir()
        if mine and folder.stat().st_mtime < oldest:
            shutil.rmtree(folder, ignore_errors=True)


def _put_in_place(made: Path, path: Path) -> None:
    """Move the finished file to its place, so that it is there whole or not at all."""
    with made.open("rb") as file:
        os.fsync(file.fileno())
    made.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
