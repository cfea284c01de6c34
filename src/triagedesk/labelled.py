"""Tickets whose true label is known, from a file: for measuring, never for deciding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from triagedesk.catalog import (
    CatalogEntry,
    Label,
    ServiceCatalog,
    Sla,
    SlaUnit,
    catalog_version,
    normalise,
)
from triagedesk.classify.evaluate import Case
from triagedesk.cleaning import clean_name, excerpt
from triagedesk.errors import Problem, TicketsError
from triagedesk.formats import Unreadable, column_name
from triagedesk.sources.files import items_with_places
from triagedesk.sources.reading import FIELDS, read_tickets

#: Columns of a ticket's text that a helpdesk does not use but data sets do.
TEXT_COLUMN = "text"
#: A column that holds the whole label: a request type, or `category / type`.
LABEL_COLUMN = "label"
#: The longest label, in characters.
MAX_LABEL = 500
_TEXT_FIELDS = ("short_description", "long_description")


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """A label of the file that the catalog does not have, or has more than once."""

    name: str
    count: int
    #: Where it first stands, e.g. `line 12`.
    where: str
    #: `not in the catalog`, or why it cannot be told.
    why: str


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """A labelled file: its cases, and what could not be used."""

    origin: str
    cases: tuple[Case, ...]
    #: The one given, or the labels found as a flat list.
    catalog: ServiceCatalog
    #: True when the catalog is no more than the labels found.
    flat: bool
    #: Rows set aside, each with its line.
    broken: tuple[Problem, ...] = ()
    #: Labels not in the catalog, most frequent first; their rows are in no case.
    unknown: tuple[Unknown, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A row that has a text and a label."""

    case_id: str
    where: str
    texts: Mapping[str, Any]
    #: "" where the file has one label column only.
    category: str
    kind: str

    @property
    def label_name(self) -> str:
        return f"{self.category} / {self.kind}" if self.category else self.kind


def read_labelled(
    text: str,
    *,
    origin: str,
    catalog: ServiceCatalog | None = None,
    text_column: str = "",
    label_column: str = "",
) -> Labelled:
    """Cases from CSV, JSON, JSON lines or YAML, their labels matched with the catalog.

    Raises TicketsError when the file cannot be read or has no row to go by.
    """
    items = items_with_places(text, origin, what="labelled tickets")
    _check_columns(items, origin, text_column, label_column)
    broken: list[Problem] = []
    rows: list[_Row] = []
    seen: dict[str, str] = {}
    for where, item in items:
        try:
            row = _row(where, item, column_name(text_column), column_name(label_column))
        except ValueError as error:
            broken.append(Problem(where=where, what=str(error)))
            continue
        if row.case_id in seen:
            what = f"id {excerpt(row.case_id, limit=40)} is there already: {seen[row.case_id]}"
            broken.append(Problem(where=where, what=what))
            continue
        seen[row.case_id] = where
        rows.append(row)
    known = catalog or _flat_catalog(rows, origin)
    cases, unknown = _match(rows, known, broken)
    return Labelled(
        origin=origin,
        cases=tuple(cases),
        catalog=known,
        flat=catalog is None,
        broken=tuple(broken),
        unknown=unknown,
    )


def _check_columns(
    items: Sequence[tuple[str, Any]], origin: str, text_column: str, label_column: str
) -> None:
    """Refuse a file in which no row has a text or none has a label, naming what was found."""
    names = {column_name(str(n)) for _, item in items if isinstance(item, dict) for n in item}
    text_names = [column_name(text_column)] if text_column else _text_names()
    label_names = [column_name(label_column)] if label_column else ["request_type", LABEL_COLUMN]
    problems = [
        Problem(where="columns", what=f"no {kind} column {' or '.join(wanted)}", hint=hint)
        for kind, wanted, hint in (
            ("text", text_names, "name it with --text"),
            ("label", label_names, "name it with --label"),
        )
        if not names & set(wanted)
    ]
    if not items:
        raise TicketsError(f"There is no ticket in {origin}")
    if problems:
        found = excerpt(", ".join(sorted(names)))
        raise TicketsError(
            f"The labelled tickets from {origin} cannot be used:",
            problems=problems,
            hint=f"the columns found are: {found or 'none'}",
        )


def _text_names() -> list[str]:
    return [*(name for field in _TEXT_FIELDS for name in FIELDS[field]), TEXT_COLUMN]


def _row(where: str, item: object, text_column: str, label_column: str) -> _Row:
    """One row; ValueError when it has no text or no label."""
    if isinstance(item, Unreadable):
        # Its reason may begin with the line, which is said anyway.
        raise ValueError(item.reason.removeprefix(f"{where}: "))  # noqa: TRY004 - one kind of error
    if not isinstance(item, dict):
        raise ValueError(f"not an object: {excerpt(item, limit=80)}")  # noqa: TRY004
    cells = {column_name(str(name)): value for name, value in item.items()}
    if label_column or "request_type" not in cells:
        category, kind = "", _name(cells, label_column or LABEL_COLUMN)
    else:
        category, kind = _name(cells, "request_category"), _name(cells, "request_type")
    if not kind:
        raise ValueError("no label")
    given = next((cells[name] for name in FIELDS["id"] if cells.get(name) not in (None, "")), where)
    return _Row(
        case_id=clean_name(str(given)[:1000]),
        where=where,
        texts=_texts(cells, text_column),
        category=category,
        kind=kind,
    )


def _texts(cells: Mapping[str, Any], text_column: str) -> dict[str, Any]:
    """Only what a classifier may see of a row: its text fields, under the names it came with."""
    if text_column:
        return _whole(cells.get(text_column))
    texts = {
        name: cells[name]
        for field in _TEXT_FIELDS
        for name in FIELDS[field]
        if cells.get(name) is not None
    }
    return texts or _whole(cells.get(TEXT_COLUMN))


def _whole(text: object) -> dict[str, Any]:
    """A text that is not divided into subject and body; a subject has one line."""
    long = isinstance(text, str) and "\n" in text.strip()
    return {"long_description" if long else "short_description": text}


def _name(cells: Mapping[str, Any], column: str) -> str:
    value = cells.get(column)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{column} is not text: {excerpt(value, limit=80)}")  # noqa: TRY004
    name = clean_name(str(value)[: MAX_LABEL * 4])
    if len(name) > MAX_LABEL:
        raise ValueError(f"{column} is longer than {MAX_LABEL} characters")
    return name


def _flat_catalog(rows: Sequence[_Row], origin: str) -> ServiceCatalog:
    """The labels found, as a catalog of names without descriptions."""
    labels: dict[tuple[str, str], Label] = {}
    for row in rows:
        key = (normalise(row.category), normalise(row.kind))
        labels.setdefault(key, Label(row.category, row.kind))
    no_deadline = Sla(value=0, unit=SlaUnit.HOURS)
    entries = tuple(
        CatalogEntry(label=label, sla=no_deadline, description=_in_words(label.request_type))
        for label in sorted(labels.values())
    )
    return ServiceCatalog(
        entries=entries, version=catalog_version(entries), origin=f"the labels found in {origin}"
    )


def _in_words(name: str) -> str:
    """`card_arrival` as words, since models read words; "" when it is words already."""
    words = " ".join(name.replace("_", " ").split())
    return words if words != name else ""


def _match(
    rows: Sequence[_Row], catalog: ServiceCatalog, broken: list[Problem]
) -> tuple[list[Case], tuple[Unknown, ...]]:
    """Cases of the rows whose label and text are usable; other rows go to `broken` or unknown."""
    finder = _LabelFinder(catalog)
    cases: list[Case] = []
    unknown: dict[str, Unknown] = {}
    for row in rows:
        label, why = finder.find(row)
        if label is None:
            known = unknown.get(row.label_name)
            unknown[row.label_name] = Unknown(
                name=row.label_name,
                count=known.count + 1 if known else 1,
                where=known.where if known else row.where,
                why=why,
            )
            continue
        fetched = read_tickets([{"id": row.case_id, **row.texts}], source="labelled")
        if fetched.broken:
            broken.append(Problem(where=row.where, what=fetched.broken[0].reason))
        elif not fetched.tickets[0].text:
            broken.append(Problem(where=row.where, what="no text"))
        else:
            cases.append(Case(ticket=fetched.tickets[0], truth=label, where=row.where))
    ranked = sorted(unknown.values(), key=lambda u: (-u.count, u.name))
    return cases, tuple(ranked)


class _LabelFinder:
    """Finds a row's label in a catalog, by category and type or by the type's name alone."""

    def __init__(self, catalog: ServiceCatalog) -> None:
        self._catalog = catalog
        self._by_type: dict[str, list[Label]] = {}
        self._by_both: dict[str, Label] = {}
        for entry in catalog.entries:
            kind = normalise(entry.label.request_type)
            self._by_type.setdefault(kind, []).append(entry.label)
            self._by_both[normalise(str(entry.label))] = entry.label

    def find(self, row: _Row) -> tuple[Label | None, str]:
        """The label, or None and why."""
        if row.category:
            entry = self._catalog.match(row.category, row.kind)
            return (entry.label, "") if entry else (None, "not in the catalog")
        name = normalise(row.kind)
        if name in self._by_both:
            return self._by_both[name], ""
        found = self._by_type.get(name, [])
        if len(found) == 1:
            return found[0], ""
        if found:
            categories = ", ".join(label.request_category for label in found)
            return None, f"in several categories: {excerpt(categories)}"
        return None, "not in the catalog"
