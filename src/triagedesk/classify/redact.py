"""Personal data replaced by placeholders before a text leaves the house.

Recognised by form: mail addresses, telephone numbers, IP addresses, IBANs and payment card numbers.
Names of people: those the desk knows, and those that stand where names stand (`names`).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from functools import partial

from triagedesk.classify.names import People, names_in, names_version

#: Changes whenever other things are replaced.
REDACTION_VERSION = f"redact2:{names_version()}"

# Every repetition is bounded, so that no text makes these slow.
_MAIL = re.compile(r"[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}")
_IBAN = re.compile(
    r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", re.IGNORECASE | re.ASCII
)
_IP = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f:]{2,39})(?![\w:])", re.IGNORECASE | re.ASCII
)
_CARD = re.compile(r"(?<![\w-])\d(?:[ -]?\d){12,18}(?![\w-])", re.ASCII)
_PHONE = re.compile(r"(?<![\w.,/:-])(?:\+|00|\(|0)[\d ()/.-]{6,24}\d(?!\w)", re.ASCII)
_PLACEHOLDER = re.compile(r"\[[A-Z]{2,5}-\d{1,4}\]")
#: Names looked for in one pass.
_NAMES_AT_ONCE = 200
_DATE = re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}", re.ASCII)


class Redaction:
    """What was replaced in one ticket; the same value gets the same placeholder throughout."""

    def __init__(self, people: People | None = None, requester: str = "") -> None:
        """`people` are known by name, and so is the `requester`."""
        self._people = (people or People(), People([requester]))
        self._placeholders: dict[tuple[str, str], str] = {}
        self._taken: set[str] = set()

    def hide(self, text: str) -> str:
        """The text with placeholders such as `[MAIL-1]`."""
        # What the ticket itself writes in our form must not be mistaken for a placeholder.
        self._taken.update(_PLACEHOLDER.findall(text))
        names = names_in(text, *self._people)
        for kind, pattern, is_one in _KINDS:
            text = pattern.sub(partial(self._replace, kind, is_one), text)
        return self._hide_names(text, names)

    def restore(self, text: str) -> str:
        """The text with the original values."""
        values = {placeholder: value for (_, value), placeholder in self._placeholders.items()}
        # In one pass: a value may hold what looks like a placeholder.
        return _PLACEHOLDER.sub(lambda match: values.get(match[0], match[0]), text)

    def _hide_names(self, text: str, names: Sequence[str]) -> str:
        """Each name as a whole word, the longest first."""
        for start in range(0, len(names), _NAMES_AT_ONCE):
            part = names[start : start + _NAMES_AT_ONCE]
            either = "|".join(re.escape(name) for name in part)
            # Not inside a placeholder, which stands between brackets.
            pattern = re.compile(rf"(?<![\w\[])(?:{either})(?!\w)")
            text = pattern.sub(partial(self._replace, "NAME", lambda _value: True), text)
        return text

    def _replace(self, kind: str, is_one: Callable[[str], bool], match: re.Match[str]) -> str:
        value = match[0]
        if not is_one(value):
            return value
        if (kind, value) not in self._placeholders:
            number = 1
            while (placeholder := f"[{kind}-{number}]") in self._taken:
                number += 1
            self._taken.add(placeholder)
            self._placeholders[kind, value] = placeholder
        return self._placeholders[kind, value]


def _is_iban(value: str) -> bool:
    """ISO 13616: moved around and read as a number, the rest by 97 is 1."""
    compact = value.replace(" ", "").upper()
    digits = "".join(str(int(c, 36)) for c in compact[4:] + compact[:4])
    return 15 <= len(compact) <= 34 and int(digits) % 97 == 1  # noqa: PLR2004 - the standard's


def _is_ip(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return value not in ("::", "::1", "127.0.0.1", "0.0.0.0")  # noqa: S104 - nothing is bound


def _is_card(value: str) -> bool:
    """ISO/IEC 7812: the Luhn sum is divisible by 10."""
    digits = [int(c) for c in value if c.isdigit()]
    even, odd = digits[-1::-2], digits[-2::-2]
    return (sum(even) + sum(sum(divmod(2 * digit, 10)) for digit in odd)) % 10 == 0


def _is_phone(value: str) -> bool:
    """ITU E.164: at most 15 digits; fewer than 7 are extensions, dates are dates."""
    count = sum(c.isdigit() for c in value)
    return 7 <= count <= 15 and not _DATE.match(value)  # noqa: PLR2004 - the standard's


#: In this order: the more exactly a form is checked, the earlier it may take its text.
_KINDS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("MAIL", _MAIL, lambda _value: True),
    ("IBAN", _IBAN, _is_iban),
    ("IP", _IP, _is_ip),
    ("CARD", _CARD, _is_card),
    ("PHONE", _PHONE, _is_phone),
)
