"""Is this English? MiniLM reads nothing else; a guess from function words and letters will do."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W\d_]+")
#: Words looked at.
_LONGEST = 1_000
_LAST_LATIN = "\u024f"

_ENGLISH_TEXT = """
the a an and is are was of to in on for my i we it not can cannot can't please with from your
our this that when after since has have been be do does don't need needs at by new no he she
they their user users but if me you who how what why where any all will would should
"""
_ENGLISH = frozenset(_ENGLISH_TEXT.split())
#: Function words and everyday service words of other languages, without those English also has.
_OTHER_TEXT = """
der das und ist nicht ich wir mein meine meinen meinem im zu den dem mit für auf bitte ein eine
einen einem kein keine keinen kann geht seit von nach wird wurde haben habe hat sich beim zum
zur bei oder aber wie wenn mehr neue neuer neuen neues funktioniert lässt kennwort passwort
drucker rechner benutzer konto zugriff le les une et est je nous mon ma des du ne pas pour sur
dans avec merci depuis mot bonjour ordinateur imprimante accès réseau au aux qui que el los las
y mi mis por para con del se desde hola puedo necesito contraseña equipo impresora correo acceso
nuevo nueva está os um uma meu minha não com da dos em preciso senha impressora acesso rede novo
nova computador consigo foi il lo gli uno non mio mia di della dal alla sono ho posso stampante
rete accesso nuovo nuova buongiorno grazie het een niet ik mijn voor met van op graag kan
wachtwoord toegang nieuwe werkt geen sinds de en
"""
_OTHER = frozenset(_OTHER_TEXT.split())


def englishness(text: str) -> float:
    """1 for English, 0 for another language; terse text without a clue counts as English."""
    words = [word.lower() for word in _WORD.findall(text[:_LONGEST])]
    if not words:
        return 1.0
    letters = "".join(words)
    plain = letters.isascii()
    foreign = 0 if plain else sum(letter > _LAST_LATIN for letter in letters)
    if foreign * 2 > len(letters):
        return 0.0
    english = sum(map(_ENGLISH.__contains__, words))
    other = sum(map(_OTHER.__contains__, words))
    if other > english or (not plain and english == 0):
        return 0.0
    if other == english and other > 0:
        return 0.5
    return 1.0
