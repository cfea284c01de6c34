"""Mail as files: a folder of `.eml` files, for desks without a mail server."""

from __future__ import annotations

import hashlib
import re
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from triagedesk.errors import OutputError
from triagedesk.files import write_file
from triagedesk.outbox import DeliveryOutcome, Mail
from triagedesk.outbox.message import build_message

_UNSAFE = re.compile(r"[^A-Za-z0-9@._-]+")
_MAX_NAME = 100


@dataclass(frozen=True)
class MaildirChannel:
    """Writes each report as one `.eml` file that any mail program opens.

    The file is named after the Message-ID: the same report written twice overwrites itself and
    never doubles.
    """

    folder: Path
    _: KW_ONLY
    sender: str = ""
    #: Written into the mail's header; nothing is sent to them. Without any, the folder itself
    #: stands for them.
    recipients: tuple[str, ...] = ()
    name: str = field(default="maildir", init=False)

    def __post_init__(self) -> None:
        if not self.recipients:
            object.__setattr__(self, "recipients", (str(self.folder),))

    @property
    def destination(self) -> str:
        """The folder."""
        return str(self.folder)

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
            write_file(self.path_of(mail), build_message(mail, self.sender, recipients).as_bytes())
        except OutputError as error:
            outcome = DeliveryOutcome(delivered=False, error=f"{error.message}: {error.hint}")
        else:
            outcome = DeliveryOutcome(delivered=True)
        return dict.fromkeys(recipients, outcome)
