"""A large file read part by part gives the tickets it gives as a whole."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triagedesk.errors import TicketsError
from triagedesk.sources import Fetched, parts
from triagedesk.sources.files import FileSource

TICKET = st.fixed_dictionaries(
    {"id": st.sampled_from(["1", "2", 3, "T-4", "", None]), "subject": st.sampled_from("abc")}
)
ITEM = TICKET | st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers())


def in_parts(path: Path) -> Fetched:
    """All parts as one answer."""
    found = list(FileSource(path).fetch_in_parts(""))
    broken = [item for part in found for item in part.broken]
    return Fetched(
        tickets=tuple(ticket for part in found for ticket in part.tickets),
        broken=tuple(sorted(broken, key=lambda item: item.position)),
        warnings=tuple(warning for part in found for warning in part.warnings),
    )


def outcome(read: Callable[[], Fetched]) -> Fetched | str:
    """What reading gives, or what it says."""
    try:
        return read()
    except TicketsError as error:
        return str(error)


def same(one: Fetched, other: Fetched) -> bool:
    """The same tickets; those whose id came twice may stand elsewhere."""
    return (
        sorted(one.tickets, key=lambda ticket: ticket.id)
        == sorted(other.tickets, key=lambda ticket: ticket.id)
        and one.broken == other.broken
    )


@given(st.lists(ITEM, max_size=12), st.sampled_from(["t.json", "t.jsonl"]))
def test_parts_add_up_to_the_whole(
    tmp_path_factory: pytest.TempPathFactory, items: list[Any], name: str
) -> None:
    path = tmp_path_factory.mktemp("parts") / name
    lines = "\n".join(json.dumps(item) for item in items)
    path.write_text(json.dumps(items) if name == "t.json" else lines, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "PART", 3)
        assert same(in_parts(path), FileSource(path).fetch(""))


@given(st.lists(ITEM | st.text() | st.floats(allow_nan=False), max_size=8), st.integers(1, 9))
def test_a_list_is_read_item_by_item_wherever_it_is_cut(items: list[Any], piece: int) -> None:
    text = json.dumps(items, ensure_ascii=False, indent=piece % 3 or None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "_PIECE", piece)
        try:
            found = list(parts.json_list(io.StringIO(text)))
        except ValueError:
            # A number cut in two: it is then read as a whole, which says so or not.
            assert any(isinstance(item, int | float) for item in items)
        else:
            assert found == items


@pytest.mark.parametrize(
    "text", ["", "{", "[1 2]", "[1,]", "[1] 2", '["a', "[NaN]", '{"tickets": []}', "[" * 9000]
)
def test_what_is_no_list_is_left_to_who_reads_it_as_a_whole(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(text, encoding="utf-8")
    assert parts.repeated_ids(path, 10**9) is None
    assert outcome(lambda: in_parts(path)) == outcome(lambda: FileSource(path).fetch(""))


def test_a_table_is_read_in_parts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.csv"
    rows = [f'{number};"Subject\n{number}"' for number in range(7)]
    path.write_bytes("\r\n".join(["id;subject", *rows]).encode("cp1252"))
    monkeypatch.setattr(parts, "PART", 3)
    assert [len(part.tickets) for part in FileSource(path).fetch_in_parts("")] == [3, 3, 1]
    assert in_parts(path) == FileSource(path).fetch("")
