"""Service Catalog text -> entries, or every problem with its line."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triagedesk.catalog import Label, ServiceCatalog, Sla, SlaUnit
from triagedesk.catalog_parser import parse_catalog
from triagedesk.errors import CatalogError
from triagedesk.priority import Level

CATEGORIES = """\
- name: "Access Management"
  requests:
    - name: "Reset forgotten password"
      sla: {unit: "hours", value: 4}
    - name: "New account"
      sla: {unit: "days", value: "2"}
"""


def indented(text: str, spaces: int) -> str:
    return "".join(f"{' ' * spaces}{line}\n" for line in text.splitlines())


def refusal(text: str) -> CatalogError:
    with pytest.raises(CatalogError) as caught:
        parse_catalog(text, origin="catalog.yaml")
    return caught.value


def wheres(text: str) -> list[str]:
    return [problem.where for problem in refusal(text).problems]


def one_type(body: str) -> str:
    return f"categories:\n  - name: A\n    requests:\n      - name: B\n{indented(body, 8)}"


def parse(text: str) -> ServiceCatalog:
    return parse_catalog(text, origin="catalog.yaml")


@pytest.mark.parametrize(
    "text",
    [
        CATEGORIES,
        f"categories:\n{CATEGORIES}",
        f"catalog:\n  categories:\n{indented(CATEGORIES, 4)}",
        f"service_catalog:\n  catalog:\n    categories:\n{indented(CATEGORIES, 6)}",
        f"service_catalog:\n  categories:\n{indented(CATEGORIES, 4)}",
        f"service_catalog:\n{CATEGORIES}",
    ],
)
def test_every_wrapping_gives_the_same_catalog(text: str) -> None:
    catalog = parse(text)
    assert [(str(e.label), e.sla) for e in catalog.entries] == [
        ("Access Management / New account", Sla(value=2, unit=SlaUnit.DAYS)),
        ("Access Management / Reset forgotten password", Sla(value=4, unit=SlaUnit.HOURS)),
    ]
    assert catalog.version == parse(CATEGORIES).version
    assert catalog.origin == "catalog.yaml"


def test_json_is_read_with_its_escapes() -> None:
    request = {"name": "Café \\ud83d 😀", "sla": {"unit": "hours", "value": 1}}
    text = json.dumps({"categories": [{"name": "A/B", "requests": [request]}]}, indent="\t")
    assert parse(text).entries[0].label == Label("A/B", "Café \\ud83d 😀")


def test_an_sla_of_zero_survives() -> None:
    assert parse(one_type("sla: {unit: hours, value: 0}")).entries[0].sla.value == 0


@pytest.mark.parametrize(
    ("unit", "expected"),
    [("hour", "hours"), ("H", "hours"), ("DAYS", "days"), (" day ", "days"), ("d", "days")],
)
def test_units_may_be_singular_short_and_in_any_case(unit: str, expected: str) -> None:
    entry = parse(one_type(f'sla: {{unit: "{unit}", value: 3}}')).entries[0]
    assert entry.sla.unit == SlaUnit(expected)


@pytest.mark.parametrize("unit", ["weeks", "minutes", "", "hrs", "7", "true", "[hours]"])
def test_an_unknown_unit_is_refused_with_its_line(unit: str) -> None:
    assert wheres(one_type(f"sla:\n  unit: {unit}\n  value: 3")) == ["line 6"]


@pytest.mark.parametrize(
    "value",
    [
        "-1",
        '"-4"',
        "1.5",
        '"1.5"',
        "true",
        "four",
        "null",
        '""',
        "[1]",
        "100001",
        "9" * 400,
        ".inf",
    ],
)
def test_an_sla_value_that_is_no_whole_number_from_zero_on_is_refused(value: str) -> None:
    assert wheres(one_type(f"sla:\n  unit: hours\n  value: {value}")) == ["line 7"]


@pytest.mark.parametrize("body", ["", "sla:", "sla: 4 hours", "sla: {}", "sla: {value: 4}"])
def test_a_missing_sla_is_refused(body: str) -> None:
    assert refusal(one_type(body)).problems


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n# nothing\n",
        "categories: []",
        "[]",
        "{}",
        "catalog: {categories: []}",
        "- {name: A, requests: []}",
    ],
)
def test_an_empty_catalog_is_refused(text: str) -> None:
    assert "empty" in str(refusal(text))


@pytest.mark.parametrize("text", ["just words", "a: 1", "42", "categories: {a: 1}", "categories:"])
def test_a_text_without_categories_is_refused(text: str) -> None:
    assert wheres(text) == ["line 1"]


def test_all_problems_are_listed_at_once_in_line_order() -> None:
    error = refusal(
        """\
categories:
  - name: Access
    requests:
      - name: Reset  Password
        sla: {unit: weeks, value: -1}
      - name: reset password
        sla: {unit: hours, value: 4}
      - name: Unlock
  - name: "ACCESS "
    requests: nothing
  - requests: []
  - 7
"""
    )
    assert [p.where for p in error.problems] == [
        "line 5",
        "line 5",
        "line 6",
        "line 8",
        "line 9",
        "line 10",
        "line 11",
        "line 12",
    ]
    assert "first on line 4" in str(error)
    assert "catalog.yaml" in str(error)
    assert "8 problems" in str(error)


def test_the_same_type_name_in_two_categories_is_fine() -> None:
    request = "{name: Other, sla: {unit: hours, value: 1}}"
    catalog = parse(f"[{{name: A, requests: [{request}]}}, {{name: B, requests: [{request}]}}]")
    assert [e.label for e in catalog.entries] == [Label("A", "Other"), Label("B", "Other")]


def test_duplicates_on_one_line_are_found() -> None:
    request = "{name: Other, sla: {unit: hours, value: 1}}"
    assert wheres(f"[{{name: A, requests: [{request}, {request}]}}]") == ["line 1"]


def test_names_that_differ_only_in_how_accents_are_composed_collide() -> None:
    request = "{{name: '{}', sla: {{unit: hours, value: 1}}}}"
    both = ", ".join([request.format("Caf\u00e9"), request.format("Cafe\u0301")])
    assert wheres(f"[{{name: A, requests: [{both}]}}]") == ["line 1"]


@pytest.mark.parametrize(
    "name", ["true", "404", "1.5", "[x]", "{a: 1}", "null", '""', '" \\u200b"']
)
def test_a_name_that_is_not_text_is_refused(name: str) -> None:
    text = f"- name: A\n  requests:\n    - name: {name}\n      sla: {{unit: hours, value: 1}}\n"
    assert wheres(text) == ["line 3"]


@pytest.mark.parametrize("name", ["No", "on", "=SUM(A1)", "+49 line", "2024-01-01", "1_000", "012"])
def test_odd_names_stay_text(name: str) -> None:
    text = f"- name: A\n  requests:\n    - name: {name}\n      sla: {{unit: hours, value: 1}}\n"
    assert parse(text).entries[0].label.request_type == name


def test_what_hides_in_a_name_is_removed() -> None:
    text = '- {name: "A\\u200b\\a  B\\u202e", requests: [{name: B, sla: {unit: h, value: 1}}]}'
    assert parse(text).entries[0].label.request_category == "A B"


def test_an_endless_name_is_refused() -> None:
    assert wheres(f"- {{name: {'x' * 301}, requests: [{{name: B, sla: {{unit: h, value: 1}}}}]}}")


def test_optional_fields_are_read() -> None:
    entry = parse(
        one_type(
            """\
sla: {unit: hours, value: 4}
response: {unit: hours, value: "1"}
description: |
  Passwords and
  lockouts.
examples: [cannot log in, cannot log in, ""]
skills: [Active Directory, Okta]
group: Service Desk
impact: High
calendar: germany
"""
        )
    ).entries[0]
    assert entry.response == Sla(value=1, unit=SlaUnit.HOURS)
    assert entry.description == "Passwords and\nlockouts."
    assert entry.examples == ("cannot log in",)
    assert entry.skills == ("Active Directory", "Okta")
    assert entry.assignment_group == "Service Desk"
    assert entry.default_impact is Level.HIGH
    assert entry.calendar == "germany"


@pytest.mark.parametrize(
    "field",
    [
        "impact: huge",
        "impact: 4",
        "skills: {a: 1}",
        "examples: [[a]]",
        "description: [a]",
        "response: soon",
        "calendar: true",
    ],
)
def test_an_optional_field_that_makes_no_sense_is_refused(field: str) -> None:
    assert wheres(one_type(f"sla: {{unit: hours, value: 1}}\n{field}")) == ["line 6"]


def test_a_key_given_twice_is_refused() -> None:
    assert wheres(one_type("sla: {unit: hours, value: 1}\nsla: {unit: days, value: 1}")) == [
        "line 6"
    ]


def test_anchors_and_merge_keys_work() -> None:
    text = """\
default: &default {unit: hours, value: 8}
categories:
  - name: A
    requests:
      - {name: B, sla: *default}
      - {name: C, sla: {<<: *default, value: 9}}
"""
    assert [e.sla.value for e in parse(text).entries] == [8, 9]


def test_a_yaml_bomb_is_refused_quickly() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    assert "values" in str(refusal("\n".join(lines)))


def test_a_merge_key_bomb_is_refused() -> None:
    lines = ["a0: &a0 {k: v}"]
    lines += [f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}], k{i}: v}}" for i in range(1, 40)]
    assert refusal("\n".join(lines)).problems


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[" * 5000, "deep"),
        ("a: " * 3, "mapping values"),
        ("a: &a [*a]", "stands for nothing"),
        ("x" * 5_000_001, "characters"),
        ("a: !!python/object/apply:os.system [ls]", "unknown tag"),
        ("a: !include other.yaml", "unknown tag"),
        ("---\na: 1\n---\nb: 1", "second document"),
        ("? [a]\n: b", "key"),
        ('a: "\\ud83d"', "not YAML"),
        ("\t- a", "not YAML"),
    ],
)
def test_a_hostile_or_broken_text_is_refused(text: str, found: str) -> None:
    assert found in str(refusal(text))


def test_a_syntax_error_names_its_line() -> None:
    assert wheres("categories:\n  - name: A\n requests: x\n") == ["line 3"]


def test_the_version_is_of_the_meaning_not_of_the_layout() -> None:
    first = "- {name: A, requests: [{name: B, sla: {unit: hours, value: 1}}]}\n"
    second = "- {name: C, requests: [{name: D, sla: {unit: days, value: 2}}]}\n"
    other_way = """\
# a comment
service_catalog:
  catalog:
    categories:
      - requests: [{sla: {value: "2", unit: Day}, name: "D"}]
        name: 'C'
      - {name: A, requests: [{name:  B, sla: {unit: h, value: 1}}]}
"""
    assert parse(first + second).version == parse(other_way).version
    assert parse(first + second).entries == parse(other_way).entries


@pytest.mark.parametrize(
    "change",
    [
        ("value: 1", "value: 2"),
        ("hours", "days"),
        ("name: B", "name: b"),
        ("}}", "}, skills: [x]}"),
    ],
)
def test_any_change_of_meaning_changes_the_version(change: tuple[str, str]) -> None:
    text = "- {name: A, requests: [{name: B, sla: {unit: hours, value: 1}}]}"
    assert parse(text).version != parse(text.replace(*change)).version


def test_names_are_matched_in_any_case_and_spacing() -> None:
    catalog = parse(CATEGORIES)
    entry = catalog.match("  access\tMANAGEMENT ", "Reset  Forgotten\nPassword")
    assert entry is not None
    assert entry.label == Label("Access Management", "Reset forgotten password")
    assert catalog.match("Access Management", "no such type") is None


def test_names_match_however_their_accents_are_composed() -> None:
    catalog = parse("- {name: Zug\u00e4nge, requests: [{name: B, sla: {unit: h, value: 1}}]}")
    assert catalog.match("zuga\u0308nge", "b") is not None


# fmt: off
PIECES = [
    "categories:", "- ", "  ", "name: ", "requests:", "sla:", "unit: hours", "value: ", "4", "-1",
    "{", "}", "[", "]", ", ", "\n", "\t", '"', "'", "|", "? ", ": ", "#", "&a ", "*a", "<<: ",
    "!!str ", "---\n", "%YAML 1.1\n", "A", "null", "é", "\x00", "\ud800",
]
# fmt: on
YAML_ISH = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


@settings(deadline=None)
@given(text=YAML_ISH | st.text())
def test_any_text_is_a_catalog_or_a_catalog_error(text: str) -> None:
    with suppress(CatalogError):
        catalog = parse(text)
        assert catalog.entries


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(
            st.sampled_from(["name", "requests", "sla", "unit", "value", "categories", "skills"]),
            children,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(value=JSON)
def test_any_json_is_a_catalog_or_a_catalog_error(value: object) -> None:
    with suppress(CatalogError):
        catalog = parse(json.dumps(value))
        assert catalog.entries


RENAMED = """
categories:
  - name: Access
    requests:
      - name: Reset password
        sla: {unit: hours, value: 4}
        formerly: ["Password problem", "Old desk / Passwords"]
      - name: VPN
        sla: {unit: hours, value: 8}
"""


def test_an_entry_is_found_by_the_names_it_had_before() -> None:
    catalog = parse_catalog(RENAMED, origin="test")
    today = catalog.match("Access", "Reset password")
    assert today is not None
    assert catalog.match("access", "PASSWORD  problem") is today
    assert catalog.match("Old desk", "Passwords") is today
    assert catalog.match("Old desk", "VPN") is None
    assert [entry.label.request_type for entry in catalog.candidates("", "")] == [
        "Reset password",
        "VPN",
    ]


def test_a_name_of_today_wins_over_a_former_one() -> None:
    catalog = parse_catalog(RENAMED.replace("Password problem", "VPN"), origin="test")
    found = catalog.match("Access", "VPN")
    assert found is not None
    assert found.label.request_type == "VPN"


def test_two_entries_cannot_have_had_the_same_name() -> None:
    text = RENAMED + '        formerly: ["Password problem"]\n'
    with pytest.raises(CatalogError) as refused:
        parse_catalog(text, origin="test")
    assert "formerly 'Password problem'" in str(refused.value)
