"""Emitted source run on the meta device and held against the network it was made from."""

from __future__ import annotations

import itertools
import linecache
import types
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..ir import dims
from ..ir.graph import Invoke, Layer, Level, Network
from ..ir.keys import state_keys
from ..ir.names import walk
from ..ir.operator import Refusal
from ..ir.shapes import Shape

BATCH = 2
MAX_PLACES = 5_000
_numbers = itertools.count(1)
_SAMPLES = (64, 96, 32, 128, 224, 37, 7)


class EmissionError(RuntimeError):
    """Emitted source that is not the network: a bug of archdsl."""


def module_of(source: str) -> types.ModuleType:
    """A Python module made of emitted source, with its text at hand for tracebacks and TorchScript."""
    name = f"archdsl_emitted_{next(_numbers)}"
    filename = f"<{name}>"
    module = types.ModuleType(name)
    module.__file__ = filename
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    code = compile(source, filename, "exec", dont_inherit=True)
    exec(code, module.__dict__)  # noqa: S102 - our own emission, made of checked names and literals
    return module


def network_class(module: types.ModuleType) -> type[nn.Module]:
    """The class of the network: the last one of its file."""
    own = [v for v in vars(module).values() if isinstance(v, type) and v.__module__ == module.__name__]
    found = own[-1]
    assert issubclass(found, nn.Module)
    return found


def instantiate(source: str, device: str | None = None) -> nn.Module:
    """The network that a source defines, made without arguments."""
    module = module_of(source)
    with torch.device(device or torch.get_default_device()):
        found = network_class(module)()
    assert isinstance(found, nn.Module)
    return found


def verify(network: Network, source: str) -> None:
    """Raise EmissionError unless arrays and shapes of the emitted module are the network's."""
    try:
        module = instantiate(source, "meta")
    except Exception as error:
        raise EmissionError(f"emitted source does not run: {error}") from error
    values = sample(network)
    check_arrays(network, module, values)
    check_shapes(network, module, values)


def sample(network: Network) -> dict[str, int]:
    """Values for the symbols of a network, the first at which its shapes are sizes."""
    names = sorted({s for shape in network.inputs.values() for d in shape.dims for s in dims.symbols(d)})
    for start in _SAMPLES:
        values = {name: start + 3 * at for at, name in enumerate(names)}
        whole = all(_is_size(d, values) for s in network.root.shapes for d in (*s.dims, *(s.grid or ())))
        if whole and _accepted(network, values):
            return values
    return dict.fromkeys(names, 64)


def _accepted(network: Network, values: Mapping[str, int]) -> bool:
    """Whether every layer takes these sizes: a sequence may be longer than the places it has vectors for."""
    for place in itertools.islice(network.walk(fold=True), MAX_PLACES):
        if place.operator is not None:
            try:
                place.operator.output(*(replace(s, dims=sizes(s, values)) for s in place.inputs))
            except Refusal:
                return False
    return True


def _is_size(dim: dims.Dim, values: Mapping[str, int]) -> bool:
    found = dims.evaluate(dim, values)
    return isinstance(found, int) and found > 0


def sizes(shape: Shape, values: Mapping[str, int]) -> tuple[int, ...]:
    """A shape with its symbols replaced."""
    return tuple(int(dims.evaluate(d, values)) for d in shape.dims)


def check_arrays(network: Network, module: nn.Module, values: Mapping[str, int]) -> None:
    """Keys, shapes and order of the state_dict; which arrays are trained."""
    wanted = {
        key: (tuple(int(dims.evaluate(d, values)) for d in shape), role == "trained")
        for key, (shape, role) in state_keys(network).items()
    }
    trained = {name for name, _ in module.named_parameters()}
    found = {key: (tuple(array.shape), key in trained) for key, array in module.state_dict().items()}
    if list(found.items()) != list(wanted.items()):
        for key in [*wanted, *found]:
            if wanted.get(key) != found.get(key):
                raise EmissionError(f"array {key} should be {wanted.get(key)}, is {found.get(key)}")
        order = [(a, b) for a, b in zip(wanted, found, strict=True) if a != b]
        raise EmissionError(f"arrays in another order: {order[0][0]} should come where {order[0][1]} is")


def check_shapes(network: Network, module: nn.Module, values: Mapping[str, int]) -> None:
    """The shape of every module's output, and of the network's."""
    expected = _expected(network, values)
    seen: dict[str, tuple[int, ...]] = {}
    handles: list[Any] = []
    root: Any = module
    for path, part in root.named_modules():
        if path in expected:
            handles.append(part.register_forward_hook(_recorder(path, seen)))
    module.eval()
    inputs = [_input(shape, values) for shape in network.inputs.values()]
    try:
        with torch.no_grad():
            output: Any = root(*inputs)
    except Exception as error:
        raise EmissionError(f"emitted module does not run: {error}") from error
    finally:
        for handle in handles:
            handle.remove()
    for path, shape in seen.items():
        if shape != expected[path]:
            raise EmissionError(f"{path} should give {expected[path]}, gives {shape}")
    main = _first(output)
    if tuple(main.shape[1:]) != sizes(network.root.result, values):
        raise EmissionError(f"the output should be {network.root.result}, is {tuple(main.shape[1:])}")


def _first(output: object) -> Any:
    """The main output."""
    return cast("tuple[object, ...]", output)[0] if isinstance(output, tuple) else output


def _expected(network: Network, values: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for place in itertools.islice(walk(network.root), MAX_PLACES):
        if isinstance(place.node, Layer | Invoke | Level) and not place.training:
            found[".".join(place.path)] = sizes(place.instance.shapes[place.node.output], values)
    return found


def _recorder(path: str, seen: dict[str, tuple[int, ...]]) -> Any:
    def record(_module: nn.Module, _args: object, output: Any) -> None:
        first = _first(output)
        if isinstance(first, Tensor):
            seen.setdefault(path, tuple(first.shape[1:]))

    return record


def _input(shape: Shape, values: Mapping[str, int]) -> Tensor:
    if shape.kind == "numbers":
        return torch.zeros(BATCH, *sizes(shape, values), dtype=torch.long, device="meta")
    return torch.empty(BATCH, *sizes(shape, values), device="meta")
