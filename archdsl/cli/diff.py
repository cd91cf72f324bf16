"""`archdsl diff`."""

from __future__ import annotations

from .. import api
from ..report import json_text
from ..report.difference import difference, difference_json
from ..report.difference_text import difference_text
from .files import guarded, open_network, print_exactly
from .parser import Options


def run(options: Options) -> int:
    """Print what differs; with --exit-code 1 if anything does."""
    return guarded(lambda: _run(options))


def _run(options: Options) -> int:
    before = open_network(options.file, options.settings | options.settings_a, options.at)
    after = open_network(options.other, options.settings | options.settings_b, options.at)
    found = difference(api.analyze(before), api.analyze(after))
    if options.json:
        print_exactly(json_text(difference_json(found)))
    else:
        print(difference_text(found))
    return 1 if options.exit_code and not found.equal else 0
