"""`archdsl draw`."""

from __future__ import annotations

import sys

from ..report.picture import picture
from .files import guarded, open_network, print_exactly, refuse_foreign, write_file
from .parser import Options


def run(options: Options) -> int:
    """Print or write the picture."""
    return guarded(lambda: _run(options))


def _run(options: Options) -> int:
    target = None if options.output in (None, "-") else options.output
    if target is not None:
        refuse_foreign(target, options.file, options.force)
    drawn = picture(open_network(options.file, options.settings))
    if target is None:
        print_exactly(drawn)
        return 0
    write_file(target, drawn)
    print(f"wrote {target}", file=sys.stderr)
    return 0
