"""`archdsl compile`."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path

from .. import api
from .files import Failure, guarded, open_network, print_exactly, write_file
from .parser import Options, Parser, add_file, add_settings

EXAMPLES = """\
  archdsl compile lenet5
  archdsl compile resnet --set depth=34 -o resnet34.py
  archdsl compile googlenet --names torchvision -o googlenet.py
"""
MARK = "archdsl"
"""What one of the first lines of every emitted file contains."""


def arguments(parser: Parser) -> None:
    """Declare the command's arguments."""
    add_file(parser)
    add_settings(parser)
    parser.add_argument("--names", metavar="DIALECT", help="keys of the state_dict as another library has them")
    parser.add_argument("-o", "--output", metavar="OUT.py", help="the file to write (default: standard output)")
    parser.add_argument("--force", action="store_true", help="replace OUT.py even if archdsl did not write it")


def run(options: Options) -> int:
    """Print or write the source."""
    return guarded(lambda: _run(options))


def _run(options: Options) -> int:
    target = None if options.output in (None, "-") else options.output
    if target is not None:
        _refuse_foreign(target, options.file, options.force)
    source = api.compile(open_network(options.file, options.settings), options.names)
    if target is None:
        print_exactly(source)
        return 0
    write_file(target, source)
    print(f"wrote {target} ({source.count(chr(10))} lines)", file=sys.stderr)
    return 0


def _refuse_foreign(target: str, spec: str, force: bool) -> None:
    """Raise Failure rather than destroy what somebody wrote."""
    path = Path(target)
    if path.is_dir():
        raise Failure(f"`{target}` is a folder", "name the file to write: -o net.py")
    if not path.is_file():
        return
    if Path(spec).is_file() and path.samefile(spec):
        raise Failure(f"`{target}` is the spec itself")
    if force or path.stat().st_size == 0:
        return
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            first = [line[:1000] for line in islice(stream, 5)]
    except OSError:
        first = []
    if not any(MARK in line for line in first):
        raise Failure(f"`{target}` exists and was not written by archdsl", "choose another name, or --force")
