"""Specs in, artefacts out: opening with a suggestion, printing diagnostics, writing whole files or nothing."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeVar

from ..diagnostics import MAX_SHOWN, Diagnostic, SpecError, nearest, render, safe

if TYPE_CHECKING:
    from ..api import Project
    from ..ir.graph import Network

Result = TypeVar("Result")

MARK = re.compile(
    r"^\W{0,9}Made by archdsl |; made by archdsl</desc>|\A.{8}\{\"__metadata__\":[^}]*\"made_by\":\"archdsl\"|"
    r"tEXtSoftware\0archdsl",
    re.MULTILINE | re.DOTALL,
)
"""What the beginning of every file contains that archdsl made: source, pictures, weights."""


class CommandError(Exception):
    """A file that cannot be read or written, or bad usage: one sentence and a suggestion; exit code 2."""

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.message, self.help = message, help


class SettingError(SpecError):
    """A `--set` or `--names` that means nothing to the spec; exit code 2."""


def guarded(action: Callable[[], int]) -> int:
    """Run a command's work; what is wrong with the spec is printed with code 1, a CommandError with code 2."""
    try:
        return action()
    except SpecError as error:
        show_diagnostics(error.diagnostics)
        return 2 if isinstance(error, SettingError) else 1
    except CommandError as failure:
        show_failure(failure)
        return 2


def show_failure(failure: CommandError) -> None:
    """Print a failure to standard error."""
    help = f"\n  help: {safe(failure.help)}" if failure.help else ""
    print(f"archdsl: error: {safe(failure.message)}{help}", file=sys.stderr)


def wants_colour(stream: TextIO) -> bool:
    """Whether a stream is a terminal that shows colours; NO_COLOR and FORCE_COLOR decide before anything else."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    if os.environ.get("TERM") == "dumb" or (sys.platform == "win32" and "WT_SESSION" not in os.environ):
        return False
    return stream.isatty()


def show_diagnostics(diagnostics: Sequence[Diagnostic]) -> None:
    """Print diagnostics to standard error, at most 50 of them."""
    width = shutil.get_terminal_size().columns if sys.stderr.isatty() else None
    colour = wants_colour(sys.stderr)
    for diagnostic in diagnostics[:MAX_SHOWN]:
        print(render(diagnostic, width, colour), file=sys.stderr)
    if len(diagnostics) > MAX_SHOWN:
        print(f"and {len(diagnostics) - MAX_SHOWN} more", file=sys.stderr)
    codes = {d.code for d in diagnostics[:MAX_SHOWN] if d.code != "A0702"}
    if len(codes) == 1:
        print(f"(`archdsl explain {codes.pop()}` says more)", file=sys.stderr)


def matching(names: Sequence[str]) -> list[str]:
    """The files that names and patterns mean, for a shell that leaves patterns alone; CommandError for one of none."""
    from glob import glob

    found: list[str] = []
    for name in names:
        if re.search(r"[*?\[]", name) and not os.path.exists(name):
            matches = sorted(glob(name, recursive=True))
            if not matches:
                raise CommandError(f"no file matches `{name}`")
            found.extend(matches)
        else:
            found.append(name)
    return found


# ---- reading --------------------------------------------------------------------------------------------------------


def open_project(name: str) -> Project:
    """The spec a name means; raises CommandError if it cannot be read, SpecError if it is wrong."""
    from ..api import Project  # here, for not every command reads specs

    return reading(name, lambda: Project(name))


def open_network(name: str, settings: Mapping[str, str], at: Mapping[str, int] | None = None) -> Network:
    """The network of a spec with some parameters set, and `at` some sizes of its inputs."""
    return network_of(open_project(name), settings, at)


def network_of(project: Project, settings: Mapping[str, str], at: Mapping[str, int] | None = None) -> Network:
    """The network of an opened spec with some parameters set, and `at` some sizes of its inputs."""
    try:
        overrides = project.overrides(settings)
    except SpecError as error:
        raise SettingError(error.diagnostics) from None
    try:
        return project.network(overrides, at)
    except SpecError as error:
        if (settings or at) and all(d.code in ("A0205", "A0604") and d.span is None for d in error.diagnostics):
            raise SettingError(error.diagnostics) from None
        raise


def reading(name: str, read: Callable[[], Result]) -> Result:
    """What `read` gives; a file that cannot be read becomes a CommandError with a suggestion."""
    try:
        return read()
    except FileNotFoundError:
        raise CommandError(f"no file `{name}`, and no bundled spec of that name", _near(name)) from None
    except IsADirectoryError:
        raise CommandError(f"`{name}` is a folder", f"name the specs in it: {name.rstrip('/')}/*.yaml") from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandError(f"cannot read `{name}`: {_reason(error)}") from None
    except ValueError as error:  # a null character in a file's name
        if "null" in str(error):
            raise CommandError(f"cannot read `{name}`: a file's name cannot hold a null character") from None
        raise


def bundled_names() -> list[str]:
    """The specs that come with archdsl, by name."""
    from ..elaborate.find import SUFFIXES, bundled_folder

    folder = bundled_folder()
    return sorted(path.stem for path in folder.iterdir() if path.suffix in SUFFIXES) if folder.is_dir() else []


def _near(name: str) -> str | None:
    from ..elaborate.find import SUFFIXES

    folder = Path(name).parent
    try:
        beside = [str(p) for p in folder.iterdir() if p.suffix in SUFFIXES][:1000]
    except OSError:
        beside = []
    bundled = bundled_names()
    found = nearest(name, beside) or nearest(Path(name).stem, bundled)
    if found:
        return f"did you mean `{found}`?"
    return f"the bundled specs are {', '.join(bundled)}" if bundled else None


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


# ---- writing --------------------------------------------------------------------------------------------------------


def refuse_foreign(target: str, spec: str, force: bool) -> None:
    """Raise CommandError rather than destroy the spec itself, or a file that archdsl did not make."""
    path = Path(target)
    try:
        if path.is_dir() or target.endswith(("/", os.sep)):
            raise CommandError(f"`{target}` is a folder", "name the file to write")
        if not path.is_file():
            return
    except OSError as error:  # a name that is too long
        raise CommandError(f"cannot write `{target}`: {_reason(error)}") from None
    if Path(spec).is_file() and path.samefile(spec):
        raise CommandError(f"`{target}` is the spec itself")
    if force or path.stat().st_size == 0:
        return
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            beginning = stream.read(4000)
    except OSError:
        beginning = ""
    if MARK.search(beginning) is None:
        raise CommandError(f"`{target}` exists and was not written by archdsl", "choose another name, or --force")


def print_exactly(text: str) -> None:
    """Write to standard output as UTF-8, whatever the terminal's encoding: what is written may be a file's content."""
    buffer = getattr(sys.stdout, "buffer", None)
    try:
        if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison] - it is where the caller has closed it
            raise OSError(errno.EBADF, "it is closed")
        sys.stdout.flush()
        if buffer is None:
            sys.stdout.write(text)
        else:
            buffer.write(text.encode("utf-8"))
            buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandError(f"cannot write to standard output: {_reason(error)}") from None


def write_file(name: str, text: str) -> None:
    """Write a whole file or nothing: the text goes to a file beside it, which then takes its place.

    Raises CommandError; what was there before is then untouched.
    """
    write_with(name, lambda path: _write_text(path, text))


def write_bytes(name: str, data: bytes) -> None:
    """As `write_file`, of bytes."""
    write_with(name, lambda path: path.write_bytes(data))


def write_with(name: str, write: Callable[[Path], object]) -> None:
    """Have `write` write a whole file, as `write_file` does; it is given a path beside it."""
    try:
        present = _mode(Path(name))
        path = Path(os.path.realpath(name) if present is None or stat.S_ISREG(present) else name)
        if present is not None and not stat.S_ISREG(present):
            if stat.S_ISDIR(present):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            write(path)  # a device or a pipe
            return
        _replace(path, write, present)
    except BrokenPipeError:
        raise
    except FileNotFoundError:
        raise CommandError(f"cannot write `{name}`: its folder does not exist") from None
    except (OSError, ValueError) as error:
        reason = _reason(error) if isinstance(error, OSError) else str(error)
        raise CommandError(f"cannot write `{name}`: {reason}", "what was there before is untouched") from None


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _write_text(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8"))


def _replace(path: Path, write: Callable[[Path], object], mode: int | None) -> None:
    beside = path.with_name(f".{path.name[:100]}.{os.urandom(4).hex()}.tmp")
    try:
        beside.touch(exist_ok=False)
        created = beside.stat().st_mode
        write(beside)
        with beside.open("rb+") as stream:
            os.fsync(stream.fileno())
        os.chmod(beside, stat.S_IMODE(created if mode is None else mode))
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
