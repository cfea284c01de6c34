"""What clients send: shapes and limits. Whatever is not named here is refused."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)

from triagedesk.agents import Agent, Availability, Shift
from triagedesk.agents_parser import shift_of
from triagedesk.api.hours import Hours, Zone
from triagedesk.catalog import SlaUnit
from triagedesk.cleaning import clean_name, clean_text
from triagedesk.desk_work.finding import LONGEST_REASON
from triagedesk.intake import SOURCE
from triagedesk.priority import Level, Priority
from triagedesk.tickets import Status, Ticket
from triagedesk.timestamps import parse_timestamp

#: Tickets dealt with while the client waits; more are carried out as a run (202).
SYNC_TICKETS = 2000
#: Tickets and agents in one request.
MOST_TICKETS, MOST_AGENTS = 200_000, 20_000
_MOST = 1_000_000


def _whole(value: object) -> object:
    """Numbers only: neither "7" nor true is one; 7.0 is."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number")  # noqa: TRY004 (what pydantic understands)
    return value


def _number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")  # noqa: TRY004 (what pydantic understands)
    return value


def _moment(value: object) -> object:
    """Seconds since 1970 or ISO 8601."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("must be seconds since 1970 or ISO 8601 text")  # noqa: TRY004 (what pydantic understands)
    try:
        parse_timestamp(value)
    except ValueError:
        raise ValueError("is no time from 1970 on, in seconds or ISO 8601") from None
    return value


def _availability(value: str) -> str:
    Availability.of(value)
    return value


Id = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"\w")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"\w")]
Line = Annotated[str, StringConstraints(max_length=500)]
Title = Annotated[str, StringConstraints(max_length=10_000)]
Body = Annotated[str, StringConstraints(max_length=1_000_000)]
Count = Annotated[
    int,
    BeforeValidator(_whole, json_schema_input_type=Annotated[int, Field(ge=0, le=_MOST)]),
    Field(ge=0, le=_MOST),
]
Proficiency = Annotated[
    int,
    BeforeValidator(_whole, json_schema_input_type=Annotated[int, Field(ge=1, le=10)]),
    Field(ge=1, le=10),
]
SlaValue = Annotated[
    int,
    BeforeValidator(_whole, json_schema_input_type=Annotated[int, Field(ge=1, le=36_500)]),
    Field(ge=1, le=36_500),
]
Experience = Annotated[
    float,
    BeforeValidator(_number, json_schema_input_type=Annotated[float, Field(ge=0, le=_MOST)]),
    Field(ge=0, le=_MOST, allow_inf_nan=False),
]
Skills = Annotated[
    dict[Name, Proficiency],
    Field(max_length=1000),
    WithJsonSchema(
        {
            "description": "Level by name, 1 to 10.",
            "type": "object",
            "maxProperties": 1000,
            "propertyNames": {"minLength": 1, "maxLength": 300, "pattern": r"\w"},
            "additionalProperties": {"type": "integer", "minimum": 1, "maximum": 10},
        }
    ),
]
_ISO = (
    r"^(197[1-9]|19[89]\d|20\d\d|21[0-8]\d)-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])"
    r"T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(Z|[+-](0\d|1[0-3]):[0-5]\d)$"
)
Moment = Annotated[
    float | int | str,
    BeforeValidator(_moment),
    WithJsonSchema(
        {
            "description": "Seconds since 1970, or ISO 8601.",
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 7_258_118_399},
                {"type": "string", "pattern": _ISO},
            ],
        }
    ),
]
Availabilities = Annotated[
    str,
    AfterValidator(_availability),
    WithJsonSchema(
        {
            "description": "In any case; the usual words for these are understood too.",
            "enum": ["available", "away", "offline", "Available", "Busy", "On Leave"],
            "type": "string",
        }
    ),
]
#: What somebody says about why they do something.
Reason = Annotated[str, StringConstraints(max_length=LONGEST_REASON)]
Address = Annotated[
    str,
    StringConstraints(
        max_length=254, pattern=r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,180}[A-Za-z0-9]$"
    ),
]
PriorityName = Literal["P1", "P2", "P3", "P4"]
LevelName = Literal["high", "medium", "low"]
StatusName = Literal["open", "on_hold", "resolved"]


class Wire(BaseModel):
    """Something a client sends: nothing but what is named, and no type taken for another."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ShiftGiven(Wire):
    """When an agent works, by the clock on the wall where they are."""

    time_zone: Zone = "UTC"
    hours: Hours

    def as_shift(self) -> Shift | None:
        """The desk's own record."""
        return shift_of(self.model_dump())[0]


class AgentFields(Wire):
    """What can be said of an agent besides the id."""

    name: Name | None = None
    #: By name; the level is 1 to 10.
    skills: Skills = {}
    current_load: Count | None = Field(
        None, description="Open work they have; counts when they are first seen."
    )
    capacity: Count | None = Field(None, description="The most open work they may have.")
    availability_status: Availabilities = "available"
    experience_level: Experience = Field(0.0, description="Only ever breaks ties.")
    groups: Annotated[list[Name], Field(max_length=100)] = Field(
        [], description="Assignment groups they belong to."
    )
    email: Line = ""
    shift: ShiftGiven | None = Field(None, description="Left out: no shift is kept.")
    shift_ends_at: Moment | None = Field(
        None, description="End of the current shift; while it lies ahead it comes before `shift`."
    )

    def as_agent(self, id_: str, default_capacity: int) -> Agent:
        """The desk's own record."""
        name = clean_name(id_)
        return Agent(
            id=name,
            name=clean_name(self.name) if self.name else name,
            skills={clean_name(skill): level for skill, level in self.skills.items()},
            load=self.current_load or 0,
            capacity=default_capacity if self.capacity is None else self.capacity,
            availability=Availability.of(self.availability_status),
            experience=float(self.experience_level),
            groups=tuple(dict.fromkeys(map(clean_name, self.groups))),
            email=clean_name(self.email),
            shift_ends_at=None
            if self.shift_ends_at is None
            else parse_timestamp(self.shift_ends_at),
            shift=self.shift.as_shift() if self.shift else None,
        )


class NewAgent(AgentFields):
    """An agent."""

    agent_id: Id


class AvailabilityChange(Wire):
    """Whether an agent takes new work."""

    availability_status: Availabilities


class AgentNamed(Wire):
    """Who does it."""

    agent_id: Id


class Declined(AgentNamed):
    """Who does not take a ticket, and why."""

    reason: Annotated[Reason, StringConstraints(min_length=1, pattern=r"\w")]


class HandedBack(AgentNamed):
    """Who gives a ticket up, and why."""

    reason: Reason = ""


class Reassigned(Wire):
    """Who shall have a ticket."""

    to: Id = Field(description="An agent's id.")
    reason: Reason = ""
    anyway: bool = Field(False, description="Also when they are away, off shift or full.")


class _AnyTicket(Wire):
    requester_email: Line = ""
    linked: Annotated[list[Id], Field(max_length=100)] = Field(
        [], description="Ids of tickets it belongs with."
    )
    status: StatusName | None = Field(
        None, description="Left out: open, or for a known ticket as the desk has it."
    )
    priority: PriorityName | None = None
    impact: LevelName | None = None
    urgency: LevelName | None = None

    def stated(self) -> dict[str, Any]:
        """What all kinds of tickets say alike."""
        return {
            "source": SOURCE,
            "requester_email": clean_name(self.requester_email),
            "status": Status(self.status or "open"),
            "priority": Priority[self.priority] if self.priority else None,
            "impact": Level[self.impact.upper()] if self.impact else None,
            "urgency": Level[self.urgency.upper()] if self.urgency else None,
            "linked": tuple(dict.fromkeys(map(clean_name, self.linked))),
        }


class TicketToAssign(_AnyTicket):
    """A ticket that needs an agent."""

    ticket_id: Id
    title: Title
    description: Body | None = ""
    creation_timestamp: Moment | None = None

    @property
    def id(self) -> str:
        """Its id as the desk keeps it."""
        return clean_name(self.ticket_id)

    def as_ticket(self) -> Ticket:
        """The desk's own record."""
        return Ticket(
            id=self.id,
            short_description=one_line(self.title),
            long_description=clean_text(self.description or "").strip(),
            created_at=_time(self.creation_timestamp),
            **self.stated(),
        )


class TicketAssignment(Wire):
    """Tickets, and the agents to give them to."""

    agents: Annotated[list[NewAgent], Field(max_length=MOST_AGENTS)] | None = Field(
        None, description="Left out: the desk's own agents."
    )
    tickets: Annotated[list[TicketToAssign], Field(max_length=MOST_TICKETS)]
    load_source: Literal["desk", "request"] = Field(
        "desk",
        description="`desk`: `current_load` counts for agents first seen, later the desk knows; "
        "`request`: it counts now.",
    )


class SlaGiven(Wire):
    """A time target that came with a ticket."""

    value: SlaValue
    unit: Literal["hours", "days"]


class NewTicket(_AnyTicket):
    """A ticket to triage; what arrives filled stays."""

    id: Id
    short_description: Title
    long_description: Body = ""
    request_category: Line = ""
    request_type: Line = ""
    sla: SlaGiven | None = None
    created_at: Moment | None = None

    def as_ticket(self) -> Ticket:
        """The desk's own record."""
        return Ticket(
            id=clean_name(self.id),
            short_description=one_line(self.short_description),
            long_description=clean_text(self.long_description).strip(),
            request_category=clean_name(self.request_category),
            request_type=clean_name(self.request_type),
            sla_value=self.sla.value if self.sla else 0,
            sla_unit=SlaUnit(self.sla.unit) if self.sla else None,
            created_at=_time(self.created_at),
            **self.stated(),
        )


class NewTickets(Wire):
    """Several tickets to triage together."""

    tickets: Annotated[list[NewTicket], Field(max_length=MOST_TICKETS)]


class CorrectionGiven(Wire):
    """What a ticket really is."""

    request_category: Name
    request_type: Name


class ResendGiven(Wire):
    """Whom to send a report to."""

    to: Annotated[list[Address], Field(max_length=50)] = Field(
        [], description="Left empty: those in the settings."
    )


def one_line(text: str) -> str:
    """A subject: cleaned, on one line."""
    return " ".join(clean_text(text).split())


def _time(value: float | str | None) -> Any:
    return None if value is None else parse_timestamp(value)
