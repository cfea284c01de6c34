"""What belongs nowhere in a catalog without a residual class, and what only seems to."""

from __future__ import annotations

from pathlib import Path

import pytest

from triagedesk.catalog import CatalogEntry, Label, ServiceCatalog, Sla, SlaUnit, catalog_version
from triagedesk.classify.desk_model import DeskModel
from triagedesk.classify.encoders import Encoders
from triagedesk.classify.encoders.ngrams import HashedNgrams
from triagedesk.classify.topic_file import PHRASES
from triagedesk.classify.topics import TopicBank

TOPICS = """
fields: {security: [Security], hardware: [Hardware]}
topics:
  - {name: theft, field: security, called: [Lost or stolen devices], wider: [Incident],
     resolvers: [security]}
  - {name: printer, field: hardware, called: [Printing], wider: [Peripherals],
     resolvers: [hardware]}
  - {name: parking, field: hardware, called: [Car park], wider: [Facilities],
     resolvers: [facilities]}
"""
PHRASINGS = """
# theft
my notebook was taken from the train
the notebook vanished from my bag on the train
# printer
it prints blank sheets of paper
paper jam on the second floor
# parking
the barrier of the garage stays shut
no free space in the garage
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> DeskModel:
    folder: Path = tmp_path_factory.mktemp("bank")
    (folder / "bank.yaml").write_text(TOPICS, encoding="utf-8")
    (folder / PHRASES).mkdir()
    (folder / PHRASES / "en.txt").write_text(PHRASINGS, encoding="utf-8")
    encoders = Encoders([HashedNgrams()])
    names = ("Lost or stolen devices", "Printing")
    entries = tuple(
        CatalogEntry(
            label=Label(request_category="IT", request_type=name),
            sla=Sla(value=8, unit=SlaUnit.HOURS),
        )
        for name in names
    )
    catalog = ServiceCatalog(entries=entries, version=catalog_version(entries))
    bank = TopicBank(encoders, folder, folder / "bank.yaml")
    return DeskModel(catalog, (), encoders, bank, promised=0.95)


def test_a_ticket_unlike_any_name_but_on_an_entrys_topic_is_not_foreign(desk: DeskModel) -> None:
    opinion = desk.opinions(["a notebook was taken from my bag"])
    assert not opinion.foreign[0]
    assert opinion.logits[0].argmax() == 0


@pytest.mark.parametrize("text", ["ripe apples and cinnamon", "the garage has no free space"])
def test_what_no_entry_is_for_is_foreign(desk: DeskModel, text: str) -> None:
    assert desk.opinions([text]).foreign[0]
