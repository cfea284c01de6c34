from __future__ import annotations

import re

import pytest

from triagedesk import errors
from triagedesk.errors import (
    DeliveryError,
    InputError,
    Problem,
    SettingsError,
    SourceUnavailable,
    StoreBusy,
    TriagedeskError,
)


def every_error(above: type[TriagedeskError] = TriagedeskError) -> list[type[TriagedeskError]]:
    below = [error for error in above.__subclasses__() if error.__module__ == errors.__name__]
    return [above, *(error for child in below for error in every_error(child))]


def drawn_tree() -> list[tuple[int, str]]:
    """Depth and name of each error, as the module's docstring draws them."""
    found = re.findall(r"^([│├└─ ]*)([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE)
    return [(len(lines) // 4, name) for lines, name in found if name.endswith(_LAST_WORDS)]


_LAST_WORDS = ("Error", "Unavailable", "Refused", "Busy", "Missing")


def test_the_drawing_shows_every_error_at_its_place() -> None:
    depth = len(TriagedeskError.__mro__)
    assert drawn_tree() == [(len(error.__mro__) - depth, error.__name__) for error in every_error()]


@pytest.mark.parametrize("error", every_error())
def test_an_errors_docstring_is_its_default_message(error: type[TriagedeskError]) -> None:
    made = error(permanent=True) if issubclass(error, DeliveryError) else error()
    assert made.message == (error.__doc__ or "").strip()
    assert made.message.endswith(".")
    assert made.hint == ""


@pytest.mark.parametrize("error", every_error())
def test_only_what_may_pass_is_temporary(error: type[TriagedeskError]) -> None:
    assert error.temporary == error.__name__.endswith(("Unavailable", "Busy"))


def test_exit_codes_tell_whose_fault_it_is() -> None:
    codes = {error.__name__: error.exit_code for error in every_error()}
    assert {name for name, code in codes.items() if code == 2} == {
        error.__name__ for error in every_error(InputError)
    }
    assert codes["SourceRefused"] == 3
    assert codes["DeliveryError"] == 4
    assert codes["OutputError"] == 5
    assert codes["StoreBusy"] == 6
    assert 0 not in codes.values()


def test_an_input_error_shows_each_problem_on_a_line_of_its_own() -> None:
    error = SettingsError(
        problems=[
            Problem(where="A", what="is not set", hint="set it"),
            Problem(where="B", what="3 is odd"),
        ]
    )
    assert str(error) == ("The settings are not valid.\n  A: is not set (set it)\n  B: 3 is odd")
    assert error.message == "The settings are not valid."


@pytest.mark.parametrize("error", [SourceUnavailable, StoreBusy])
def test_a_hint_stands_beside_the_message(error: type[TriagedeskError]) -> None:
    made = error("it is away", hint="wait")
    assert (made.message, str(made), made.hint) == ("it is away", "it is away", "wait")
