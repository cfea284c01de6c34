"""From text to rationale at 1,000 x 50, against a plain scorer that reads keywords.

    python benchmarks/assign_text.py            median of 3

The plain scorer follows the published description of such tools: for each ticket, most urgent
first, it looks for each skill of each agent at the skill's keywords in the ticket's text, adds
skill x .7, workload x .3 and experience x .1, takes the best and writes a rationale. `reads once`
is the same with the text looked through once a ticket and skill, as a careful author would. Ours
reads the meaning of the text with the local model: cold, with embeddings known from before (as
after classifying, with a reader that has not seen the texts) and with texts the reader has read
before; then assigns all at once. Texts are made up from sentences below, all different, some 60
words.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import numpy as np

from assign import NOW, timed  # type: ignore[import-not-found]  # a script beside this one
from triagedesk.agents import Agent
from triagedesk.assign import WorkItem, assign_batch
from triagedesk.classify.encoders import load_encoders
from triagedesk.classify.skills import SkillReader
from triagedesk.classify.topics import TopicBank
from triagedesk.priority import Priority

#: Skill -> the keywords a plain scorer knows it by.
KEYWORDS: Mapping[str, tuple[str, ...]] = {
    "Active_Directory": ("active directory", "domain controller", "group policy", "ldap"),
    "Backup_Restore": ("backup", "restore", "snapshot", "retention", "tape"),
    "Cloud_AWS": ("aws", "ec2", "s3 bucket", "lambda", "cloudwatch"),
    "Cloud_Azure": ("azure", "entra", "resource group", "blob storage", "app service"),
    "Database_SQL": ("sql", "query", "database", "index", "deadlock"),
    "Email_Exchange": ("outlook", "mailbox", "exchange", "calendar invite", "distribution list"),
    "Endpoint_Security": ("antivirus", "malware", "quarantine", "endpoint agent", "ransomware"),
    "Firewall_Configuration": ("firewall", "port blocked", "acl", "nat rule", "packet filter"),
    "Hardware_Diagnostics": ("battery", "motherboard", "overheating", "blue screen", "docking"),
    "Identity_Management": ("sso", "mfa", "single sign", "locked out", "password reset"),
    "Kubernetes_Docker": ("kubernetes", "pod", "container", "helm", "docker image"),
    "Linux_Administration": ("linux", "ssh", "cron", "systemd", "disk full on /var"),
    "Mac_OS": ("macbook", "macos", "finder", "keychain", "time machine"),
    "Network_Switching": ("switch", "vlan", "trunk port", "spanning tree", "patch panel"),
    "Printer_Support": ("printer", "toner", "print queue", "paper jam", "scanner"),
    "Python_Scripting": ("python", "script", "pip install", "traceback", "automation job"),
    "SAP_Basis": ("sap", "transport request", "abap dump", "sap gui", "background job"),
    "SharePoint_Online": ("sharepoint", "onedrive", "document library", "sync client"),
    "VPN_Troubleshooting": ("vpn", "tunnel", "remote access", "concentrator", "split tunnelling"),
    "Voice_VoIP": ("voip", "desk phone", "call quality", "sip trunk", "voicemail"),
}
WORRIES = (
    "is not responding since this morning",
    "fails with an error after the last update",
    "works for some colleagues but not for others",
    "became very slow and then stopped altogether",
    "asks for credentials again and again",
)
FILLER = (
    "We have already restarted everything twice and the behaviour has not changed at all.",
    "The team in the branch office reports the same and cannot go on with the month-end closing.",
    "A colleague had something similar last year, but nobody remembers how it was mended.",
    "Please call back before noon, since the whole afternoon is taken up by a customer visit.",
    "There were no changes on our side that we know of; a contractor was here on Monday.",
    "The message disappears too quickly to be read, and there is nothing in the folder with logs.",
)
URGENT = ("all users", "outage", "down", "urgent", "critical")


def desk(tickets: int, agents: int, seed: int = 1) -> tuple[list[tuple[str, str]], list[Agent]]:
    """(subject, body) of tickets, and agents of five skills each."""
    random = np.random.default_rng(seed)
    names = list(KEYWORDS)
    texts = []
    for number in range(tickets):
        words = KEYWORDS[names[random.integers(len(names))]]
        first, second = random.choice(len(words), 2, replace=False)
        lines = random.choice(len(FILLER), 3, replace=False)
        scope = "all users are affected" if random.random() < 0.1 else "one person is affected"
        body = (
            f"The {words[first]} {WORRIES[random.integers(5)]}, and {words[second]} may have to do "
            f"with it. Asset number {number:05}, {scope}. "
            f"{' '.join(FILLER[line] for line in lines)}"
        )
        texts.append((f"{words[first]}: {WORRIES[random.integers(5)]}", body))
    people = [
        Agent(
            id=f"agent-{place:03}",
            name=f"Agent {place:03}",
            skills={
                names[skill]: int(random.integers(4, 11))
                for skill in random.choice(len(names), 5, replace=False)
            },
            load=int(random.integers(0, 5)),
            capacity=30,
            experience=float(random.integers(1, 15)),
        )
        for place in range(agents)
    ]
    return texts, people


def plain(
    texts: Sequence[tuple[str, str]], people: Sequence[Agent], hits_of: Callable[[str, str], int]
) -> list[tuple[str, str]]:
    """Ticket by ticket to the agent who scores best; `hits_of` a skill in a ticket's text."""
    load = {agent.id: agent.load for agent in people}
    urgent = [sum(word in f"{s} {b}".lower() for word in URGENT) for s, b in texts]
    answer: dict[int, tuple[str, str]] = {}
    for number in sorted(range(len(texts)), key=lambda n: -urgent[n]):
        subject, body = texts[number]
        best, highest, known = people[0], -1.0, [("", 0)]
        for agent in people:
            matched = []
            for skill, level in agent.skills.items():
                hits = hits_of(skill, f"{subject} {body}")
                if hits:
                    matched.append((skill, level))
            score = 0.7 * sum(level for _, level in matched)
            score += 0.3 * 10 / (1 + load[agent.id]) + 0.1 * agent.experience
            if score > highest:
                best, highest, known = agent, score, matched
        skills = " and ".join(f"'{skill}' ({level})" for skill, level in known[:2])
        load[best.id] += 1
        why = f"Assigned to {best.name} ({best.id}) for {skills or 'availability'}, low workload."
        answer[number] = best.id, why
    return [answer[number] for number in range(len(texts))]


def read_again(skill: str, text: str) -> int:
    """Keywords of a skill in a text, looked for anew."""
    lowered = text.lower()
    return sum(1 for keyword in KEYWORDS[skill] if keyword in lowered)


def read_once() -> Callable[[str, str], int]:
    """The same, each ticket and skill once."""
    known: dict[tuple[str, str], int] = {}

    def hits(skill: str, text: str) -> int:
        found = known.get((skill, text))
        if found is None:
            found = known[skill, text] = read_again(skill, text)
        return found

    return hits


def ours(
    texts: Sequence[tuple[str, str]], people: Sequence[Agent], reader: SkillReader
) -> list[tuple[str | None, str]]:
    """The meaning of every text, then the whole batch at once."""
    needs = reader.needs(["\n".join(text) for text in texts], list(KEYWORDS))
    items = [
        WorkItem(
            ticket_id=f"T{number:05}",
            title=subject,
            priority=Priority.P3,
            needs=needed,
            created_at=NOW - timedelta(minutes=number),
        )
        for number, ((subject, _), needed) in enumerate(zip(texts, needs, strict=True))
    ]
    batch = assign_batch(items, people, now=NOW)
    return [(one.agent_id, one.rationale) for one in batch.assignments]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tickets", type=int, default=1000)
    parser.add_argument("--agents", type=int, default=50)
    options = parser.parse_args()
    texts, people = desk(options.tickets, options.agents)
    again, _ = timed(lambda: plain(texts, people, read_again), options.runs)
    once, _ = timed(lambda: plain(texts, people, read_once()), options.runs)
    encoders = load_encoders()
    bank = TopicBank(encoders)
    reader = SkillReader(encoders, bank)
    ours(texts[:3], people, reader)  # loads the model and the solver
    start = time.process_time()
    ours(texts[3:], people, reader)
    cold = (time.process_time() - start) * len(texts) / (len(texts) - 3)
    read, _ = timed(lambda: ours(texts, people, SkillReader(encoders, bank)), options.runs)
    known, _ = timed(lambda: ours(texts, people, reader), options.runs)
    print(f"{options.tickets:,} tickets x {options.agents} agents, text to rationale, CPU seconds:")
    for name, seconds in (
        ("plain, text per ticket, agent and skill", again),
        ("plain, text once per ticket and skill", once),
        ("ours, cold text", cold),
        ("ours, embeddings known", read),
        ("ours, texts read before", known),
    ):
        print(f"  {name:42} {seconds:8.3f}   {again / seconds:6.2f} x the first")


if __name__ == "__main__":
    main()
