"""Text from outside made safe to store and show: control characters, lone surrogates, length."""

from __future__ import annotations

import codecs
import json
import re
import unicodedata
from collections.abc import Iterable

#: The longest text a ticket's field may have, in characters.
MAX_TEXT = 1_000_000
#: How much of somebody else's words a message quotes, in characters.
MAX_EXCERPT = 200

# Control characters but tab and newline, and the two non-characters that XML (xlsx) refuses.
_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
# What hides in a name without being seen: zero-width characters, bidirectional overrides.
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def clean_text(text: str, *, limit: int = MAX_TEXT) -> str:
    """`text` without control characters (newline and tab stay), cut to `limit` visibly."""
    if "\r" in text or "\x85" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x85", "\n")
    text = _SURROGATE.sub("\ufffd", _UNWANTED.sub("", text))
    if len(text) > limit:
        text = f"{text[:limit]}\n[cut: {len(text) - limit:,} characters]"
    return text


def clean_name(text: str) -> str:
    """A name on one line: nothing invisible, white space collapsed, accents composed (NFC)."""
    visible = _INVISIBLE.sub("", _SURROGATE.sub("\ufffd", text))
    return unicodedata.normalize("NFC", " ".join(_UNWANTED.sub(" ", visible).split()))


def excerpt(value: object, *, limit: int = MAX_EXCERPT) -> str:
    """A readable one-line piece of any JSON value, for messages."""
    if not isinstance(value, str):
        try:
            value = json.dumps(value, ensure_ascii=False, default=str)
        except (RecursionError, ValueError):
            return "(nested too deeply to show)"
    # Cut before cleaning, so that a huge text costs little; cut again to the exact length.
    line = clean_name(value[: limit * 4])
    return line if len(line) <= limit else line[: limit - 1] + "…"


def decode_text(content: bytes, *, charset: str = "") -> str:
    """Bytes as text: by BOM, as UTF-8, as `charset` where stated, else as Windows-1252."""
    for bom, encoding in _BOMS:
        if content.startswith(bom):
            return content.decode(encoding, errors="replace")
    for encoding in ("utf-8", charset):
        try:
            return content.decode(encoding)
        except (ValueError, LookupError):  # not in this encoding; no such encoding
            continue
    return content.decode("cp1252", errors="replace")


def encoding_of(pieces: Iterable[bytes]) -> str:
    """The encoding `decode_text` takes for the same bytes, seen piece by piece."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    first = True
    try:
        for piece in pieces:
            for bom, encoding in _BOMS if first else ():
                if piece.startswith(bom):
                    return encoding
            decoder.decode(piece)
            first = False
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"
