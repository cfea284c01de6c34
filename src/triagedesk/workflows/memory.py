"""What a process that lives long keeps in memory; everything that lasts is in the store."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from triagedesk import app, learning
from triagedesk.catalog import ServiceCatalog
from triagedesk.classify import Classifier
from triagedesk.classify.cascade import FitsAhead
from triagedesk.desk import Desk, SkillReader
from triagedesk.settings import Settings
from triagedesk.store import Store
from triagedesk.tickets import Ticket

#: Seconds after which the catalog is asked for again.
CATALOG_AGE = 60.0


class Models:
    """The models, loaded once, and learned anew when there is more to learn from."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self._store = settings, store
        self._lock = threading.Lock()
        self._classifier: tuple[tuple[int, int, int], Classifier] | None = None
        self._fitted_ahead = True
        self._skill_reader: SkillReader | None = None

    def classifier(self) -> Classifier:
        """The classifier with all that people have corrected so far, in whatever process."""
        with self._store.read() as transaction:
            stamp = transaction.corrections_stamp()
        with self._lock:
            if self._classifier is None or self._classifier[0] != stamp:
                self._classifier = stamp, app.classifier(self._settings, self._store)
                self._fitted_ahead = False
            elif not self._fitted_ahead:
                # It has answered once, so it knows what it will need; made beside the requests.
                self._fitted_ahead = True
                if isinstance(self._classifier[1], FitsAhead):
                    ahead = self._classifier[1].fit_ahead
                    threading.Thread(target=ahead, name="fit ahead", daemon=True).start()
            return self._classifier[1]

    def skill_reader(self) -> SkillReader:
        """Reads the skills tickets need."""
        with self._lock:
            if self._skill_reader is None:
                self._skill_reader = app.skill_reader(self._settings)
            return self._skill_reader


class Memory:
    """A desk whose models and catalog stay in memory."""

    def __init__(self, desk: Desk, settings: Settings) -> None:
        self.settings = settings
        self.models = Models(settings, desk.store)
        # The agents file is read at the start; from then on agents change over the API.
        self.read_roster = desk.read_roster
        self.desk = replace(
            desk,
            read_roster=None,
            classifier=self.models.classifier,
            skill_reader=self.models.skill_reader,
        )
        self._catalog: tuple[float, ServiceCatalog] | None = None
        self._catalog_lock = threading.Lock()

    def welcome(self) -> None:
        """Take the agents file in."""
        if self.read_roster:
            roster = self.read_roster()
            with self.desk.store.begin_alone() as transaction:
                transaction.welcome(roster, self.desk.now())

    def warm_up(self) -> None:
        """Load the models, and have them answer once: the first answer is the slowest."""
        probe = Ticket(source="", id="probe", short_description="Cannot log in")
        self.desk.classifier().classify([probe], self.catalog())
        self.desk.skill_reader().needs([probe.text], ["Networking"])

    def catalog(self) -> ServiceCatalog:
        """The Service Catalog, asked for again once a minute; its last good copy when it is away.

        Raises SourceError or CatalogError when there never was a good one.
        """
        with self._catalog_lock:
            if self._catalog is None or time.monotonic() - self._catalog[0] > CATALOG_AGE:
                self._catalog = time.monotonic(), learning.load_catalog(self.desk)
            return self._catalog[1]
