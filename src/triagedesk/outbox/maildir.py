"""Mail as files: a folder of `.eml` files, for desks without a mail server."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from triagedesk.outbox import DeliveryOutcome, Mail
from triagedesk.outbox.message import build_message

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_MAX_NAME = 100


@dataclass(frozen=True, kw_only=True)
class MaildirChannel:
    """Writes each report as one `.eml` file that any mail program opens.

    The file is named after the Message-ID: the same report written twice overwrites itself and
    never doubles.
    """

    folder: Path
    sender: str = ""
    #: Written into the mail's header; nothing is sent to them.
    addressees: tuple[str, ...] = ()
    name: str = field(default="maildir", init=False)

    @property
    def destination(self) -> str:
        """The folder."""
        return str(self.folder)

    @property
    def recipients(self) -> tuple[str, ...]:
        """The addressees; without any, the folder itself stands for them."""
        return self.addressees or (str(self.folder),)

    @property
    def fingerprint(self) -> str:
        """The folder; nothing else can make a difference."""
        return f"maildir {self.folder}"

    def path_of(self, mail: Mail) -> Path:
        """Where `mail` is written."""
        bare = mail.message_id.strip("<>")
        name = _UNSAFE.sub("_", bare).lstrip(".")
        if name != bare or len(name) > _MAX_NAME:
            # Two different ids may look the same once made safe.
            name = f"{name[:_MAX_NAME]}-{hashlib.sha256(bare.encode()).hexdigest()[:12]}"
        return self.folder / f"{name}.eml"

    def send(self, mail: Mail, recipients: tuple[str, ...]) -> dict[str, DeliveryOutcome]:
        """Write the mail's one file; what fails (disk full, read-only) can be tried again."""
        try:
            content = build_message(mail, self.sender, recipients).as_bytes()
            _write_whole(self.path_of(mail), content)
        except OSError as error:
            words = f"{self.path_of(mail)} could not be written: {error.strerror or error}"
            outcome = DeliveryOutcome(delivered=False, error=words)
        else:
            outcome = DeliveryOutcome(delivered=True)
        return dict.fromkeys(recipients, outcome)


def _write_whole(path: Path, content: bytes) -> None:
    """Put a file in place whole or not at all, and make sure that it stays there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two processes may write the same report; a killed one's half file is overwritten later.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
