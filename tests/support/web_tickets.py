"""What people write to a made-up desk, what it is, and a model that is sometimes unsure of it.

Everything follows from a seed: the same seed, the same tickets.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from triagedesk.agents import Agent, Availability, Shift
from triagedesk.catalog import CatalogEntry, Label, ServiceCatalog
from triagedesk.classify import StageResult
from triagedesk.classify.corrections import Correction
from triagedesk.sla.calendars import Window
from triagedesk.tickets import Alternative, Classification, DecidedBy, Ticket

#: Request type of the sample catalog -> subjects; `{}` becomes a place, `{app}` a program.
SUBJECTS: Final[Mapping[str, Sequence[str]]] = {
    "Password Reset or Account Unlock": (
        "Forgot my password after the holiday",
        "Account locked, too many attempts",
        "Password expired and I cannot set a new one",
        "Passwort vergessen, Konto gesperrt",
    ),
    "Two-Factor Sign-in": (
        "New phone, authenticator codes are refused",
        "Security key is not recognised",
        "No sign-in code arrives by SMS",
    ),
    "Permission to a Folder or Application": (
        "Access to the folder of {}, please",
        "I need write permission on the site of {}",
        "Colleague cannot open {app}",
    ),
    "Laptop or Desktop Fault": (
        "Laptop does not start after the update",
        "Battery drains within an hour",
        "Screen stays black in {}",
        "Rechner fährt nicht mehr hoch",
        "Fan is loud and the laptop gets hot",
    ),
    "New Equipment Order": (
        "Second monitor for my desk in {}",
        "Headset for video calls",
        "Docking station for the new laptop",
    ),
    "Mobile Phone or Tablet": (
        "Company phone has no signal in {}",
        "Tablet does not charge any more",
        "Roaming for a trip to Portugal",
    ),
    "Printer or Scanner": (
        "Printer in {} jams on every page",
        "Toner is empty in {}",
        "Scan to e-mail does not arrive",
    ),
    "Software Installation or Update": (
        "Please install {app}",
        "Update of {app} asks for an administrator",
        "Need Python on my laptop",
    ),
    "Licence Request": (
        "Licence for {app} runs out on Friday",
        "Seat for {app} for our working student",
    ),
    "Application Error or Crash": (
        "{app} crashes when I open a large file",
        "Excel closes by itself",
        "{app} shows error 0x80070005",
    ),
    "VPN Problem": (
        "VPN drops every ten minutes from home",
        "VPN does not connect since this morning",
        "VPN is slow for everyone in {}",
    ),
    "Wi-Fi or Wired Connection": (
        "Wi-Fi is down in {}",
        "Network socket in {} is dead",
        "Guest Wi-Fi for visitors on Thursday",
    ),
    "Firewall Change": (
        "Please open port 8443 to the server of {app}",
        "Website of a supplier is blocked",
    ),
    "Mailbox or Calendar Problem": (
        "Mailbox is full, cannot send",
        "Outlook search finds nothing",
        "Invitations are missing in my calendar",
        "Outlook findet keine alten Mails",
    ),
    "Shared Mailbox or Distribution List": (
        "Shared mailbox for the people of {}",
        "Add three people to the list of {}",
    ),
    "Meetings & Telephony": (
        "No sound in Teams calls",
        "Room display in {} shows nothing",
        "Forward my desk phone to my mobile",
    ),
    "File Sharing & Sync": (
        "OneDrive does not sync {}",
        "Sharing link for a customer does not work",
    ),
    "Suspicious E-mail": (
        "Mail from the CEO asks for gift cards",
        "Strange invoice, is this phishing?",
    ),
    "Lost or Stolen Device": ("Laptop was stolen on the train", "Lost my phone in a taxi"),
    "Malware or Hacked Account": (
        "Virus warning on my screen",
        "Sign-in from a country I have never been to",
    ),
    "New Starter Set-up": (
        "New starter in {} on Monday",
        "Account and laptop for an intern in {}",
    ),
    "Change of Role or Department": ("I move to {} next month", "New surname after the wedding"),
    "Leaver": ("Colleague in {} leaves on the 30th", "Please close the account of a contractor"),
    "SAP & Finance": (
        "Purchase order cannot be posted",
        "Invoice is stuck in approval",
        "Month-end closing run failed",
    ),
    "CRM & Sales": ("Customer record is locked", "Quote shows the wrong discount"),
    "Reports & Dashboards": (
        "Dashboard of {} was not refreshed",
        "Figures in the report of {} differ",
    ),
    "Server or Service Outage": (
        "Intranet is down for everyone",
        "File server in {} does not answer, all users affected",
    ),
    "Restore from Backup": (
        "Folder of {} was deleted by mistake",
        "Restore last week's version of a file",
    ),
    "Other Hardware Request": ("Where can I hand in old cables?", "Shredder in {} is broken"),
    "Other Software Request": ("Which tool may we use for surveys?",),
    "Other Network Request": ("How fast is the line in {}?",),
    "General Inquiry": ("Who is responsible for badges?", "Opening hours over Christmas"),
}
_THINGS = (
    "Finance|Marketing|Building B|the second floor|Lisbon|Purchasing|the warehouse|Sales|"
    "meeting room 4.12|Legal"
)
_PROGRAMS = ("AutoCAD", "Adobe Acrobat", "Power BI", "Visio", "the SAP client")
_BODIES = (
    "It has been like this since this morning. I have restarted twice.\nCan somebody have a look?",
    "This is urgent, a customer is waiting.",
    "No hurry, but it would help us a lot.",
    "Several people here have the same. Nobody in the team can work.",
    "I tried the steps of the knowledge base, without luck.\n\nThank you!",
    "Please call me on 4711 if anything is unclear.",
    "",
)
_FIRST = (
    "Amara Bjarne Chiara Dmitri Elena Farid Greta Hugo Imani Jonas Keiko Lars "
    "Maren Nuno Oksana Pavel Ravi Saoirse Tove Umut Vera Wen Yara Zofia"
)
_LAST = (
    "Adeyemi Berg Costa Dvořák Eriksen Fischer García Horvat Ivanova "
    "Jansen Kaya Lindqvist Moreau Nowak O’Brien Papadakis Rossi Schneider"
)
_WORD = re.compile(r"[^\W_]{3,}")
#: Of words in common from which two texts are alike for the model.
_ALIKE = 0.45


@dataclass(frozen=True, kw_only=True)
class Written:
    """A ticket and what it really is."""

    ticket: Ticket
    label: Label
    #: Hours its SLA allows, as the sample catalog counts them; 0 for no deadline.
    hours: int


def tickets(
    catalog: ServiceCatalog, seed: int, *, prefix: str = "INC", first: int = 100_000
) -> Iterator[Written]:
    """Tickets without end, created at the epoch; security and outages are rarer than the rest."""
    chance = random.Random(seed)
    entries = [entry for entry in catalog.entries if entry.label.request_type in SUBJECTS]
    weights = [_weight(entry, place) for place, entry in enumerate(entries)]
    number, first_names, last_names = first, _FIRST.split(), _LAST.split()
    while True:
        (entry,) = chance.choices(entries, weights)
        subject = chance.choice(SUBJECTS[entry.label.request_type])
        number += 1
        ticket = Ticket(
            source=chance.choices(("webhook", "api", "mail"), (6, 3, 2))[0],
            id=f"{prefix}{number}",
            short_description=subject.replace("{}", chance.choice(_THINGS.split("|"))).replace(
                "{app}", chance.choice(_PROGRAMS)
            ),
            long_description=chance.choice(_BODIES),
            requester_email=f"{chance.choice(first_names)}.{chance.choice(last_names)}@example.com".lower(),
        )
        unit = 24 if entry.sla.unit == "days" else 1
        yield Written(ticket=ticket, label=entry.label, hours=entry.sla.value * unit)


def _weight(entry: CatalogEntry, place: int) -> float:
    if entry.label.request_category in ("Security", "Servers & Data", "General"):
        return 0.5
    return 4 - place % 4


def agents(catalog: ServiceCatalog, count: int, seed: int = 3) -> list[Agent]:
    """A roster: everybody knows two or three things of the catalog's, some are away."""
    chance = random.Random(seed)
    first_names, last_names = _FIRST.split(), _LAST.split()
    skills = sorted({skill for entry in catalog.entries for skill in entry.skills} | _MORE_SKILLS)
    found = []
    for number in range(count):
        # Every skill is somebody's.
        known = {skills[number % len(skills)]: chance.randint(7, 10)}
        known |= {skill: chance.randint(3, 8) for skill in chance.sample(skills, 2)}
        away = Availability.AWAY if number % 11 == 7 else Availability.AVAILABLE
        first = first_names[number % len(first_names)]
        last = last_names[(number * 5 + number // 24) % len(last_names)]
        found.append(
            Agent(
                id=f"A{number + 1:02}",
                name=f"{first} {last}",
                skills=known,
                capacity=chance.choice((30, 36, 40, 44)),
                availability=Availability.OFFLINE if number % 17 == 13 else away,
                experience=chance.randint(1, 15),
                groups=(chance.choice(("Service Desk", "Workplace", "Infrastructure")),),
                email=f"{first}.{last}@example.com".lower(),
                shift=_shift(number),
            )
        )
    return found


_MORE_SKILLS: Final = {
    "Windows Laptops",
    "Peripherals",
    "Printing",
    "Exchange and Outlook",
    "Wi-Fi",
}


def _shift(number: int) -> Shift | None:
    """Every third agent keeps hours, long ones, so that tests go at any time of day."""
    if number % 3:
        return None
    return Shift(time_zone="Europe/Berlin", week=((Window(opens=0, closes=85_500),),) * 7)


class WordModel:
    """Knows what `SUBJECTS` say; of some texts it is unsure, and of those it is often wrong.

    What is like something that was corrected, it answers as it was corrected, and is sure.
    """

    name = "local"
    version = "words-1"
    missing: tuple[str, ...] = ()

    def __init__(self, corrections: Sequence[Correction] = (), **_options: object) -> None:
        self._taught = [(_words(item.text), item.label) for item in corrections]

    def classify(self, given: Sequence[Ticket], catalog: ServiceCatalog) -> StageResult:
        """Classify tickets (distinct ids)."""
        return StageResult(answers={ticket.id: self._answer(ticket, catalog) for ticket in given})

    def _answer(self, ticket: Ticket, catalog: ServiceCatalog) -> Classification:
        words = _words(ticket.short_description)
        for taught, label in reversed(self._taught):
            if len(words & taught) >= _ALIKE * len(words) and catalog.match(*label):
                return _said(label, 0.93, (), sure=True, by=DecidedBy.CORRECTION)
        ranked = sorted(catalog.entries, key=lambda entry: (-_fits(words, entry), str(entry.label)))
        chance = random.Random(ticket.short_description)
        sure = chance.random() < 0.8
        confidence = round(chance.uniform(0.78, 0.99) if sure else chance.uniform(0.22, 0.58), 3)
        best, second, *others = (entry.label for entry in ranked[:5])
        # As often wrong as it says.
        if chance.random() > confidence:
            best, second = second, best
        return _said(best, confidence, [second, *others], sure=sure)


def _said(
    label: Label,
    confidence: float,
    others: Sequence[Label],
    *,
    sure: bool,
    by: DecidedBy = DecidedBy.LOCAL,
) -> Classification:
    shares = [random.Random(str(label)).uniform(0.3, 0.95), 0.2, 0.12, 0.06]
    return Classification(
        label=label,
        confidence=confidence,
        decided_by=by,
        model="local",
        model_version="words-1",
        needs_review=not sure,
        notes=() if sure else (f"confidence {confidence:.2f} is below 0.60",),
        alternatives=tuple(
            Alternative(label=other, probability=round(min(1 - confidence, confidence) * share, 3))
            for other, share in zip(others, shares, strict=False)
        ),
    )


def _fits(words: frozenset[str], entry: CatalogEntry) -> float:
    subjects = SUBJECTS.get(entry.label.request_type, ())
    best = max((len(words & _words(s)) / max(1, len(_words(s))) for s in subjects), default=0.0)
    said = _words(f"{entry.label.request_type} {entry.description}")
    return best + 0.1 * len(words & said)


@cache
def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.splitlines()[0].casefold() if text else ""))


def age_of(written: Written, chance: random.Random) -> timedelta:
    """How long ago an open ticket was raised: most are within their SLA, some are not."""
    hours = written.hours or 48
    return timedelta(hours=hours * min(chance.betavariate(1.3, 2.2) * 1.35, 1.4))


def time_to_resolve(written: Written, chance: random.Random) -> timedelta:
    """How long a ticket took: nine of ten within their SLA."""
    hours = written.hours or 30
    return timedelta(hours=hours * min(chance.lognormvariate(-0.95, 0.75), 2.5))


def on(day: datetime, chance: random.Random) -> datetime:
    """A time of a working day, most often in the morning."""
    return day.replace(hour=6, minute=0) + timedelta(minutes=chance.betavariate(2, 3) * 14 * 60)
