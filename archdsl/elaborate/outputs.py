"""The `output` section: what a network's outputs are called, and in which order it gives them."""

from __future__ import annotations

from collections.abc import Mapping

from ..diagnostics import fail
from ..spec import Cell
from .builder import Builder


def declared(b: Builder, path: tuple[str, ...]) -> str:
    """What the output labelled so is called: as the section says, else by its label."""
    label = ".".join(path)
    b.session.side_outputs.append(label)
    return next((name for name, cell in b.file.spec.outputs.items() if cell.text == label), path[-1])


def ordered(b: Builder, outputs: Mapping[str, Cell], output: int) -> tuple[str, ...]:
    """The outputs' names in their order; empty where no section says it. Refuses a section that leaves one out."""
    main: str | None = None
    listed: set[str] = set()
    for name, cell in outputs.items():
        if cell.text in listed:
            fail("A0612", f"`{cell.text}` stands twice among the outputs", cell.span)
        listed.add(cell.text)
        if cell.text in b.session.side_outputs:
            continue
        found = b.find(tuple(cell.text.split(".")), cell.span)
        if found is None:
            return ()
        if found[1:] != (tuple(cell.text.split(".")), ()) or found[0].value != output:
            help = "an output is what the layers end with, or what `output NAME:` makes of a value"
            fail("A0612", f"`{cell.text}` is no output", cell.span, help)
        if main is None and len(listed) > 1:
            fail("A0612", f"the main output, `{cell.text}`, comes first", cell.span, _MAIN)
        main = name
    for label in b.session.side_outputs:
        if outputs and label not in listed:
            fail("A0612", f"the output `{label}` is not listed", next(iter(outputs.values())).span, _ALL)
    if outputs and main is None:
        fail("A0612", "the main output is not listed", next(iter(outputs.values())).span, _MAIN)
    return tuple(outputs)


_ALL = "`output` lists all outputs, in the order in which the module gives them"
_MAIN = "what the layers end with is the first output, listed by the label of the last item"
