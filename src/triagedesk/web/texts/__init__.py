"""What the page says: one catalogue per language, and the formats of its numbers and dates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files
from typing import Any, TypeGuard

import yaml
from babel import Locale
from babel.dates import format_skeleton
from babel.numbers import format_decimal, format_percent
from markupsafe import Markup

#: The language that every text is in.
DEFAULT = "en"
#: Section of the forms of recorded sentences, see `sayings.py`; files of their own.
SAYINGS = "saying"
#: British order of day and month for whoever asks for plain English.
_FORMATS = {"en": "en_GB"}
#: A language with its quality from 0 to 1, as Accept-Language has them (RFC 9110, 12.5.4).
_ACCEPTED = re.compile(
    r"([a-z]{1,8})(?:-[a-z0-9-]*)?(?:\s*;\s*q=([01](?:\.[0-9]{0,3})?))?", re.IGNORECASE | re.ASCII
)

Text = str | Mapping[str, str]


@dataclass(frozen=True)
class Texts:
    """The texts of one language."""

    language: str
    locale: Locale
    texts: Mapping[str, Text]

    def __call__(self, key: str, /, **values: object) -> str:
        """The text of that key with its values put in. Raises KeyError for a key there is not."""
        text = self.texts[key]
        if not isinstance(text, str):
            n = values.get("n", 0)
            form = self.locale.plural_form(n) if isinstance(n, int | float) else "other"
            text = text.get(form, text["other"])
        if not values:
            return text
        shown = {
            name: self.number(value) if _is_number(value) else value
            for name, value in values.items()
        }
        return text.format_map(shown)

    def html(self, key: str, /, **values: object) -> Markup:
        """The same for a text that holds marks of HTML; values are escaped."""
        escaped = {
            name: value if isinstance(value, int | float) else Markup.escape(value)
            for name, value in values.items()
        }
        return Markup(self(key, **escaped))  # noqa: S704 (the texts are ours, the values escaped)

    def has(self, key: str) -> bool:
        """Whether there is such a text."""
        return key in self.texts

    def number(self, value: float, places: int = 0) -> str:
        """A number as it is written here."""
        pattern = "#,##0" + ("." + "0" * places if places else "")
        return str(format_decimal(value, format=pattern, locale=self.locale))

    def percent(self, share: float, places: int = 0) -> str:
        """A share of 1 as a percentage."""
        pattern = "#,##0" + ("." + "0" * places if places else "")
        sign = str(format_percent(0, format="0%", locale=self.locale))[1:]
        plain = "\u00a0%" if self.language == "de" else "%"
        shown = str(format_percent(share, format=f"{pattern}%", locale=self.locale))
        return shown.removesuffix(sign) + plain

    def time(self, at: datetime) -> str:
        """Date and time in UTC."""
        at = at.astimezone(UTC)
        return f"{self.day(at)}, {at:%H:%M} UTC"

    def day(self, at: datetime) -> str:
        """A date in UTC."""
        return str(format_skeleton("yMMMd", at.astimezone(UTC), locale=self.locale))

    def short_day(self, day: date) -> str:
        """Day and month."""
        return str(format_skeleton("MMMd", day, locale=self.locale))


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


@cache
def languages() -> tuple[str, ...]:
    """The languages there are, the default first."""
    found = sorted(
        entry.name.removesuffix(".yaml")
        for entry in files("triagedesk.web.texts").iterdir()
        if entry.name.endswith(".yaml")
    )
    return (DEFAULT, *(language for language in found if language != DEFAULT))


@cache
def texts(language: str) -> Texts:
    """The texts of a language there is."""
    folder, name = files("triagedesk.web.texts"), f"{language}.yaml"
    found = _flat(yaml.safe_load((folder / name).read_text(encoding="utf-8")))
    sayings = yaml.safe_load((folder / "sayings" / name).read_text(encoding="utf-8"))
    return Texts(
        language,
        Locale.parse(_FORMATS.get(language, language)),
        {**found, **_flat(sayings, f"{SAYINGS}.")},
    )


def choose(wanted: str, accepted: str) -> str:
    """The language somebody chose, or else the best of an Accept-Language header."""
    if wanted in languages():
        return wanted
    ranked: list[tuple[float, int, str]] = []
    for place, item in enumerate(accepted[:200].split(",")):
        found = _ACCEPTED.fullmatch(item.strip())
        language, weight = (found[1].casefold(), float(found[2] or 1)) if found else ("", 0.0)
        if language in languages() and weight > 0:
            ranked.append((-weight, place, language))
    return min(ranked)[2] if ranked else DEFAULT


def _flat(section: Mapping[str, Any], path: str = "") -> dict[str, Text]:
    """`{queue: {title: x}}` as `{"queue.title": x}`; forms by number stay together."""
    found: dict[str, Text] = {}
    for name, value in section.items():
        if isinstance(value, dict) and "other" not in value:
            found |= _flat(value, f"{path}{name}.")
        else:
            found[f"{path}{name}"] = value if isinstance(value, dict) else str(value)
    return found
