"""`archdsl compile`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from .. import api
from ..diagnostics import SpecError
from .files import CommandError, SettingError, guarded, open_network, print_exactly, write_file
from .parser import Options

MARK = re.compile(r"\A(?:.*\n){0,4}.*archdsl|^Made by archdsl", re.MULTILINE)
"""What the beginning of every emitted file contains."""


def run(options: Options) -> int:
    """Print or write the source."""
    return guarded(lambda: _run(options))


def _run(options: Options) -> int:
    target = None if options.output in (None, "-") else options.output
    if target is not None:
        _refuse_foreign(target, options.file, options.force)
    source = _source(options)
    if target is None:
        print_exactly(source)
        return 0
    write_file(target, source)
    print(f"wrote {target} ({source.count(chr(10))} lines)", file=sys.stderr)
    return 0


def _source(options: Options) -> str:
    network = open_network(options.file, options.settings)
    try:
        return api.compile(network, options.names)
    except SpecError as error:
        if any(diagnostic.code == "A0507" for diagnostic in error.diagnostics):  # the request is wrong, not the spec
            raise SettingError(error.diagnostics) from None
        raise


def _refuse_foreign(target: str, spec: str, force: bool) -> None:
    """Raise CommandError rather than destroy what somebody wrote."""
    path = Path(target)
    if path.is_dir():
        raise CommandError(f"`{target}` is a folder", "name the file to write: -o net.py")
    if not path.is_file():
        return
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
