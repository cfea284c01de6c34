"""What a model reads of a ticket: without quoted replies, signatures and boilerplate.

Only for the model: the ticket itself, and what people see of it, stays as it came.
"""

from __future__ import annotations

import re
import unicodedata

#: Characters looked at; a longer text is cut at its head.
LONGEST_INPUT = 20_000
#: Characters kept for the model.
LONGEST = 2_000
#: Fewer words than this outside the quoted part: the quoted part is the message (a forward).
FEW_WORDS = 4

_QUOTE_STARTS = re.compile(
    r"^(?:>|-{2,} ?(?:original message|forwarded message|ursprüngliche nachricht|"
    r"weitergeleitete nachricht|message d'origine|mensaje original|mensagem original|"
    r"messaggio originale|oorspronkelijk bericht)|_{10,}$|"
    r"(?:on|am|le|el|em|il|op) [^\n]{5,120}(?:wrote|schrieb[^\n]{0,60}|a écrit|escribió|escreveu|"
    r"ha scritto|schreef[^\n]{0,60}) ?:$|(?:from|von|de|da|van) ?: [^\n]{0,120}@)",
    re.IGNORECASE,
)
_SIGN_OFFS = re.compile(
    r"^(?:-- ?|(?:kind|best|warm|many)?[ ]?regards|best wishes|many thanks|"
    r"thanks(?: and regards| in advance)?|thank you(?: very much| in advance)?|"
    r"cheers|sincerely|yours (?:sincerely|faithfully)|"
    r"mit (?:freundlichen|besten) grü(?:ß|ss)en|viele grü(?:ß|ss)e|beste grü(?:ß|ss)e|vg|mfg|"
    r"cordialement|bien à vous|salutations|saludos(?: cordiales)?|un saludo|atentamente|"
    r"atenciosamente|att|obrigad[oa]|cordiali saluti|distinti saluti|grazie|"
    r"met vriendelijke groet(?:en)?|sent from my [^\n]{1,40}|get outlook for [^\n]{1,20}|"
    r"von meinem [^\n]{1,30} gesendet|envoyé de mon [^\n]{1,30})[ ,.!]*$",
    re.IGNORECASE,
)
_DISCLAIMER = re.compile(
    r"(?:this (?:e-?mail|message)[^\n]{0,80}(?:confidential|intended)|confidentiality notice|"
    r"diese e-?mail enthält vertrauliche|ce (?:message|courriel)[^\n]{0,60}confidentiel|"
    r"\[?(?:caution|external)\]?: ?(?:this|external)[^\n]{0,80}(?:e-?mail|organi[sz]ation|sender))",
    re.IGNORECASE,
)
_GREETING = re.compile(
    r"^(?:hi|hello|hey|dear|good (?:morning|afternoon|day)|hallo|guten (?:tag|morgen)|moin|"
    r"sehr geehrte[^\n,]{0,40}|bonjour|salut|hola|buenos días|olá|bom dia|ciao|buongiorno|"
    r"goedemorgen|beste)(?: (?:team|all|support|it|help ?desk|service ?desk|there|"
    r"everyone|zusammen|sir|madam))*(?: ?[,!.:-]|$)\s*",
    re.IGNORECASE,
)
_URL = re.compile(r"(?:https?://|www\.)[^\s<>]{1,2000}")
_LONG_TOKEN = re.compile(r"\S{60,}")
_SPACES = re.compile(r"\s+")
#: Bodies that say nothing.
_EMPTY_BODIES = frozenset(
    {
        "dummy",
        "n/a",
        "na",
        "none",
        "-",
        "--",
        ".",
        "..",
        "...",
        "test",
        "see subject",
        "see above",
        "as above",
        "siehe betreff",
        "tbd",
        "null",
        "nil",
        "x",
        "?",
    }
)


def readable(short: str, long: str = "") -> str:
    """Subject and body as a model should read them; "" when there are no words."""
    subject = _flat(short[:LONGEST_INPUT])
    body = _body(_clean(long[:LONGEST_INPUT]))
    if body.casefold() in _EMPTY_BODIES or body.casefold() == subject.casefold():
        body = ""
    if body.casefold().startswith(subject.casefold()):
        subject = ""
    joined = f"{subject}. {body}" if subject and body else subject or body
    joined = joined[:LONGEST]
    return joined if any(character.isalnum() for character in joined) else ""


def _clean(text: str) -> str:
    """Without control and invisible characters, links and endless tokens; lines are kept."""
    text = unicodedata.normalize("NFKC", text.replace("\r\n", "\n"))
    # Hardly a text has any; looking at each character costs four times all else.
    if not text.replace("\n", "").replace("\t", "").isprintable():
        text = "".join(
            character
            for character in text
            if character in "\n\t" or unicodedata.category(character)[0] != "C"
        )
    return _LONG_TOKEN.sub(" ", _URL.sub(" ", text))


def _flat(text: str) -> str:
    return _SPACES.sub(" ", _clean(text)).strip()


def _body(text: str) -> str:
    own: list[str] = []
    quoted: list[str] = []
    lines = [line.strip() for line in text.split("\n")]
    for number, line in enumerate(lines):
        if _QUOTE_STARTS.match(line):
            quoted = [later.lstrip("> ") for later in lines[number:]]
            break
        if _DISCLAIMER.search(line):
            continue
        if own and _SIGN_OFFS.match(line):
            quoted = _after_signature(lines[number + 1 :])
            break
        own.append(_GREETING.sub("", line) if not any(own) else line)
    kept = _SPACES.sub(" ", " ".join(own)).strip()
    if len(kept.split()) >= FEW_WORDS:
        return kept
    rest = [line for line in quoted if not _DISCLAIMER.search(line) and "@" not in line]
    return _SPACES.sub(" ", f"{kept} {' '.join(rest)}").strip()


def _after_signature(lines: list[str]) -> list[str]:
    """What is quoted below a signature, without the signature."""
    for number, line in enumerate(lines):
        if _QUOTE_STARTS.match(line):
            return [later.lstrip("> ") for later in lines[number:]]
    return []
