"""YAML (and JSON, its subset) from outside: bounded, with the line of every value.

The text is read event by event, so that a bomb is refused before anything is built: size, depth
and the number of values after aliases are limited. Scalars are read as YAML 1.2 does (`No` and
`on` are text, `0123` stays as written where it matters), since names and ids must not change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from triagedesk.errors import Problem

if TYPE_CHECKING:
    import yaml

_CORE = "tag:yaml.org,2002:"
_INT = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,17})", re.ASCII)
_FLOAT = re.compile(r"[+-]?[0-9]{1,18}\.[0-9]{1,18}(?:[eE][+-]?[0-9]{1,2})?", re.ASCII)
_CONSTANTS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# Raw control characters and lone surrogates make a YAML reader refuse the whole text.
_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
# JSON writes 😀 as an escaped surrogate pair, which YAML does not know.
_SURROGATE_PAIR = re.compile(
    r"(?<!\\)((?:\\\\){0,8})\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE
)


class FormatError(ValueError):
    """A text is not in the format it should be in, or is more than the limits allow."""

    def __init__(self, what: str, *, line: int, hint: str = "") -> None:
        super().__init__(f"line {line}: {what}")
        self.problem = Problem(where=f"line {line}", what=what, hint=hint)


@dataclass(frozen=True, kw_only=True)
class YamlLimits:
    """What a text may hold before it is refused."""

    #: Characters.
    size: int = 10_000_000
    #: Lists and mappings within one another.
    depth: int = 32
    #: Values, each alias counting all that it repeats.
    values: int = 500_000


@dataclass(frozen=True, slots=True)
class YamlNode:
    """A value and the line it begins on, from 1."""

    #: A scalar, a list of nodes, or nodes by the text of their key.
    value: Any
    line: int

    def plain(self) -> Any:
        """The value without its lines, as `json.loads` would give it."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


@dataclass(frozen=True, kw_only=True)
class YamlDocument:
    """A text read as one value."""

    root: YamlNode
    #: Keys given twice in one mapping; the first is kept.
    problems: tuple[Problem, ...] = ()


def parse_yaml(text: str, *, limits: YamlLimits | None = None) -> YamlDocument:
    """Read one YAML or JSON document; an empty text is None. Raises FormatError."""
    limits = limits or YamlLimits()
    if len(text) > limits.size:
        raise FormatError(f"more than {limits.size:,} characters", line=1)
    builder = _Builder(limits=limits)
    for event in _events(_SURROGATE_PAIR.sub(_join_pair, _UNREADABLE.sub("", text))):
        builder.take(event)
    return YamlDocument(root=builder.root or YamlNode(None, 1), problems=tuple(builder.problems))


def _join_pair(match: re.Match[str]) -> str:
    pair = chr(int(match[2], 16)) + chr(int(match[3], 16))
    return match[1] + pair.encode("utf-16", "surrogatepass").decode("utf-16")


def _events(text: str) -> Iterator[yaml.Event]:
    """The text's YAML events; what the parser refuses is raised as FormatError."""
    import yaml  # noqa: PLC0415 - 20 ms that `--help` need not pay

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        yield from yaml.parse(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise FormatError(f"not YAML: {what}", line=mark.line + 1 if mark else 1) from error
    except yaml.YAMLError as error:
        what = str(error).splitlines()[0] if str(error) else "unreadable"
        raise FormatError(f"not YAML: {what}", line=1) from error


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet."""

    node: YamlNode
    anchor: str | None
    #: Values in it so far, itself included, and the depth below it.
    values: int = 1
    height: int = 1
    #: The key whose value comes next; None when a key is due.
    key: YamlNode | None = None
    #: Keys written out here; those a `<<` brought may be overridden.
    written: set[str] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class _Builder:
    """Turns events into nodes without recursion."""

    limits: YamlLimits
    root: YamlNode | None = None
    problems: list[Problem] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)
    #: Anchor -> node, its values after aliases, its height.
    anchors: dict[str, tuple[YamlNode, int, int]] = field(default_factory=dict)
    total: int = 0

    def take(self, event: Any) -> None:
        """Take the next event."""
        kind = type(event).__name__
        line = event.start_mark.line + 1 if event.start_mark else 1
        if kind == "ScalarEvent":
            node = YamlNode(_scalar(event, line), line)
            self._add(node, values=1, height=0, anchor=event.anchor, text=event.value)
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            self._begin(event, {} if kind == "MappingStartEvent" else [], line)
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            done = self.stack.pop()
            self._add(done.node, values=done.values, height=done.height, anchor=done.anchor)
        elif kind == "AliasEvent":
            self._alias(event.anchor, line)
        elif kind == "DocumentStartEvent" and self.root is not None:
            raise FormatError("a second document begins", line=line, hint="one document per file")

    def _begin(self, event: Any, value: Any, line: int) -> None:
        _refuse_tag(event.tag, ("map",) if isinstance(value, dict) else ("seq",), line)
        if len(self.stack) >= self.limits.depth:
            raise FormatError(f"more than {self.limits.depth} levels deep", line=line)
        # An anchor counts from its end on; an alias within its own anchor is unknown, not endless.
        self.anchors.pop(event.anchor or "", None)
        self.stack.append(_Open(node=YamlNode(value, line), anchor=event.anchor))
        self._count(1, line)

    def _alias(self, anchor: str, line: int) -> None:
        if anchor not in self.anchors:
            raise FormatError(f"*{anchor} stands for nothing before it", line=line)
        node, values, height = self.anchors[anchor]
        if len(self.stack) + height > self.limits.depth:
            raise FormatError(f"more than {self.limits.depth} levels deep", line=line)
        self._count(values, line)
        text = "" if isinstance(node.value, dict | list) else str(node.value)
        self._add(node, values=values, height=height, anchor=None, text=text, counted=True)

    def _count(self, values: int, line: int) -> None:
        self.total += values
        if self.total > self.limits.values:
            raise FormatError(
                f"more than {self.limits.values:,} values, repeated ones included", line=line
            )

    def _add(
        self,
        node: YamlNode,
        *,
        values: int,
        height: int,
        anchor: str | None,
        text: str = "",
        counted: bool = False,
    ) -> None:
        """Put a finished node where it belongs: a key, a value, an item or the root."""
        if anchor:
            self.anchors[anchor] = (node, values, height)
        if not isinstance(node.value, dict | list) and not counted:
            self._count(1, node.line)
        if not self.stack:
            self.root = node
            return
        parent = self.stack[-1]
        parent.values += values
        parent.height = max(parent.height, height + 1)
        if isinstance(parent.node.value, list):
            parent.node.value.append(node)
        elif parent.key is None:
            if isinstance(node.value, dict | list):
                raise FormatError("a list or mapping used as a key", line=node.line)
            parent.key = YamlNode(text, node.line)
        else:
            self._set(parent, parent.key, node)
            parent.key = None

    def _set(self, parent: _Open, key: YamlNode, node: YamlNode) -> None:
        mapping = parent.node.value
        if key.value == "<<":
            for base in node.value if isinstance(node.value, list) else [node]:
                if not isinstance(base.value, dict):
                    raise FormatError("<< takes a mapping or a list of them", line=key.line)
                for name, value in base.value.items():
                    mapping.setdefault(name, value)
        elif key.value in parent.written:
            what = f"{key.value[:80]!r} is given twice in the same place"
            self.problems.append(Problem(where=f"line {key.line}", what=what))
        else:
            parent.written.add(key.value)
            mapping[key.value] = node


def _refuse_tag(tag: str | None, known: tuple[str, ...], line: int) -> None:
    if tag is not None and tag not in ("!", *(_CORE + name for name in known)):
        raise FormatError(f"unknown tag {tag[:80]}", line=line, hint="remove it")


def _scalar(event: Any, line: int) -> str | int | float | bool | None:
    """A scalar's value by the core schema of YAML 1.2."""
    text: str = event.value
    _refuse_tag(event.tag, ("str", "int", "float", "bool", "null"), line)
    if event.tag in ("!", _CORE + "str") or (event.tag is None and not event.implicit[0]):
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
