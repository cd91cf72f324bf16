"""The public functions: text or file -> network -> analysis, source, module."""

from __future__ import annotations

import gc
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from . import limits
from .analysis import Analysis
from .analysis import analyze as _analyze
from .diagnostics import Collector, SourceFile, SpecError
from .elaborate.files import Library, find_spec
from .elaborate.network import Elaborator
from .elaborate.parameters import Parameters, rows_as_variants
from .ir.graph import Network
from .ir.shapes import Constant, Size
from .spec import Cell, Spec, read_cell
from .syntax.containers import decode
from .syntax.sections import Fragment, SourceLine

if TYPE_CHECKING:
    from torch import Tensor, nn

Parameter = int | float | bool | str | tuple[int, ...] | list[int]
"""What a parameter may be set to: a number, yes or no, or text as a spec would have it (`"3x3"`, `"D"`)."""


def load(path: str | PathLike[str], /, *, at: Mapping[str, int] | None = None, **parameters: Parameter) -> Network:
    """The network of a spec file, or of a bundled spec by its name.

    `parameters` change the file's own: `load("resnet", depth=34)`; `at` gives values to symbols of its inputs:
    `load("gpt2", at={"T": 1024})`. Raises SpecError for a spec that is wrong (with
    every mistake found), OSError for a file that cannot be read.

    >>> load("resnet", depth=34).root.result.dims
    (1000,)
    """
    project = Project(path)
    return project.network(project.overrides(parameters), at)


def loads(
    text: str, /, *, name: str = "<string>", folder: str | PathLike[str] | None = None, **parameters: Parameter
) -> Network:
    """The network of a spec given as text, in YAML or as `.arch`.

    `folder` is where `extends` and `use` look; without it a spec stands alone.

    >>> loads("input: 3x32x32\\nlayers: conv 3x3, 8").root.result.dims
    (8, 32, 32)
    """
    project = Project(
        None, decode(name, text.encode("utf-8", "surrogatepass")), None if folder is None else Path(folder)
    )
    return project.network(project.overrides(parameters))


def analyze(network: Network) -> Analysis:
    """Shapes, parameters, multiply-adds, connections, and the facts checked; nothing is run.

    >>> analyze(load("lenet5")).totals.of(training=False).parameters
    60000
    """
    with uncollected():
        return _analyze(network)


def from_json(text_or_object: str | bytes | Mapping[str, object]) -> Network:
    """The network that `Network.to_json` wrote, to be analysed and compiled like any other.

    Raises `archdsl.ir.json_form.IRFormatError`, a ValueError, for anything else.

    >>> net = load("lenet5")
    >>> analyze(from_json(net.to_json())).totals == analyze(net).totals
    True
    """
    from .ir import json_form

    return json_form.from_json(text_or_object)


def compile(
    network: Network, names: str | None = None, inference: bool = False, checkpoint_repeats: bool = False
) -> str:
    """PyTorch source for a network: one file that imports only torch, one class a module of the spec.

    `names` chooses a dialect of the spec for the keys of the state_dict. Where torch is installed the source is run on
    the meta device and held against the shapes and keys of the network before it is returned.

    With `inference` it is the network as it is used once trained: each batch norm is folded into the layer before it,
    dropouts and outputs for training are gone, and a function `fold` of the source converts trained weights.

    With `checkpoint_repeats` what the turns of repeats compute in training is computed again for the gradient
    (`torch.utils.checkpoint`), so that less memory is needed. Raises SpecError (A1003) where nothing is repeated.

    >>> "nn.BatchNorm2d" in compile(load("resnet", depth=18), inference=True)
    False
    """
    from .torch_backend import emit

    return emit(network, names, inference, checkpoint_repeats)


def build(
    network: Network,
    names: str | None = None,
    weights: str | PathLike[str] | Mapping[str, Tensor] | None = None,
    dialect: str | None = None,
    checkpoint_repeats: bool = False,
) -> nn.Module:
    """The network as an nn.Module in memory, made from the same source that `compile` gives. Needs torch.

    `weights`, a file or a state_dict, are loaded strictly; `dialect` says whose names they have (default: the spec's
    own). Raises `archdsl.WeightsError` with every key that is missing, left over or of another shape.

    >>> lenet = build(load("lenet5"))
    >>> again = build(load("lenet5"), weights=lenet.state_dict())
    >>> bool((again.C1.weight == lenet.C1.weight).all())
    True
    """
    from .torch_backend import build as _build

    return _build(network, names, weights, dialect, checkpoint_repeats)


def convert_weights(
    network: Network,
    weights: str | PathLike[str] | Mapping[str, Tensor],
    source: str | None = None,
    target: str | None = None,
) -> dict[str, Tensor]:
    """A state_dict, or the file of one, under the names of another dialect: split, merged and transposed as it is there.

    Without `source` or `target` the names are the spec's own. Raises as `build`. Needs torch.

    >>> net = load("gpt2", vocab=10, context=8)
    >>> state = build(net).state_dict()
    >>> theirs = convert_weights(net, state, target="huggingface")
    >>> state["transformer.h.0.attn.qkv.weight"].shape, theirs["transformer.h.0.attn.c_attn.weight"].shape
    (torch.Size([2304, 768]), torch.Size([768, 2304]))
    """
    from .torch_backend import convert_weights as _convert

    return _convert(network, weights, source, target)


class Project:
    """A spec read once, from which networks at any choice of parameters are made."""

    def __init__(
        self, path: str | PathLike[str] | None, text: SourceFile | None = None, folder: Path | None = None
    ) -> None:
        collector = Collector()
        if text is not None:
            self.library = Library(folder, collector)
            with uncollected():
                self.spec = self.library.read(text, folder)
        else:
            assert path is not None
            found = find_spec(str(path))
            self.library = Library(found.parent, collector)
            with uncollected():
                self.spec = self.library.open(found)
        self.reached: dict[int, object] = {}
        """The nodes of the syntax that any network asked for was made of, by their ids."""

    def network(self, overrides: Mapping[str, Constant], at: Mapping[str, int] | None = None) -> Network:
        """The network at some parameters, and `at` some sizes of its inputs; raises SpecError with every mistake found."""
        collector = Collector()
        elaborator = Elaborator(self.library, collector)
        network: Network | None = None
        try:
            with uncollected():
                network = elaborator.network(self.spec, overrides, at)
        except SpecError as error:
            elaborator.take(error)
        self.reached |= elaborator.reached
        collector.raise_errors()
        assert network is not None
        return network

    def overrides(self, parameters: Mapping[str, Parameter]) -> dict[str, Constant]:
        """Parameters given from outside, text read as the cell of a table would be."""
        resolver = Parameters(self.spec, {})
        return {name: _constant(name, value, resolver) for name, value in parameters.items()}

    def variants(self) -> list[dict[str, Constant]]:
        """The file's own choice, then every row of every table of variants."""
        resolver = Parameters(self.spec, {})
        found: list[dict[str, Constant]] = [{}]
        found.extend({head: resolver.cell(cell)} for _, head, cell, _ in rows_as_variants(self.spec))
        return found


@contextmanager
def uncollected() -> Generator[None]:
    """Without Python's search for cycles: what is made here is kept, and the search would visit all of it again and again."""
    running = gc.isenabled()
    gc.disable()
    try:
        with limits.room_to_recurse():
            yield
    finally:
        if running:
            gc.enable()


def _constant(name: str, value: Parameter, resolver: Parameters) -> Constant:
    if isinstance(value, list | tuple):
        return tuple(value)
    if not isinstance(value, str):
        return value
    file = SourceFile(f"{name}={value}", value)
    cell: Cell = read_cell(Fragment(file, (SourceLine(value, 1, 1),), True))
    return resolver.cell(cell)


__all__ = [
    "Project", "Size", "Spec", "analyze", "build", "compile", "convert_weights", "from_json", "load", "loads",
]  # fmt: skip
