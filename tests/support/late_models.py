"""The command line with its real models, which are loaded once there is a file `go-on`."""

from __future__ import annotations

import time
from pathlib import Path

from triagedesk import app
from triagedesk.classify import Classifier
from triagedesk.cli import main
from triagedesk.settings import Settings
from triagedesk.store import Store

_load = app.classifier


def _wait_and_load(settings: Settings, store: Store | None) -> Classifier:
    while not Path("go-on").exists():
        time.sleep(0.02)
    return _load(settings, store)


if __name__ == "__main__":
    app.classifier = _wait_and_load
    main()
