"""Reading a Service Catalog from YAML or JSON text: all of it, or every problem at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from triagedesk.catalog import (
    CatalogEntry,
    EscalationRule,
    EscalationStep,
    Label,
    ServiceCatalog,
    Sla,
    SlaUnit,
    catalog_version,
    normalise,
    sla_value_of,
)
from triagedesk.cleaning import clean_name, clean_text, excerpt
from triagedesk.errors import CatalogError, Problem
from triagedesk.priority import Level
from triagedesk.words import level_of
from triagedesk.yamlsafe import FormatError, YamlLimits, YamlNode, parse_yaml

#: The longest name of a category, type, skill, group or calendar, in characters.
MAX_NAME = 300
#: The longest description or example, in characters.
MAX_DESCRIPTION = 10_000
_LIMITS = YamlLimits(size=5_000_000, depth=24, values=200_000)
_Part = TypeVar("_Part")
_WRAPPERS = ("service_catalog", "catalog", "categories")
_RULE_KEYS = ("when", "do", "notify", "target")
_RULE_SHAPE = "e.g. {when: at_risk, do: [raise_priority, notify], notify: [lead@example.com]}"
_WHEN_HINT = "at_risk, breached, or a fraction of the SLA such as 0.5"
_MOST_RULES = 20
_FRACTION = re.compile(r"0?\.[0-9]{1,4}", re.ASCII)
_ADDRESS = re.compile(r"[^\s@<>,;\"()\[\]\\]{1,64}@[A-Za-z0-9._-]{1,189}", re.ASCII)


def parse_catalog(text: str, *, origin: str) -> ServiceCatalog:
    """Read a Service Catalog from YAML or JSON; its entries come in name order.

    Accepts `service_catalog.catalog.categories`, `catalog.categories`, `categories` or a list of
    categories. Raises one CatalogError that lists every problem with its line.
    """
    try:
        document = parse_yaml(text, limits=_LIMITS)
    except FormatError as error:
        raise _refusal(origin, [error.problem]) from error
    reader = _Reader(problems=list(document.problems))
    reader.read(document.root)
    if reader.problems:
        raise _refusal(origin, reader.problems)
    # The version does not depend on the order; what is decided from it must not either.
    entries = tuple(entry for _, entry in sorted(reader.entries.items(), key=lambda kv: kv[0]))
    return ServiceCatalog(entries=entries, version=catalog_version(entries), origin=origin)


def _refusal(origin: str, problems: Sequence[Problem]) -> CatalogError:
    found = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    return CatalogError(
        f"The Service Catalog from {origin} cannot be used, {found}:",
        problems=sorted(problems, key=lambda p: int(p.where.removeprefix("line "))),
        hint="mend the lines named, then run `triagedesk catalog check`",
    )


def _categories(root: YamlNode) -> list[YamlNode] | None:
    """The list of categories, in whichever wrapping; None when there is none."""
    node = root
    for key in _WRAPPERS:
        if isinstance(node.value, dict) and key in node.value:
            node = node.value[key]
    return node.value if isinstance(node.value, list) else None


@dataclass(slots=True)
class _Reader:
    """Walks a catalog's nodes and collects its entries and problems."""

    problems: list[Problem] = field(default_factory=list)
    #: By normalised category and type.
    entries: dict[tuple[str, str], CatalogEntry] = field(default_factory=dict)
    #: Normalised names -> the line of the first that had them.
    categories: dict[str, int] = field(default_factory=dict)
    types: dict[tuple[str, str], int] = field(default_factory=dict)
    former: dict[tuple[str, str], int] = field(default_factory=dict)

    def read(self, root: YamlNode) -> None:
        """Read the whole catalog."""
        categories = _categories(root)
        if root.value in (None, [], {}, ""):
            self.problem(root, "the catalog is empty", "it needs a category with a request type")
        elif categories is None:
            hint = "expected service_catalog.catalog.categories, categories, or a list of them"
            self.problem(root, "there is no list of categories", hint)
        else:
            for node in categories:
                self.category(node)
            if not self.entries and not self.problems:
                hint = "it needs a category with a request type"
                self.problem(root, "the catalog is empty", hint)

    def problem(self, node: YamlNode, what: str, hint: str = "") -> None:
        """Note a problem at a node's line."""
        self.problems.append(Problem(where=f"line {node.line}", what=what, hint=hint))

    def category(self, node: YamlNode) -> None:
        """Read one category."""
        if not isinstance(node.value, dict):
            self.problem(node, f"a category must have name and requests, not {_shown(node)}")
            return
        name = self.name(node, "category")
        known = normalise(name)
        if known and known in self.categories:
            at = f"first on line {self.categories[known]}"
            self.problem(node, f"category '{excerpt(name)}' is there twice", at)
        self.categories.setdefault(known, node.line)
        called = f"category '{excerpt(name)}'" if name else "this category"
        requests = node.value.get("requests")
        if requests is None or requests.value is None:
            self.problem(requests or node, f"{called} has no requests", "an empty list is []")
        elif not isinstance(requests.value, list):
            self.problem(requests, f"requests of {called} is no list: {_shown(requests)}")
        else:
            for request in requests.value:
                self.request(name, request)

    def request(self, category: str, node: YamlNode) -> None:
        """Read one request type."""
        if not isinstance(node.value, dict):
            self.problem(node, f"a request type must have name and sla, not {_shown(node)}")
            return
        name = self.name(node, "request type")
        key = (normalise(category), normalise(name))
        if all(key) and key in self.types:
            at = f"first on line {self.types[key]}"
            what = f"request type '{excerpt(name)}' is there twice in '{excerpt(category)}'"
            self.problem(node, what, at)
        self.types.setdefault(key, node.line)
        called = f"request type '{excerpt(name)}'" if name else "this request type"
        # A missing SLA is a problem already noted: the entry is never handed out.
        sla = self.sla(node, "sla", called) or Sla(value=0, unit=SlaUnit.HOURS)
        entry = CatalogEntry(
            label=Label(category, name),
            sla=sla,
            response=self.sla(node, "response", called) if "response" in node.value else None,
            description=self.text(node, "description"),
            examples=self.texts(node, "examples", _description),
            skills=self.texts(node, "skills", clean_name),
            assignment_group=self.text(node, "assignment_group", "group", clean=clean_name),
            default_impact=self.impact(node),
            calendar=self.text(node, "calendar", clean=clean_name),
            escalation=self.escalation(node),
            formerly=self.former_names(node, category),
        )
        self.entries.setdefault(key, entry)

    def name(self, node: YamlNode, kind: str) -> str:
        """The name of a category or request type, "" when it has none (noted)."""
        given = node.value.get("name")
        if given is None or given.value is None:
            self.problem(given or node, f"a {kind} has no name")
            return ""
        if not isinstance(given.value, str):
            hint = "put it in quotes"
            self.problem(given, f"the name of a {kind} is not text: {_shown(given)}", hint)
            return ""
        name = clean_name(given.value)
        if not name:
            self.problem(given, f"a {kind} has an empty name")
        elif len(name) > MAX_NAME:
            self.problem(given, f"the name of a {kind} is longer than {MAX_NAME} characters")
        return name

    def sla(self, node: YamlNode, key: str, called: str) -> Sla | None:
        """A target `{unit, value}`; None when it is not there or wrong (noted)."""
        shape = "{unit: hours or days, value: whole number}"
        given = node.value.get(key)
        if given is None or given.value is None:
            self.problem(given or node, f"{called} has no {key}", shape)
            return None
        if not isinstance(given.value, dict):
            self.problem(given, f"{key} of {called} is {_shown(given)}", shape)
            return None
        value = self.part(given, "value", f"{key} of {called}", sla_value_of)
        unit = self.part(given, "unit", f"{key} of {called}", SlaUnit.of)
        return None if value is None or unit is None else Sla(value=value, unit=unit)

    def part(
        self, node: YamlNode, key: str, called: str, read: Callable[[object], _Part]
    ) -> _Part | None:
        """One value of an SLA; None when it is not there or wrong (noted)."""
        given = node.value.get(key)
        if given is None or given.value is None:
            self.problem(given or node, f"{called} has no {key}")
            return None
        try:
            return read(given.plain())
        except ValueError as error:
            self.problem(given, f"{key} of the {called}: {error}")
            return None

    def impact(self, node: YamlNode) -> Level | None:
        """The default impact; None when it is not there or unknown (noted)."""
        given = node.value.get("default_impact") or node.value.get("impact")
        if given is None or given.value in (None, ""):
            return None
        try:
            return level_of(given.plain())
        except ValueError as error:
            self.problem(given, f"impact {_shown(given)} is {error}")
            return None

    def escalation(self, node: YamlNode) -> tuple[EscalationRule, ...]:
        """The escalation rules; what is wrong is left out (noted)."""
        given = node.value.get("escalation")
        if given is None or given.value is None:
            return ()
        if not isinstance(given.value, list):
            self.problem(given, f"escalation is no list of rules: {_shown(given)}", _RULE_SHAPE)
            return ()
        rules = tuple(filter(None, map(self.rule, given.value)))
        if len(rules) > _MOST_RULES:
            self.problem(given, f"{len(rules)} escalation rules are more than {_MOST_RULES}")
        return rules

    def rule(self, node: YamlNode) -> EscalationRule | None:
        """One escalation rule; None when it makes no sense (noted)."""
        if not isinstance(node.value, dict):
            self.problem(node, f"an escalation rule is {_shown(node)}", _RULE_SHAPE)
            return None
        for key in node.value:
            if key not in _RULE_KEYS:
                hint = f"known: {', '.join(_RULE_KEYS)}"
                self.problem(node.value[key], f"an escalation rule has no '{excerpt(key)}'", hint)
        when = self.when(node)
        steps = self.chosen(node, "do", tuple(EscalationStep))
        addresses = self.texts(node, "notify", clean_name)
        for address in addresses:
            if not _ADDRESS.fullmatch(address):
                self.problem(node.value["notify"], f"'{excerpt(address)}' is no mail address")
        notifies = EscalationStep.NOTIFY in steps
        if "do" not in node.value and addresses:
            steps, notifies = (EscalationStep.NOTIFY,), True
        if notifies != bool(addresses):
            what = "names nobody to notify" if notifies else "has addresses, but does not notify"
            self.problem(node, f"an escalation rule {what}", _RULE_SHAPE)
        if not steps and "do" not in node.value:
            self.problem(node, "an escalation rule does nothing", _RULE_SHAPE)
        target = self.chosen(node, "target", ("resolution", "response", "group"))
        return EscalationRule(
            when=when,
            steps=tuple(EscalationStep(step) for step in steps),
            notify=addresses,
            target=target[0] if target else "resolution",
        )

    def when(self, node: YamlNode) -> str:
        """When a rule holds: `at_risk`, `breached` or a fraction; "" when wrong (noted)."""
        given = node.value.get("when")
        value = given.plain() if given is not None else None
        if value in ("at_risk", "breached"):
            return str(value)
        if given is None or value is None:
            self.problem(given or node, "an escalation rule has no when", _WHEN_HINT)
        elif _FRACTION.fullmatch(str(value)) and float(str(value)) > 0:
            return f"{float(str(value)):g}"
        else:
            self.problem(given, f"when is {_shown(given)}", _WHEN_HINT)
        return ""

    def chosen(self, node: YamlNode, key: str, known: Sequence[str]) -> tuple[str, ...]:
        """A list of known words, or one alone; others are left out (noted)."""
        words = self.texts(node, key, clean_name)
        for word in words:
            if word not in known:
                hint = f"known: {', '.join(known)}"
                self.problem(node.value[key], f"{key} is '{excerpt(word)}'", hint)
        return tuple(word for word in words if word in known)

    def text(self, node: YamlNode, *keys: str, clean: Callable[[str], str] | None = None) -> str:
        """The first of `keys` that is there, as text; "" when none is or it is wrong (noted)."""
        for key in keys:
            given = node.value.get(key)
            if given is not None and given.value is not None:
                return self.cleaned(given, key, clean or _description)
        return ""

    def former_names(self, node: YamlNode, category: str) -> tuple[Label, ...]:
        """Names a request type had before: `Type`, or `Category / Type` where it has moved."""
        labels = []
        for name in self.texts(node, "formerly", clean_name):
            moved, slash, kind = name.partition(" / ")
            label = Label(moved, kind) if slash else Label(category, name)
            key = (normalise(label.request_category), normalise(label.request_type))
            if key in self.former and self.former[key] != node.line:
                at = f"first on line {self.former[key]}"
                self.problem(node, f"two request types were formerly '{excerpt(name)}'", at)
            self.former.setdefault(key, node.line)
            labels.append(label)
        return tuple(labels)

    def texts(self, node: YamlNode, key: str, clean: Callable[[str], str]) -> tuple[str, ...]:
        """A list of texts, or one text alone; without blank ones and repetitions."""
        given = node.value.get(key)
        if given is None or given.value is None:
            return ()
        items = given.value if isinstance(given.value, list) else [given]
        texts = {text: None for item in items if (text := self.cleaned(item, key, clean))}
        return tuple(texts)

    def cleaned(self, node: YamlNode, key: str, clean: Callable[[str], str]) -> str:
        """One text made safe; "" when it is no text (noted)."""
        if isinstance(node.value, bool) or not isinstance(node.value, str | int | float):
            self.problem(node, f"{key} is not text: {_shown(node)}")
            return ""
        text = clean(str(node.value))
        if clean is clean_name and len(text) > MAX_NAME:
            self.problem(node, f"{key} is longer than {MAX_NAME} characters")
        return text


def _description(text: str) -> str:
    return clean_text(text, limit=MAX_DESCRIPTION).strip()


def _shown(node: YamlNode) -> str:
    return excerpt(node.plain(), limit=60)
