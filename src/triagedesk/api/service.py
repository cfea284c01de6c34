"""What a server works with over its whole life: the desk, its models, the catalog, the jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from triagedesk.api.letterbox import Letterbox
from triagedesk.api.metrics import Metrics
from triagedesk.catalog import ServiceCatalog
from triagedesk.desk import Desk
from triagedesk.errors import TriagedeskError
from triagedesk.settings import Settings
from triagedesk.store import Store
from triagedesk.workflows.memory import Memory

#: Seconds that a webhook waits for the database.
QUICK = 4.0
#: Seconds between two attempts to become ready.
_PAUSE = 5.0

log = structlog.get_logger()


class Service:
    """One server's memory; everything that lasts is in the store."""

    def __init__(self, desk: Desk, settings: Settings, *, open_without_keys: bool) -> None:
        self.store = desk.store
        self.settings = settings
        #: Whether requests without a key are let in while there is none.
        self.open = open_without_keys
        self.memory = Memory(desk, settings)
        self.desk = self.memory.desk
        #: The same database, for senders who would rather come again than wait.
        self.quick_store = Store.quick(desk.store.url, QUICK)
        self.letterbox = Letterbox(self.quick_store, desk.now)
        self.metrics = Metrics()
        #: Why the server cannot serve yet; "" when it can.
        self.not_ready = "the models are being loaded"
        self.stopping = threading.Event()

    def close(self) -> None:
        """Let go of what only the server had open."""
        self.letterbox.close()
        self.quick_store.close()

    def prepare(self) -> None:
        """Take the agents file in and load the models; tried again until it works."""
        while not self._prepared() and not self.stopping.wait(_PAUSE):
            pass

    def _prepared(self) -> bool:
        try:
            self.memory.welcome()
            self.memory.warm_up()
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
        return self.memory.catalog()

    def new_id(self) -> str:
        """An id for a run or a job."""
        return self.desk.new_id()

    def start(self, target: Callable[[], None], name: str) -> threading.Thread:
        """Do something beside the requests."""
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        return thread
