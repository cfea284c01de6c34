from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triagedesk.report.cells import CUT_MARK, MAX_CELL, cell_text, text_pixels

ANYTHING = st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=200)


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@given(ANYTHING)
def test_whatever_a_ticket_says_xml_can_hold_it(text: str) -> None:
    kept = cell_text(text)
    escaped = kept.replace("&", "&amp;").replace("<", "&lt;")

    assert ET.fromstring(f"<t>{escaped}</t>") is not None


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "http://x", "007", "", " a ", "é中😀"]
)
def test_ordinary_text_is_kept_as_it_is(text: str) -> None:
    assert cell_text(text) == text


def test_control_characters_are_removed_and_line_breaks_kept() -> None:
    assert cell_text("a\x00\x0b\x1b[31m\r\nb\tc\ufffe") == "a[31m\nb\tc"


def test_a_lone_surrogate_is_replaced() -> None:
    assert cell_text("a\ud83d b") == "a\ufffd b"


@pytest.mark.parametrize("piece", ["x", "é", "中", "😀"])
def test_a_text_too_long_for_a_cell_is_cut_with_a_mark(piece: str) -> None:
    kept = cell_text(piece * 40_000)

    assert units(kept) <= MAX_CELL
    assert units(kept) > MAX_CELL - 60
    assert kept.startswith(piece * 100)
    assert "cut" in kept[-40:]


def test_a_text_that_just_fits_is_not_cut() -> None:
    assert cell_text("x" * MAX_CELL) == "x" * MAX_CELL
    assert CUT_MARK not in cell_text("😀" * (MAX_CELL // 2))


def test_raw_xml_for_the_writer_is_defused() -> None:
    assert not cell_text("<r><t>x</t></r>").endswith("</r>")


def test_wide_characters_and_the_widest_line_count() -> None:
    assert text_pixels("中文字") > text_pixels("abc") * 1.5
    assert text_pixels("a\nlonger line\nb") == text_pixels("longer line")
