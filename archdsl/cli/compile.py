"""`archdsl compile`."""

from __future__ import annotations

import sys

from .. import api
from ..diagnostics import SpecError
from .files import SettingError, guarded, open_network, print_exactly, refuse_foreign, write_file
from .parser import Options


def run(options: Options) -> int:
    """Print or write the source."""
    return guarded(lambda: _run(options))


def _run(options: Options) -> int:
    target = None if options.output in (None, "-") else options.output
    if target is not None:
        refuse_foreign(target, options.file, options.force)
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
        return api.compile(network, options.names, options.inference, options.checkpoint_repeats)
    except SpecError as error:
        if any(
            diagnostic.code in ("A0507", "A1003") for diagnostic in error.diagnostics
        ):  # the request is wrong, not the spec
            raise SettingError(error.diagnostics) from None
        raise
