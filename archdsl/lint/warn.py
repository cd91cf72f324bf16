"""All warnings of one file, in the order of the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..diagnostics import Diagnostic
from ..ir.graph import Network
from ..spec import Spec
from .biases import superfluous_biases
from .conditions import decided
from .facts import empty_facts
from .unused import unused


def warnings(spec: Spec, networks: Sequence[Network], reached: Mapping[int, object]) -> list[Diagnostic]:
    """What is probably a slip in a spec of which all variants could be built; nothing of the files it leads to.

    `reached`: the nodes of the syntax that the networks were made of, by their ids.
    """
    found = [*unused(spec), *decided(spec, reached), *empty_facts(spec, networks), *superfluous_biases(spec, networks)]
    own = [d for d in found if d.span is not None and d.span.file.name == spec.file.name]
    return sorted(own, key=lambda d: (d.span.line, d.span.column) if d.span else (0, 0))
