"""The intermediate representation: a network, its arguments bound, its conditions decided, hierarchy and repeats kept.

The parts it is made of are in `ir.nodes`; this module has the whole, and all of their names. A `Network` can be walked,
asked for a place by its path, and written as JSON (`ir.json_form` reads it back).
"""

from __future__ import annotations

from collections.abc import Iterator

from ..diagnostics import did_you_mean
from ..records import dataclass
from .names import Place, beside, find, walk
from .nodes import (
    Arm,
    Body,
    Choice,
    Claim,
    Dialect,
    Fill,
    Init,
    Instance,
    Invoke,
    Join,
    Label,
    Layer,
    Level,
    Line,
    Look,
    Names,
    Node,
    Repeat,
    Residual,
    Reuse,
    Run,
    Scope,
    SideOutput,
)  # fmt: skip
from .shapes import Shape


class NoSuchPlaceError(KeyError):
    """There is no layer, module or level at a path."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A network at one choice of parameters.

    >>> import archdsl
    >>> net = archdsl.load("lenet5")
    >>> str(net["C3"].output), net["C3"].tensors["weight"].shape
    ('16x10x10', (60, 5, 5))
    """

    title: str
    source: str
    parameters: Names
    root: Instance
    dialects: tuple[Dialect, ...] = ()
    claims: tuple[Claim, ...] = ()
    file: str = ""
    outputs: tuple[str, ...] = ()
    """The outputs' names in the order in which they are given; empty: the main one, then the others as written."""

    @property
    def inputs(self) -> dict[str, Shape]:
        """The inputs by name."""
        return {name: self.root.shapes[v] for name, v in zip(self.root.entry_names, self.root.entry, strict=True)}

    def walk(self, fold: bool = False) -> Iterator[Place]:
        """Every layer, call and level in the order written, the outer before the inner, made as they are asked for.

        With `fold` the first of equal iterations stands for all of them (`Place.times`).
        """
        return walk(self.root, fold)

    def __getitem__(self, path: str) -> Place:
        """The layer, call or level at a path such as `layer3.5.conv2`. Raises NoSuchPlaceError, a KeyError."""
        place = find(self.root, tuple(path.split(".")))
        if place is None:
            known = beside(self.root, tuple(path.split(".")))
            near = known[0] if len(known) == 1 else None
            counted = path.rpartition(".")[2].isdecimal()  # of numbers none is closer to what was meant
            help = f"did you mean `{near}`?" if near else (not counted and did_you_mean(path, known)) or _listed(known)
            raise NoSuchPlaceError(f"nothing is called `{path}` in this network; {help}")
        return place

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and find(self.root, tuple(path.split("."))) is not None

    def to_json(self) -> str:
        """The network as JSON text, the same for equal networks; `archdsl.from_json` reads it. See `ir.json_form`."""
        from .json_tables import document  # not every use of a network writes it

        return document(
            self.root,
            title=self.title,
            source=self.source,
            file=self.file,
            parameters=self.parameters,
            dialects=self.dialects,
            claims=self.claims,
            outputs=self.outputs,
        )


def _listed(names: list[str]) -> str:
    return f"there are {', '.join(names[:12])}" if names else "nothing has a name there"


__all__ = [
    "Arm", "Body", "Choice", "Claim", "Dialect", "Fill", "Init", "Instance", "Invoke", "Join", "Label", "Layer", "Level", "Line",
    "Look", "Names", "Network", "NoSuchPlaceError", "Node", "Place", "Repeat", "Residual", "Reuse", "Run", "Scope",
    "Shape", "SideOutput",
]  # fmt: skip
