"""Tokens, languages, topics: what needs no weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from triagedesk.classify.encoders import Encoders
from triagedesk.classify.encoders.language import englishness
from triagedesk.classify.encoders.ngrams import HashedNgrams
from triagedesk.classify.encoders.wordpiece import END, START, UNKNOWN, WordPiece, words
from triagedesk.classify.evidence import phrases
from triagedesk.classify.shorthand import written_out
from triagedesk.classify.topics import FILE, read_topics


def test_words_are_split_as_bert_does() -> None:
    assert words("Can't log-in, ÜBER 5%") == [
        "can",
        "'",
        "t",
        "log",
        "-",
        "in",
        ",",
        "uber",
        "5",
        "%",
    ]
    assert words("断网 now") == ["断", "网", "now"]


def test_the_longest_known_piece_wins_and_the_rest_is_unknown() -> None:
    vocabulary = [f"[{i}]" for i in range(103)] + ["print", "##er", "##s"]
    pieces = WordPiece(vocabulary)
    assert pieces.encode("printers", 10) == [START, 103, 104, 105, END]
    assert pieces.encode("prints xyz", 10) == [START, 103, 105, UNKNOWN, END]
    assert len(pieces.encode("printers " * 50, 8)) == 8
    assert pieces.encode("x" * 5000, 8) == [START, UNKNOWN, END]


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("my printer does not work", 1.0),
        ("vpn down", 1.0),
        ("Drucker druckt nicht mehr", 0.0),
        ("l'imprimante ne marche pas", 0.0),
        ("no puedo entrar en el correo", 0.0),
        ("não consigo acessar a rede", 0.0),
        ("не работает принтер", 0.0),
        ("", 1.0),
    ],
)
def test_english_is_told_from_other_languages(text: str, share: float) -> None:
    assert englishness(text) == share


def test_the_topic_bank_is_large_and_says_nothing_twice() -> None:
    topics = read_topics()
    assert len(topics) >= 140
    assert min(len(topic.phrases) for topic in topics) >= 8
    assert len({topic.name for topic in topics}) == len(topics)
    said = [phrase.casefold() for topic in topics for phrase in topic.phrases]
    assert sorted({phrase for phrase in said if said.count(phrase) > 1}) == []


def test_a_topic_without_wider_names_is_refused(tmp_path: Path) -> None:
    bank = tmp_path / "bank.yaml"
    topic = "{name: a, field: f, called: [b], wider: [], resolvers: [c], en: [d]}"
    bank.write_text(f"fields: {{f: [F]}}\ntopics: [{topic}]\n", encoding="utf-8")
    with pytest.raises(ValueError, match="topic 'a' lacks names"):
        read_topics(bank)


def test_every_topic_says_something_in_another_language() -> None:
    listed = yaml.safe_load(FILE.read_text(encoding="utf-8"))["topics"]
    alone = [topic["name"] for topic in listed if not {"de", "fr", "es", "nl"} & topic.keys()]
    # Words of some trades are English everywhere.
    assert len(alone) <= 8


def test_shorthand_is_written_out_as_whole_words_only() -> None:
    assert written_out("PWD rst pls, kb dead") == "password reset please, keyboard dead"
    assert written_out("airmsgbus") == "airmsgbus"
    assert written_out("5 ppl lckd out 2day") == "5 people locked out today"


def test_a_text_met_twice_is_encoded_once() -> None:
    class Counting(HashedNgrams):
        seen = 0

        def encode(self, texts):  # type: ignore[no-untyped-def]  # (a test double)
            self.seen += len(texts)
            return super().encode(texts)

    model = Counting()
    encoders = Encoders([model])
    first = encoders.embed(["a printer", "a printer", "the vpn"])
    again = encoders.embed(["the vpn", "a printer"])
    assert model.seen == 2
    assert np.array_equal(first.parts["ngrams"][0], again.parts["ngrams"][1])


def test_no_texts_embed_to_nothing() -> None:
    encoders = Encoders([HashedNgrams()])
    empty, one = encoders.embed([]), encoders.embed(["x"])
    assert len(empty) == 0
    assert encoders.similarity(empty, one).shape == (0, 1)


def test_evidence_is_quoted_as_it_stands() -> None:
    text = "Hi,\nthe VPN Tunnel drops. Lunch was good"
    found = phrases(text, {"vpn": 0.5, "tunnel": 0.3, "drops": 0.1, "lunch": -0.2, "good": -0.1})
    assert found
    assert all(phrase in text for phrase in found)
    assert "VPN Tunnel" in found[0]
    assert not any("Lunch" in phrase for phrase in found)


def test_no_gain_gives_no_evidence() -> None:
    assert phrases("nothing of note", {}) == ()
