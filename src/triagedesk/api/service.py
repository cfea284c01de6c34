"""What a server works with over its whole life: the desk, its models, the catalog, the jobs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import structlog

from triagedesk import app, learning
from triagedesk.api.metrics import Metrics
from triagedesk.catalog import ServiceCatalog
from triagedesk.classify import Classifier
from triagedesk.desk import Desk, SkillReader
from triagedesk.errors import TriagedeskError
from triagedesk.settings import Settings
from triagedesk.store import Store
from triagedesk.tickets import Ticket

#: Seconds after which the catalog is asked for again.
CATALOG_AGE = 60.0
#: Seconds between two attempts to become ready.
_PAUSE = 5.0

log = structlog.get_logger()


class Models:
    """The models, loaded once, and learned anew when there is more to learn from."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self._store = settings, store
        self._lock = threading.Lock()
        self._classifier: tuple[tuple[int, int, int], Classifier] | None = None
        self._skill_reader: SkillReader | None = None

    def classifier(self) -> Classifier:
        """The classifier with all that people have corrected so far, in whatever process."""
        with self._store.read() as transaction:
            stamp = transaction.corrections_stamp()
        with self._lock:
            if self._classifier is None or self._classifier[0] != stamp:
                self._classifier = stamp, app.classifier(self._settings, self._store)
            return self._classifier[1]

    def skill_reader(self) -> SkillReader:
        """Reads the skills tickets need."""
        with self._lock:
            if self._skill_reader is None:
                self._skill_reader = app.skill_reader(self._settings)
            return self._skill_reader


class Service:
    """One server's memory; everything that lasts is in the store."""

    def __init__(self, desk: Desk, settings: Settings, *, open_without_keys: bool) -> None:
        self.store = desk.store
        self.settings = settings
        #: Whether requests without a key are let in while there is none.
        self.open = open_without_keys
        self.models = Models(settings, desk.store)
        # The agents file is read when the server starts; from then on agents change over the API.
        self.read_roster = desk.read_roster
        self.desk = replace(
            desk,
            read_roster=None,
            classifier=self.models.classifier,
            skill_reader=self.models.skill_reader,
        )
        self.metrics = Metrics()
        #: Why the server cannot serve yet; "" when it can.
        self.not_ready = "the models are being loaded"
        self.stopping = threading.Event()
        self._catalog: tuple[float, ServiceCatalog] | None = None
        self._catalog_lock = threading.Lock()

    def prepare(self) -> None:
        """Take the agents file in and load the models; tried again until it works."""
        while not self._prepared() and not self.stopping.wait(_PAUSE):
            pass

    def _prepared(self) -> bool:
        try:
            if self.read_roster:
                roster = self.read_roster()
                with self.store.begin_alone() as transaction:
                    transaction.welcome(roster, self.desk.now())
            # The first answer of a model is its slowest.
            probe = Ticket(source="", id="probe", short_description="Cannot log in")
            self.desk.classifier().classify([probe], self.catalog())
            self.desk.skill_reader().needs([probe.text], ["Networking"])
        except TriagedeskError as error:
            self.not_ready = error.message
            log.error("not ready", error=error.message, hint=error.hint)  # noqa: TRY400 (no bug: no traceback)
            return False
        self.not_ready = ""
        return True

    def catalog(self) -> ServiceCatalog:
        """The Service Catalog, asked for again once a minute; its last good copy when it is away.

        Raises SourceError or CatalogError when there never was a good one.
        """
        with self._catalog_lock:
            if self._catalog is None or time.monotonic() - self._catalog[0] > CATALOG_AGE:
                self._catalog = time.monotonic(), learning.load_catalog(self.desk)
            return self._catalog[1]

    def new_id(self) -> str:
        """An id for a run or a job."""
        return self.desk.new_id()

    def start(self, target: Callable[[], None], name: str) -> threading.Thread:
        """Do something beside the requests."""
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        return thread
