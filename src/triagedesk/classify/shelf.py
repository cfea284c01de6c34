"""What is dear to compute and safe to lose, kept in a folder: vectors of texts, fitted models.

Nothing here decides anything: what is on the shelf is what would be computed anew, found by a hash
of all it was made from. The folder may be deleted at any time. It holds numbers and hashes, no
text; files are plain arrays, and one that cannot be read counts as absent.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triagedesk.classify.encoders import Embedded, Encoders
from triagedesk.classify.fitting import Fitted
from triagedesk.classify.weights import write_atomically

#: Fitted models kept in the folder, the newest; and in memory.
FITTED_ON_DISK, FITTED_IN_MEMORY = 6, 3
#: Vectors that are always kept (1.8 kB each): what is taken back may come again.
_VECTORS = 20_000
#: Texts embedded at once.
_CHUNK = 512
#: What is kept of each text beside its vectors.
_TOLD = ("english", "languages")
#: The file of vectors is written anew when at least this share of it is new.
_WORTH_WRITING = 1 / 500

Arrays = Mapping[str, NDArray[Any]]

_log = logging.getLogger(__name__)


class Shelf:
    """Vectors and fitted models, found again by what they were made from; threads may share it."""

    def __init__(self, folder: Path | None = None) -> None:
        """Keep things in `folder`; None: in this object alone."""
        self._folder = folder
        self._lock, self._embedding = threading.Lock(), threading.Lock()
        self._fitted: OrderedDict[str, Fitted] = OrderedDict()
        self._making: dict[str, threading.Lock] = {}
        self._vectors: dict[str, _Vectors] = {}

    def fitted(self, key: str, make: Callable[[], Fitted]) -> Fitted:
        """The model of that key, made when it is not there; made once, however many ask."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        # Made under a lock of its own: others go on answering with the models there are.
        with making:
            found = self._fitted.get(key) or self._read_fitted(key)
            if found is None:
                found = make()
                self._write(f"fitted-{key}.npz", found.arrays())
                self._thin_out()
            with self._lock:
                self._fitted[key] = found
                self._fitted.move_to_end(key)
                while len(self._fitted) > FITTED_IN_MEMORY:
                    self._making.pop(self._fitted.popitem(last=False)[0], None)
            return found

    def embed(self, encoders: Encoders, texts: Sequence[str]) -> Embedded:
        """Vectors of texts by all encoders, each text computed once and kept."""
        with self._embedding:
            known = self._vectors.get(encoders.version)
            name = f"vectors-{hashlib.sha256(encoders.version.encode()).hexdigest()[:16]}.npz"
            if known is None:
                known = _Vectors(self._read(name), encoders.names)
                self._vectors[encoders.version] = known
            keys = [_digest(text) for text in texts]
            fresh = known.missing(keys, texts)
            for start in range(0, len(fresh), _CHUNK):
                known.add(fresh[start : start + _CHUNK], encoders)
            known.unwritten += len(fresh)
            if known.unwritten > len(known) * _WORTH_WRITING:
                known.forget_all_but(keys)
                self._write(name, known.arrays())
                known.unwritten = 0
            return known.of(keys)

    def _read_fitted(self, key: str) -> Fitted | None:
        arrays = self._read(f"fitted-{key}.npz")
        try:
            return Fitted.from_arrays(arrays) if arrays else None
        except KeyError as error:
            _log.warning("a kept model is not whole and is made anew: no %s", error)
            return None

    def _read(self, name: str) -> Arrays | None:
        if self._folder is None:
            return None
        try:
            # Opened here: NumPy leaves a file open that turns out to be no archive.
            with (self._folder / name).open("rb") as file:
                archive = np.load(file, allow_pickle=False)
                return {part: archive[part] for part in archive.files}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            _log.warning("%s cannot be read and is made anew: %s", name, error)
            return None

    def _write(self, name: str, arrays: Arrays) -> None:
        if self._folder is None:
            return
        try:
            write_atomically(self._folder / name, arrays)
        except OSError as error:
            # Learning goes on without: only the next process pays for it again.
            _log.warning("%s, which was learned, cannot be kept: %s", name, error)

    def _thin_out(self) -> None:
        """Remove all but the newest models."""
        if self._folder is None or not self._folder.is_dir():
            return
        found: list[tuple[int, Path]] = []
        for path in self._folder.glob("fitted-*.npz"):
            # Another process may have removed it in this moment.
            with suppress(FileNotFoundError):
                found.append((-path.stat().st_mtime_ns, path))
        for _, path in sorted(found)[FITTED_ON_DISK:]:
            path.unlink(missing_ok=True)


class _Vectors:
    """Vectors by digest of their text, in half precision."""

    def __init__(self, arrays: Arrays | None, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._rows: dict[bytes, int] = {}
        self._parts: dict[str, NDArray[Any]] = {}
        self.unwritten = 0
        if arrays and {"digests", *_TOLD, *names} <= arrays.keys():
            self._rows = {bytes(d): row for row, d in enumerate(arrays["digests"])}
            self._parts = {name: arrays[name] for name in (*names, *_TOLD)}

    def __len__(self) -> int:
        return len(self._rows)

    def missing(self, keys: Sequence[bytes], texts: Sequence[str]) -> list[tuple[bytes, str]]:
        """Keys without a vector, each once, with their texts."""
        fresh = dict(zip(keys, texts, strict=True))
        return [(key, text) for key, text in fresh.items() if key not in self._rows]

    def add(self, fresh: Sequence[tuple[bytes, str]], encoders: Encoders) -> None:
        """Embed and keep."""
        embedded = encoders.embed([text for _, text in fresh])
        new: dict[str, NDArray[Any]] = {
            name: part.astype(np.float16) for name, part in embedded.parts.items()
        }
        new["english"], new["languages"] = embedded.english, embedded.languages
        for key, _ in fresh:
            self._rows[key] = len(self._rows)
        for name, part in new.items():
            known = self._parts.get(name)
            self._parts[name] = part if known is None else np.concatenate([known, part])

    def forget_all_but(self, keys: Sequence[bytes]) -> None:
        """Drop what is not asked for, once there are many and it is more than half of them."""
        wanted = dict.fromkeys(keys)
        if len(self._rows) <= max(_VECTORS, 2 * len(wanted)):
            return
        rows = [self._rows[key] for key in wanted]
        self._parts = {name: part[rows] for name, part in self._parts.items()}
        self._rows = {key: row for row, key in enumerate(wanted)}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything, to be written."""
        digests = np.frombuffer(b"".join(self._rows), np.uint8).reshape(len(self._rows), -1)
        return {"digests": digests, **self._parts}

    def of(self, keys: Sequence[bytes]) -> Embedded:
        """Vectors of keys that are there."""
        rows = np.array([self._rows[key] for key in keys], np.int64)
        parts = {name: self._parts[name][rows].astype(np.float32) for name in self._names}
        english, languages = (self._parts[name][rows] for name in _TOLD)
        return Embedded(parts=parts, english=english.astype(np.float32), languages=languages)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()
