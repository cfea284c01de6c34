"""Residual classes: "Other ...", "General ...": chosen when nothing specific fits.

Their own names say nothing about the tickets they hold, so they are never matched by likeness.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from triagedesk.catalog import CatalogEntry

_WORD = re.compile(r"[^\W\d_]+")

_REST_TEXT = """
other others something anything everything nothing misc miscellaneous uncategorized
uncategorised undefined unclassified unknown else
unspecified various sonstige sonstiges sonstiger sonstigen andere anderes anderer übrige
verschiedenes weitere autre autres divers otro otra otros otras varios varias outro outra outros
outras diversos diversas altro altra altri altre varie vari overig overige anders diversen
"""
_REST = frozenset(_REST_TEXT.split())
_GENERAL_TEXT = """
general generic allgemein allgemeine allgemeines allgemeiner général générale généraux generales
geral gerais generale generali algemeen algemene catchall
"""
_GENERAL = frozenset(_GENERAL_TEXT.split())
#: Words that fit any ticket and so narrow nothing.
_GENERIC_TEXT = """
inquiry enquiry inquiries question questions request requests issue issues problem problems
support help it service services concern concerns topic topics matter ticket tickets incident
incidents category type anfrage anfragen frage fragen probleme störung störungen thema themen
anliegen demande demandes problème problèmes sujet solicitud solicitudes consulta consultas
problema problemas incidencia incidencias solicitação solicitações dúvida dúvidas richiesta
richieste domanda domande aanvraag aanvragen vraag vragen probleem problemen and or the und et y
e en of de for all any
"""
_GENERIC = frozenset(_GENERIC_TEXT.split())


@dataclass(frozen=True, kw_only=True)
class Residual:
    """What a residual class is the rest of."""

    #: Words that narrow it, e.g. `Hardware`; "" for the rest of everything.
    scope: str


def residual(entry: CatalogEntry) -> Residual | None:
    """How an entry is residual; None when it is a request type like any other."""
    name = _words(entry.label.request_type)
    rest = [word for word in name if word in _REST]
    general = [word for word in name if word in _GENERAL]
    narrowing = [word for word in name if word not in _REST | _GENERAL | _GENERIC]
    category = [
        word
        for word in _words(entry.label.request_category)
        if word not in _REST | _GENERAL | _GENERIC
    ]
    # "Other Software Issue" is the rest of software; "General Ledger" is a thing of its own.
    is_rest = bool(rest) and (not narrowing or bool({name[0], name[-1]} & _REST))
    is_general = bool(general) and set(narrowing) <= set(category)
    if not (is_rest or is_general):
        return None
    return Residual(scope=" ".join(dict.fromkeys([*category, *narrowing])))


def _words(name: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(name)]
