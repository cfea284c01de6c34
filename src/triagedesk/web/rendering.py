"""Templates with everything they may use, and the names of static files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from triagedesk.store.lists import DeskTicket
from triagedesk.web import sayings
from triagedesk.web.texts import Texts, languages

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def environment(assets: Mapping[str, str]) -> Environment:
    """Templates whose values are escaped; a name that is not there is an error."""
    made = Environment(
        loader=PackageLoader("triagedesk.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "list_pair": lambda value: (value, value),
        "time": time_of,
        "day": day_of,
        "number": number_of,
        "decimal": number_of,
        "percent": percent_of,
        "said": said_of,
        "ticket_url": ticket_url,
    }
    made.globals |= {
        "asset": lambda name: f"/static/{assets[name]}",
        "languages": languages(),
        "time_left": time_left,
        "iso": iso,
    }
    return made


def ticket_url(item: DeskTicket | int) -> str:
    """A ticket's page, by the store's own number: ids of sources may be anything."""
    return f"/tickets/{item if isinstance(item, int) else item.key}"


def iso(at: datetime) -> str:
    """A time as `datetime` attributes have it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pass_context
def time_of(context: Context, at: datetime | None, empty: str = "–") -> Markup:
    """Date and time; desk.js shows it in the viewer's zone."""
    return _time(at, empty, _texts(context).time(at) if at else "", "time")


@pass_context
def day_of(context: Context, at: datetime | None, empty: str = "–") -> Markup:
    """A date; desk.js shows it in the viewer's zone."""
    return _time(at, empty, _texts(context).day(at) if at else "", "day")


def _time(at: datetime | None, empty: str, shown: str, form: str) -> Markup:
    if at is None:
        return escape(empty)
    return Markup('<time datetime="{}" data-{}>{}</time>').format(iso(at), form, shown)


@pass_context
def number_of(context: Context, value: float, places: int = 0) -> str:
    """A number as it is written in the viewer's language."""
    return _texts(context).number(value, places)


@pass_context
def percent_of(context: Context, share: float, places: int = 0) -> str:
    """A share of 1 as a percentage."""
    return _texts(context).percent(share, places)


@pass_context
def said_of(context: Context, sentence: str, kind: str) -> Markup:
    """A sentence that the desk recorded, in the viewer's language."""
    texts = _texts(context)
    return sayings.said(sentence, kind, texts, lambda at: _time(at, "", texts.time(at), "time"))


def time_left(span: timedelta) -> str:
    """`3 d 4 h`, `2 h 14 min`, `−25 min`: the two largest units, as desk.js counts them on."""
    seconds = int(span.total_seconds())
    sign, seconds = ("−" if seconds < 0 else ""), abs(seconds)
    days, hours, minutes = seconds // _DAY, seconds % _DAY // _HOUR, seconds % _HOUR // _MINUTE
    if days:
        return f"{sign}{days} d {hours} h"
    return f"{sign}{hours} h {minutes} min" if hours else f"{sign}{minutes} min"


def _texts(context: Context) -> Texts:
    found: Any = context["texts"]
    if not isinstance(found, Texts):
        raise TypeError("texts are missing from the template's values")
    return found


def address(path: str, value: str) -> str:
    """A path with a value from outside as its last part."""
    return f"{path}/{quote(value, safe='')}"
