"""What was learned is taken off the shelf: the same answers, at a fraction of the work."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from triagedesk.catalog import CatalogEntry, Label, ServiceCatalog, Sla, SlaUnit
from triagedesk.classify import corrections as corrections_module
from triagedesk.classify import desk_model
from triagedesk.classify.corrections import Correction
from triagedesk.classify.desk_model import DeskModel
from triagedesk.classify.encoders import Encoders
from triagedesk.classify.encoders.ngrams import HashedNgrams
from triagedesk.classify.fitting import Fitted, Lessons, fit_lessons
from triagedesk.classify.shelf import FITTED_ON_DISK, Shelf
from triagedesk.classify.topic_file import PHRASES
from triagedesk.classify.topics import TopicBank

LABELS = [Label("Network", "VPN"), Label("Network", "Wi-Fi"), Label("Devices", "Printer")]
CATALOG = ServiceCatalog(
    entries=tuple(
        CatalogEntry(label=label, sla=Sla(value=8, unit=SlaUnit.HOURS)) for label in LABELS
    ),
    version="three",
)
SAID = ["the tunnel from home drops", "no signal in the meeting room", "paper is stuck again"]
ASKED = ["tunnel drops at home", "meeting room without signal", "stuck paper", "the lights flicker"]
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def encoders() -> Encoders:
    return Encoders([HashedNgrams()])


TOPICS = """
fields: {network: [Network], hardware: [Hardware]}
topics:
  - {name: tunnel, field: network, called: [VPN], wider: [Remote Access], resolvers: [network]}
  - {name: printer, field: hardware, called: [Printer], wider: [Devices], resolvers: [hardware]}
"""
PHRASINGS = "# tunnel\nthe tunnel is closed\n# printer\nno paper comes out\n"


@pytest.fixture(scope="module")
def bank(encoders: Encoders, tmp_path_factory: pytest.TempPathFactory) -> TopicBank:
    # One of its own: the usual bank's vectors, by these encoders, would replace those installed.
    folder: Path = tmp_path_factory.mktemp("bank")
    (folder / "bank.yaml").write_text(TOPICS, encoding="utf-8")
    (folder / PHRASES).mkdir()
    (folder / PHRASES / "en.txt").write_text(PHRASINGS, encoding="utf-8")
    return TopicBank(encoders, folder, folder / "bank.yaml")


class Fits:
    """Counts how often something is really fitted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        fit = fit_lessons

        def counted(lessons: Lessons) -> Fitted:
            self.count += 1
            return fit(lessons)

        monkeypatch.setattr(desk_model, "fit_lessons", counted)


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> Fits:
    return Fits(monkeypatch)


def corrections(count: int) -> list[Correction]:
    return [
        Correction(
            text=f"{SAID[n % 3]} since {n} o'clock",
            label=LABELS[n % 3],
            made_at=START + timedelta(minutes=n),
        )
        for n in range(count)
    ]


class Desk:
    """One process after another, each with a model of its own."""

    def __init__(self, encoders: Encoders, bank: TopicBank) -> None:
        self.encoders, self.bank = encoders, bank

    def model(self, made: Sequence[Correction], shelf: Shelf | None = None) -> DeskModel:
        return DeskModel(CATALOG, made, self.encoders, self.bank, promised=0.95, shelf=shelf)

    def logits(self, made: Sequence[Correction], shelf: Shelf | None = None) -> bytes:
        return self.model(made, shelf).opinions(ASKED).logits.tobytes()


@pytest.fixture
def desk(encoders: Encoders, bank: TopicBank) -> Desk:
    return Desk(encoders, bank)


def test_one_correction_after_the_other_teaches_the_same_as_all_at_once(
    desk: Desk, tmp_path: Path
) -> None:
    for count in range(1, 31):
        step_by_step = desk.logits(corrections(count), Shelf(tmp_path))
    assert step_by_step == desk.logits(corrections(30))


def test_another_process_fits_nothing_again(desk: Desk, tmp_path: Path, fits: Fits) -> None:
    first = desk.logits(corrections(30), Shelf(tmp_path))
    assert fits.count == 1
    assert desk.logits(corrections(30), Shelf(tmp_path)) == first
    assert fits.count == 1


def test_a_correction_counts_at_once_although_nothing_is_fitted(
    desk: Desk, tmp_path: Path, fits: Fits
) -> None:
    shelf = Shelf(tmp_path)
    column = 2
    before = desk.model(corrections(30), shelf).opinions(["the lights flicker"])
    lights = [
        Correction(
            text=f"the lights flicker {where}",
            label=LABELS[column],
            made_at=START + timedelta(days=1),
        )
        for where in ("upstairs", "downstairs")
    ]
    fits.count = 0
    model = desk.model([*corrections(30), *lights], shelf)
    after = model.opinions(["the lights flicker"])
    assert fits.count == 0
    assert after.ranked(0, range(3))[0][0] == column
    assert np.exp(after.logits[0, column]) > np.exp(before.logits[0, column]) + 0.1
    seen = model.exact(lights[0].key)
    assert seen is not None
    assert seen.correction == lights[0]


def test_taking_a_correction_back_restores_every_bit(
    desk: Desk, tmp_path: Path, fits: Fits
) -> None:
    shelf = Shelf(tmp_path)
    before = desk.logits(corrections(31), shelf)
    assert desk.logits(corrections(40), shelf) != before
    fits.count = 0
    assert desk.logits(corrections(31), shelf) == before
    assert desk.logits(corrections(31), Shelf(tmp_path)) == before
    assert fits.count == 0


def test_a_correction_that_overrules_another_stands_at_once(desk: Desk, tmp_path: Path) -> None:
    made = corrections(30)
    newer = Correction(text=made[0].text, label=LABELS[1], made_at=START + timedelta(days=1))
    seen = desk.model([*made, newer], Shelf(tmp_path)).exact(newer.key)
    assert seen is not None
    assert seen.correction.label == LABELS[1]


@pytest.mark.parametrize("damage", [b"", b"not an archive at all", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_made_anew(desk: Desk, tmp_path: Path, damage: bytes) -> None:
    expected = desk.logits(corrections(12), Shelf(tmp_path))
    for path in tmp_path.glob("*.npz"):
        path.write_bytes(damage)
    assert desk.logits(corrections(12), Shelf(tmp_path)) == expected
    assert desk.logits(corrections(12), Shelf(tmp_path)) == expected


def test_a_file_that_holds_objects_is_not_opened(desk: Desk, tmp_path: Path) -> None:
    expected = desk.logits(corrections(12), Shelf(tmp_path))
    for path in tmp_path.glob("*.npz"):
        np.savez(path, weights=np.array([print], dtype=object))
    assert desk.logits(corrections(12), Shelf(tmp_path)) == expected


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    shelf = Shelf(tmp_path / "file" / "learned")
    assert desk.logits(corrections(12), shelf) == desk.logits(corrections(12))


def test_only_the_newest_models_are_kept(desk: Desk, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    for count in range(1, FITTED_ON_DISK + 4):
        desk.model(corrections(count), shelf)
    assert len(list(tmp_path.glob("fitted-*.npz"))) == FITTED_ON_DISK


def test_no_text_lies_on_the_shelf(desk: Desk, tmp_path: Path) -> None:
    desk.model(corrections(12), Shelf(tmp_path))
    kept = b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir()))
    assert kept
    assert b"tunnel" not in kept


def test_a_fit_made_ahead_is_there_when_it_is_to_answer(
    desk: Desk, tmp_path: Path, fits: Fits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corrections_module, "DEAR", 60)
    shelf = Shelf(tmp_path)
    desk.model(corrections(20), shelf)
    before = desk.model(corrections(22), shelf)
    fits.count = 0
    before.fit_ahead()
    before.fit_ahead()
    assert fits.count == 1
    made_ahead = desk.logits(corrections(24), shelf)
    assert fits.count == 1
    assert made_ahead == desk.logits(corrections(24))


def test_many_threads_fit_once_and_answer_the_same(desk: Desk, tmp_path: Path, fits: Fits) -> None:
    shelf = Shelf(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        answers = set(pool.map(lambda _: desk.logits(corrections(12), shelf), range(8)))
    assert len(answers) == 1
    assert fits.count == 1


def test_what_is_like_nothing_answered_before_is_for_people_to_see(desk: Desk) -> None:
    model = desk.model(corrections(120), Shelf())
    found = model.opinions(["the tunnel from home drops since 7 o'clock", "zebra crossing quagga"])
    assert found.unfamiliar.tolist() == [False, True]
    known, foreign = model.familiarity(["no signal since 8 o'clock", "zebra crossing quagga"])
    assert known > foreign
    # Too few to tell what is usual.
    assert not desk.model(corrections(12), Shelf()).opinions(["zebra crossing"]).unfamiliar.any()
