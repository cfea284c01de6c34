"""Tokens, languages, topics: what needs no weights."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from triagedesk.classify import encoders as encoding
from triagedesk.classify.encoders import Encoders
from triagedesk.classify.encoders.e5 import E5
from triagedesk.classify.encoders.language import englishness
from triagedesk.classify.encoders.ngrams import HashedNgrams
from triagedesk.classify.encoders.use import split_words_once
from triagedesk.classify.encoders.wordpiece import END, START, UNKNOWN, WordPiece, words
from triagedesk.classify.evidence import phrases
from triagedesk.classify.shorthand import written_out
from triagedesk.classify.topic_file import (
    FILE,
    PHRASES,
    bank_files,
    bank_state,
    read_topics,
    read_wordings,
)
from triagedesk.classify.topic_words import TopicWords, counted_words, features
from triagedesk.classify.topics import CACHE_NAME, TopicBank
from triagedesk.classify.weights import prepare_topics


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
    assert len(topics) >= 150
    assert min(len(topic.phrases) for topic in topics) >= 6
    assert len({topic.name for topic in topics}) == len(topics)
    said = [
        phrase.casefold().strip(" .?!")
        for topic in topics
        for phrase in (*topic.phrases, *topic.phrases_elsewhere)
    ]
    assert [phrase for phrase, times in Counter(said).items() if times > 1] == []


def test_the_bank_stays_small_enough_to_be_packed_at_install() -> None:
    assert sum(file.stat().st_size for file in bank_files()) < 6_000_000


@pytest.mark.parametrize("language", ["de", "fr", "es", "pt", "it", "nl"])
def test_common_topics_are_said_in_six_ways_in_each_language(language: str) -> None:
    listed = read_wordings(FILE.parent / PHRASES / f"{language}.txt")
    assert sum(len(wording.phrases) >= 6 for wording in listed.values()) >= 95
    assert sum(bool(wording.called) for wording in listed.values()) >= 80


def _bank(folder: Path, wider: str = "[w]", english: str = "# a\nbroken\n") -> Path:
    topic = f"{{name: a, field: f, called: [b], wider: {wider}, resolvers: [c]}}"
    (folder / "bank.yaml").write_text(f"fields: {{f: [F]}}\ntopics: [{topic}]\n", encoding="utf-8")
    (folder / PHRASES).mkdir()
    (folder / PHRASES / "en.txt").write_text(english, encoding="utf-8")
    return folder / "bank.yaml"


def test_a_topic_without_wider_names_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="topic 'a' lacks names"):
        read_topics(_bank(tmp_path, wider="[]"))


def test_phrasings_of_an_unknown_topic_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'b' is no topic"):
        read_topics(_bank(tmp_path, english="# a\nbroken\n# b\ndead\n"))


def test_phrasings_before_any_topic_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'broken' comes before"):
        read_topics(_bank(tmp_path, english="broken\n"))


def test_names_in_other_languages_are_kept_apart_from_phrasings(tmp_path: Path) -> None:
    path = _bank(tmp_path)
    (tmp_path / PHRASES / "de.txt").write_text("# a\n= Defekt\nkaputt\n", encoding="utf-8")
    (topic,) = read_topics(path)
    assert (topic.called, topic.called_elsewhere) == (("b",), ("Defekt",))
    assert (topic.phrases, topic.phrases_elsewhere) == (("broken",), ("kaputt",))


def test_the_state_of_a_bank_follows_every_file_of_it(tmp_path: Path) -> None:
    path = _bank(tmp_path)
    before = bank_state(path)
    (tmp_path / PHRASES / "de.txt").write_text("# a\nkaputt\n", encoding="utf-8")
    assert bank_state(path) != before


def test_a_bank_read_back_from_its_cache_finds_the_same_topics(tmp_path: Path) -> None:
    class Sentences(HashedNgrams):
        name = "use"

    class English(HashedNgrams):
        name = "minilm"

    encoders = Encoders([English(), Sentences()])
    path = _bank(tmp_path)
    (tmp_path / PHRASES / "de.txt").write_text("# a\nder Drucker ist kaputt\n", encoding="utf-8")
    texts = encoders.embed(["it is broken", "der Drucker ist kaputt"])
    first = TopicBank(encoders, tmp_path, path)
    assert np.load(tmp_path / CACHE_NAME)["part_minilm"].shape[0] == 5
    assert np.load(tmp_path / CACHE_NAME)["part_use"].shape[0] == 6
    again = TopicBank(encoders, tmp_path, path)
    assert np.array_equal(first.similarity(texts), again.similarity(texts))
    assert first.similarity(texts)[1, 0] > 0.5


def test_vectors_of_the_bank_are_made_anew_for_another_bank_or_another_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class English(HashedNgrams):
        name = "minilm"

    class Newer(English):
        version = "2"

    path = _bank(tmp_path)
    monkeypatch.setattr(encoding, "load_encoders", lambda _folder: Encoders([English()]))
    assert [prepare_topics(tmp_path, path) for _ in range(2)] == [True, False]
    (tmp_path / PHRASES / "de.txt").write_text("# a\nkaputt\n", encoding="utf-8")
    read_topics.cache_clear()
    assert [prepare_topics(tmp_path, path) for _ in range(2)] == [True, False]
    assert len(np.load(tmp_path / CACHE_NAME)["part_minilm"]) == 6
    monkeypatch.setattr(encoding, "load_encoders", lambda _folder: Encoders([Newer()]))
    assert [prepare_topics(tmp_path, path) for _ in range(2)] == [True, False]


def test_likeness_by_two_encoders_is_the_sum_of_its_halves() -> None:
    class Late(E5):
        def __init__(self) -> None:
            super().__init__(dict, "1")

        use_centre = np.full(HashedNgrams.width, 1e-3, np.float32)
        width = HashedNgrams.width

        def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return HashedNgrams().encode([text[::-1] for text in texts])

    class Sentences(HashedNgrams):
        name = "use"

    encoders = Encoders([Sentences(), Late()])
    texts = encoders.embed(["der Drucker ist kaputt", "die Maus ist weg"])
    keys = encoders.embed(["Drucker kaputt und der Toner", "die Maus und das Kabel"])
    halves = encoders.by_use(texts, keys) + encoders.by_late(texts, keys)
    assert np.allclose(halves, encoders.similarity(texts, keys), atol=1e-5)


def test_words_split_once_give_what_whole_texts_give() -> None:
    class Tokenizer:
        """Pieces of two letters that do not reach across a space."""

        _normalizer = SimpleNamespace(normalize=lambda text: "".join(f"▁{w}" for w in text.split()))

        def _viterbi(self, text: str) -> list[int]:
            return [hash(part) for word in text.split("▁")[1:] for part in re.findall("..?", word)]

        def _encode_one(self, text: str) -> list[int]:
            return self._viterbi(self._normalizer.normalize(text)) or [0]

    plain, quick = Tokenizer(), Tokenizer()
    split_words_once(quick)
    for text in ("printer  broken again, printer", "", " \t", "Drücker\nkaputt", "a▁b c"):
        assert quick._encode_one(text) == plain._encode_one(text)


def test_words_speak_for_the_topics_whose_phrasings_have_them() -> None:
    told = [["the printer prints blank pages", "toner"], ["VPN drops", "Tunnel weg"]]
    words = TopicWords(counted_words(told))
    odds = words(["Drückt der PRINTER?", "my vpn again", "nothing of this kind", ""])
    assert odds.argmax(axis=1).tolist()[:2] == [0, 1]
    assert not odds[2:].any()


def test_words_are_compared_without_accents_and_endings() -> None:
    words = TopicWords(counted_words([["téléphone cassé"], ["imprimante"]]))
    assert features("Téléphones") == ["telep"]
    assert words(["deux telephones"]).argmax() == 0


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
