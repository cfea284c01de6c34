"""Writing files whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

from triagedesk.errors import OutputError


def _keep_name(folder: Path) -> None:
    """Make a rename outlive a power cut: what is recorded as written must be there afterwards."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot, and say so this way
            raise
    finally:
        os.close(handle)


def write_file(path: Path, content: bytes) -> None:
    """Write `content` to `path`, making its folder: readers see the old file or the whole new one.

    Raises OutputError naming the path (no space left, no permission, not a folder).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not mkstemp(), whose files only their owner may read, whatever the umask says.
        part = path.parent / f".{secrets.token_hex(8)}.part"
        try:
            with part.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
            _keep_name(path.parent)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        below_a_file = isinstance(error, FileExistsError | NotADirectoryError)
        reason = f"{path.parent} is not a folder" if below_a_file else error.strerror
        raise OutputError(
            f"cannot write {path}: {reason}", hint="free space or choose another folder"
        ) from error
