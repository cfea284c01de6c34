"""What the desk recorded in English sentences, in the viewer's language.

The engine records why in a sentence, e.g. an assignment's reason. Each form that such a sentence
has stands in `texts/sayings/en.yaml`, word for word, and beside it in the other languages. `said`
finds the form a sentence has, and so its values, and says them by the viewer's form:

    Bob has more room (0 of 20) but is weaker on Linux (7/10)
    `{agent} has {room} but {weaker}`, where `weaker` is `is weaker on {skill} ({n}/10)`

A value named for a section of the file is itself said by a form of that section; `n` is a whole
number, `x` one with a point, `at` a time, which the browser shows in the viewer's zone. Any other
is shown as it is: a name, a skill. A digit behind a name tells two values apart. What has no known
form is shown as it was recorded: a record of another version, or what a person wrote.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from string import Formatter
from typing import TypeAlias

from markupsafe import Markup, escape

from triagedesk.web.texts import DEFAULT, SAYINGS, Texts, texts

#: Characters of a sentence, and tries at one, beyond which it is shown as it was recorded: names
#: that look like pieces of sentences are read in no time either.
_LONGEST, _TRIES = 2500, 4000
_WHOLE, _DECIMAL = re.compile(r"[0-9]{1,12}"), re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?")
_TIME = "%Y-%m-%d %H:%M UTC"

TimeShown = Callable[[datetime], Markup]
Value: TypeAlias = "Saying | int | Decimal | datetime | str"


@dataclass(frozen=True, kw_only=True)
class Saying:
    """A form with its values."""

    #: Of its texts, e.g. `saying.weaker.lower`.
    key: str
    values: Mapping[str, Value]


@dataclass(frozen=True, kw_only=True)
class _Form:
    key: str
    #: Between which its values stand: one more than these.
    pieces: tuple[str, ...]
    names: tuple[str, ...]


def said(sentence: str, kind: str, t: Texts, time: TimeShown) -> Markup:
    """A recorded sentence of a kind (a section of the file) as the viewer reads it."""
    found = read(sentence, kind)
    return escape(sentence) if found is None else _told(found, t, time)


def read(sentence: str, kind: str) -> Saying | None:
    """What a recorded sentence says; None for one of no known form."""
    if len(sentence) > _LONGEST:
        return None
    try:
        return _Reader().read(kind, sentence)
    except _TooManyTries:
        return None


def _told(saying: Saying, t: Texts, time: TimeShown) -> Markup:
    values: dict[str, object] = {}
    for name, value in saying.values.items():
        if isinstance(value, Saying):
            values[name] = _told(value, t, time)
        elif isinstance(value, datetime):
            values[name] = time(value)
        elif isinstance(value, Decimal):
            values[name] = t.number(float(value), -int(value.as_tuple().exponent))
        else:
            values[name] = value
    return t.html(saying.key, **values)


class _TooManyTries(Exception):
    """A sentence can be taken apart in more ways than are worth trying."""


@dataclass
class _Reader:
    """Reads one sentence: the first form that fits as a whole is the one."""

    tries: int = _TRIES
    known: dict[tuple[str, str], Saying | None] = field(default_factory=dict)

    def read(self, kind: str, text: str) -> Saying | None:
        """What a piece of it says."""
        place = (kind, text)
        if place not in self.known:
            self.known[place] = None
            self.known[place] = self._read(kind, text)
        return self.known[place]

    def _read(self, kind: str, text: str) -> Saying | None:
        for form in _forms().get(kind, ()):
            if not text.startswith(form.pieces[0]) or not text.endswith(form.pieces[-1]):
                continue
            for values in self._values(form, 0, text[len(form.pieces[0]) :]):
                return Saying(key=form.key, values=dict(zip(form.names, values, strict=True)))
        return None

    def _values(self, form: _Form, place: int, rest: str) -> Iterator[tuple[Value, ...]]:
        """The values from the `place`th on of which `rest` can be made, shortest first."""
        if place == len(form.names):
            if not rest:
                yield ()
            return
        following = form.pieces[place + 1]
        ends = (
            [len(rest) - len(following)]
            if place + 1 == len(form.names)
            else _places(following, rest)
        )
        for end in ends:
            self.tries -= 1
            if self.tries < 0:
                raise _TooManyTries
            if end < 1:
                continue
            value = self._value(form.names[place], rest[:end])
            if value is None:
                continue
            for others in self._values(form, place + 1, rest[end + len(following) :]):
                yield value, *others

    def _value(self, name: str, text: str) -> Value | None:
        kind = name.rstrip("0123456789")
        if kind == "n":
            return int(text) if _WHOLE.fullmatch(text) else None
        if kind == "x":
            return Decimal(text) if _DECIMAL.fullmatch(text) else None
        if kind == "at":
            return _time(text)
        return self.read(kind, text) if kind in _forms() else text


def _places(piece: str, text: str) -> Iterator[int]:
    at = text.find(piece)
    while at >= 0:
        yield at
        at = text.find(piece, at + 1)


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError:
        # Not a time: the sentence has another form, or none.
        return None


@cache
def _forms() -> Mapping[str, tuple[_Form, ...]]:
    """The forms of each kind in the order of the file."""
    found: dict[str, list[_Form]] = {}
    for key, text in texts(DEFAULT).texts.items():
        section, _, rest = key.partition(".")
        if section == SAYINGS and isinstance(text, str):
            found.setdefault(rest.partition(".")[0], []).append(_form(key, text))
    return {kind: tuple(forms) for kind, forms in found.items()}


def _form(key: str, text: str) -> _Form:
    pieces, names = [""], list[str]()
    for piece, name, _, _ in Formatter().parse(text):
        pieces[-1] += piece
        if name is not None:
            names.append(name)
            pieces.append("")
    return _Form(key=key, pieces=tuple(pieces), names=tuple(names))
