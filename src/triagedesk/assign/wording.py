"""The sentences: why an agent takes a ticket, why not the next best, what would change it.

Each distinct reason has a sentence of its own. Sentences about a ticket with a place for the
agent's load come in two halves, so that tickets alike share them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import TYPE_CHECKING, NamedTuple

from triagedesk.agents import Agent
from triagedesk.tickets import Candidate

if TYPE_CHECKING:  # it loads numpy, which whoever waits has loaded
    from triagedesk.assign.waiting import Wait

#: Differences in score below this are none: the solver counts in millionths.
LEVEL = 2e-6
STRONG, FAIR = 7, 4
GAP_CHANGE = "Someone with that skill would come first."
WAIT_CHANGE = "Somebody with the skill who is free before that gets it at once."


class Standing(NamedTuple):
    """How an agent stands to a ticket after the batch has been given out."""

    agent: Agent
    #: Net score: value less load.
    score: float
    match: float
    #: Urgency x (match + affinity), less the fallback.
    value: float
    affinity: float
    #: Cost of the slot that the ticket has or would have.
    load: float
    #: Open work after the batch.
    tickets: int
    #: Proficiency in the skill that decided; 0 for none.
    level: int = 0

    @property
    def full(self) -> bool:
        """Whether no slot is left after the batch."""
        return self.tickets >= self.agent.capacity

    @property
    def candidate(self) -> Candidate:
        """The same as part of an assignment's record."""
        return Candidate(
            agent_id=self.agent.id, agent_name=self.agent.name, score=self.score, match=self.match
        )

    @property
    def share(self) -> str:
        """Open work of capacity, e.g. `12 of 20`."""
        return f"{self.tickets} of {self.agent.capacity}"


def listed(names: Sequence[str], last: str = "and") -> str:
    """Names as a person lists them: `a`, `a and b`, `a, b and c`."""
    if len(names) < 2:  # noqa: PLR2004 - one name needs no joining
        return "".join(names)
    return f"{', '.join(names[:-1])} {last} {names[-1]}"


def counted(counts: Sequence[tuple[int, str]]) -> str:
    """Reasons with how many they hold for: `2 away, 1 at capacity (5 of 5)`."""
    return ", ".join(f"{count} {reason}" for count, reason in counts)


def with_gap(sentence: str, missing: Sequence[str], *, whole: bool) -> str:
    """A sentence that also says which needed skills nobody has; `whole` when it has no other."""
    names = listed(missing, "or")
    if whole:
        return f"Nobody on the roster has {names}: {sentence}"
    return f"{sentence[:-1]}; nobody on the roster has {names}."


def waits(wait: Wait, why_not: str = "") -> str:
    """For whom a ticket waits and until when; `why_not` is why nobody with the skill can now."""
    until = f"{wait.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    name, now = wait.agent.name, "nobody with the skill can take it now"
    now = f"{now} ({why_not})" if why_not else now
    if wait.why:
        return (
            f"Waits until {until} at most for somebody who knows {wait.skill}, "
            f"{name} ({wait.level}/10, {wait.why}) before others: {now}."
        )
    begins = f"Waits for {name} ({wait.skill} {wait.level}/10), whose shift begins {until}"
    if wait.late:
        return f"{begins}: late, but nobody without the skill would make it either, and {now}."
    return f"{begins}, in time for its SLA: {now}."


def skill_phrase(
    skills: Sequence[tuple[str, int]], *, candidates: int, highest: int, equals: int
) -> str:
    """What an agent brings: needed skills with proficiency, the deciding one first.

    `candidates` is how many could take it, `highest` the best proficiency among them in the
    deciding skill and `equals` how many of them have that.
    """
    level = skills[0][1]
    named, *others = [f"{skill} ({proficiency}/10)" for skill, proficiency in skills]
    if others:
        # Only the first is compared with what others know.
        named = f"{named}, also {listed(others)}"
    if candidates == 1:
        return f"the only one available with {named}"
    if level == highest:
        return f"best on {named}" if equals == 1 else f"nobody available is stronger on {named}"
    if level >= STRONG:
        return f"strong on {named}"
    return f"a fair fit on {named}" if level >= FAIR else f"knows a little {named}"


def load_after(chosen: Standing, *, alone: bool) -> str:
    """What follows the agent's load: where the batch takes it."""
    return "" if alone else f" ({chosen.tickets} after this batch)"


def runner_up_phrase(chosen: Standing, other: Standing, skill: str, *, alone: bool) -> str:
    """Why not the runner-up; `alone` when the batch is this one ticket."""
    name, after = other.agent.name, "" if alone else " by then"
    gained, cheaper = chosen.value - other.value, other.load - chosen.load
    busier = f"busier{after} ({other.share})"
    if other.full:
        return f"{name} {_though_full(chosen, other, skill)} is full{after} ({other.share})"
    if gained > LEVEL:
        weaker = _weaker(chosen, other, skill)
        if cheaper > LEVEL:
            return f"{name} was next, but {weaker} and is {busier}"
        room = f"more room{after} ({other.share})" if cheaper < -LEVEL else f"as much room{after}"
        return f"{name} has {room} but {weaker}"
    if gained < -LEVEL and cheaper > LEVEL:
        return f"{name} {_stronger(chosen, other, skill)} but is {busier}"
    if cheaper > LEVEL:
        return f"{name} would do as well but is {busier}"
    return f"{name} {_tied(chosen, other)}"


def _though_full(chosen: Standing, other: Standing, skill: str) -> str:
    """How a runner-up without a slot left compares, up to "is full"."""
    gained = chosen.value - other.value
    if gained > LEVEL:
        return f"came next, but {_weaker(chosen, other, skill)} and"
    if gained < -LEVEL:
        return f"{_stronger(chosen, other, skill)} but"
    return "would do as well but"


def _tied(chosen: Standing, other: Standing) -> str:
    """What decided between equals."""
    if chosen.score < other.score - LEVEL:
        # Large batches end when the gap is small enough, which leaves such cases.
        return "was level, within the gap of the batch"
    if chosen.agent.experience > other.agent.experience:
        return "was level, with less experience"
    if chosen.agent.id < other.agent.id:
        return "was level too, and the tie went by id"
    return "was level too: either would have done"


def _weaker(chosen: Standing, other: Standing, skill: str) -> str:
    if chosen.affinity > other.affinity and chosen.match <= other.match + LEVEL:
        return "has not dealt with this before"
    if not skill:
        return "fits less well"
    if other.level == 0:
        return f"does not know {skill}"
    if other.level < chosen.level:
        return f"is weaker on {skill} ({other.level}/10)"
    return "knows less of the rest it needs"


def _stronger(chosen: Standing, other: Standing, skill: str) -> str:
    if other.match <= chosen.match + LEVEL and other.affinity > chosen.affinity:
        return "has dealt with this before"
    if skill and other.level > chosen.level:
        return f"is stronger on {skill} ({other.level}/10)"
    return "fits the ticket better on the whole"


def by_load_phrase(chosen: Standing, other: Standing | None, *, alone: bool) -> str:
    """Why the least loaded and not the next, where no skill decides."""
    if chosen.affinity > (other.affinity if other else 0.0):
        return "has dealt with this before"
    if other is None:
        return "nobody else may take it"
    after = "" if alone else " by then"
    if other.full:
        return f"{other.agent.name} is full{after} ({other.share})"
    if other.load > chosen.load + LEVEL:
        return f"{other.agent.name} would be busier{after} ({other.share})"
    return f"{other.agent.name} {_tied(chosen, other)}"


def fewer_tickets(chosen: Standing, other: Standing, unit: float) -> str:
    """How much less open work would have turned the choice; empty when none would.

    `unit` is what one ticket less takes off the other's load.
    """
    if other.full or unit <= 0:
        return ""
    fewer = int(max(0.0, chosen.score - other.score) / unit + LEVEL) + 1
    if fewer > other.tickets:
        return ""
    tickets = "one open ticket fewer" if fewer == 1 else f"{fewer} fewer open tickets"
    return f"{other.agent.name} would come first with {tickets}."
