"""What a command printed, kept for the next time: an unchanged file is not parsed again.

An entry is a JSON file in the user's cache folder, called by a hash of all that the output depends on beside the specs:
archdsl itself, the options, the terminal. It names the specs that were read, each with a hash of its bytes, and holds the
output; it is used only while every file is what it was. An entry that is damaged counts as none; only what went well is
kept. Nothing here raises: a folder that cannot be used means no cache. Standard library only.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from .. import __version__
from ..elaborate.find import PACKAGE, find_spec
from ..records import dataclass

SCHEMA = 1
MAX_ENTRY = 4 << 20
MAX_TOTAL = 32 << 20
MAX_ENTRIES = 500
_SECONDS_UNFINISHED = 3600


@dataclass(frozen=True, slots=True)
class Printed:
    """The output of a command; `exact`: bytes of a file, not text for a terminal's encoding."""

    text: str
    exact: bool


def folder() -> Path:
    """Where entries are: $XDG_CACHE_HOME if it is set, else the platform's place for caches."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(given):
        return Path(given) / "archdsl"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "archdsl"
    local = os.environ.get("LOCALAPPDATA", "")
    if sys.platform == "win32" and local:
        return Path(local) / "archdsl" / "Cache"
    return Path.home() / ".cache" / "archdsl"


class Cache:
    """The entry of one call of a command, or nothing if it cannot have one."""

    def __init__(self, command: str, name: str, options: Mapping[str, object], terminal: object = None) -> None:
        self.path: Path | None = None
        off = os.environ.get("ARCHDSL_NO_CACHE", "") not in ("", "0") or bool(options.get("no_cache"))
        if off or name == "-":
            return
        with suppress(OSError, ValueError, RuntimeError):  # no such file, no home, a null character
            said = {key: options[key] for key in sorted(options)}
            depends = [SCHEMA, __version__, _build(), command, name, os.path.abspath(find_spec(name)), said, terminal]
            key = sha256(json.dumps(depends, default=repr).encode("utf-8", "surrogatepass")).hexdigest()
            self.path = folder() / f"{key[:40]}.json"

    def recall(self) -> Printed | None:
        """What was printed the last time, if nothing has changed since."""
        if self.path is None:
            return None
        with suppress(OSError, ValueError, RecursionError):
            if not _private(self.path.parent):
                return None
            with open(self.path, "rb") as stream:
                mark, _, body = stream.read(MAX_ENTRY + 1).partition(b"\n")
            if mark.decode("ascii") != sha256(body).hexdigest():
                return None
            found = _printed(json.loads(body))
            if found is not None:
                os.utime(self.path)  # used lately
            return found
        return None

    def keep(self, printed: Printed, sources: Mapping[str, str]) -> None:
        """Remember an output and the texts that it was made of, by their paths."""
        if self.path is None:
            return
        with suppress(OSError, ValueError):
            files = [_stamp(path, text) for path, text in sources.items()]
            entry = {"files": files, "text": printed.text, "exact": printed.exact}
            body = json.dumps(entry).encode("ascii")
            if not files or len(body) > MAX_ENTRY - 100:
                return
            place = self.path.parent
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _private(place):
                _write(self.path, sha256(body).hexdigest().encode("ascii") + b"\n" + body)
                _prune(place)


def _build() -> str:
    """Which archdsl this is: the version alone does not tell in a checkout."""
    found = sorted(_parts(str(PACKAGE)))
    return sha256(repr(found).encode("utf-8", "surrogatepass")).hexdigest()


def _parts(place: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(place) as entries:
        for entry in entries:
            if entry.is_dir():
                if entry.name != "__pycache__":
                    yield from _parts(entry.path)
            else:
                known = entry.stat()
                yield entry.path, known.st_size, known.st_mtime_ns


def _private(place: Path) -> bool:
    """Whether a folder is the user's own, and no one else can write there."""
    if sys.platform == "win32":
        return place.is_dir()
    known = place.stat()
    return known.st_uid == os.getuid() and not known.st_mode & 0o022


def _stamp(path: str, text: str) -> list[str]:
    """How to know a file again; ValueError if it is no longer what was read."""
    data = _bytes(path)
    if data.removeprefix(b"\xef\xbb\xbf").decode("utf-8") != text:
        raise ValueError(path)
    path = os.path.abspath(path)
    return [path, os.path.realpath(path), sha256(data).hexdigest()]


def _bytes(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()


def _printed(entry: Any) -> Printed | None:
    """The output of an entry whose files are unchanged; ValueError for what is no entry."""
    match entry:
        case {"files": [_, *_] as files, "text": str(text), "exact": bool(exact)} if _unchanged(files):
            return Printed(text, exact)
        case _:
            return None


def _unchanged(files: Iterable[Any]) -> bool:
    for known in files:
        match known:
            case [str(path), str(real), str(mark)]:
                if os.path.realpath(path) != real or sha256(_bytes(path)).hexdigest() != mark:
                    return False
            case _:
                return False
    return True


def _write(path: Path, data: bytes) -> None:
    """A whole entry or none, whoever else writes at the same time."""
    beside = path.with_name(f"{path.stem}.{os.urandom(8).hex()}.tmp")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(handle, "wb") as stream:
            stream.write(data)
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _prune(place: Path) -> None:
    """Remove what was not used for longest until the folder is within its bounds."""
    entries: list[tuple[float, int, str]] = []
    now = time.time()
    with os.scandir(place) as found:
        for entry in found:
            known = entry.stat()
            if entry.name.endswith(".json"):
                entries.append((known.st_mtime, known.st_size, entry.path))
            elif entry.name.endswith(".tmp") and now - known.st_mtime > _SECONDS_UNFINISHED:
                Path(entry.path).unlink(missing_ok=True)
    total, count = sum(size for _, size, _ in entries), len(entries)
    for _, size, path in sorted(entries):
        if total <= MAX_TOTAL and count <= MAX_ENTRIES:
            return
        Path(path).unlink(missing_ok=True)
        total, count = total - size, count - 1
