"""A network as one source file: classes callee first, arguments named, helpers carried along."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from .. import expr as ex
from ..diagnostics import Diagnostic, SpecError
from ..ir.dims import show
from ..ir.extent import check_places
from ..ir.graph import Instance, Invoke, Layer, Network, Node
from ..ir.initial import Filled, expressions, silent
from ..ir.operator import Refusal
from ..ir.shapes import Constant, Listed, Size
from ..version import __version__
from . import pycode as py
from .classes import ClassWriter
from .containers import SUPER, initialised
from .counted import COUNTER
from .folding import HELPERS, Inference, fold_function, laid_out
from .formulas import FEATURES, Formal, NotEmittedError, UnmergeableError, features_beside, literal, marked
from .helper_texts import helper_texts
from .initial import Emission, Initials
from .loops import TURN
from .members import output_name, variable_name
from .outline import outlined
from .pyprint import show as print_module
from .recompute import turns_of
from .reopened import Opening, ReopenError, reopened
from .taps import Taps
from .tidy import hoisted, tidied, unshadowed
from .values import inside

_SLOTS = {"size": "kernel", "p": "p"}
_ALIASES = {"classes": "num_classes"}
_IMPORTED = {
    "collections": ("OrderedDict",), "collections.abc": ("Callable",), "contextlib": ("nullcontext",),
    "typing": ("Any", "NamedTuple"),
}  # fmt: skip
_TAKEN = frozenset({"self", "x", "torch", "nn", "F", "Tensor", "super", "range", "OrderedDict", "min", "max", "round"})


@dataclass(frozen=True)
class Parameter:
    """An argument of an emitted class: the formal, its name in Python, its default."""

    formal: Formal
    python: str
    default: py.Expr | None
    annotation: py.Expr


class Emitter:
    """Emits one network."""

    def __init__(
        self,
        network: Network,
        title: str,
        inference: Inference | None = None,
        fills: Mapping[str, Filled] | None = None,
        checkpoint: bool = False,
    ) -> None:
        self.outline = outlined(network, checkpoint)
        self.root = self.outline.root
        self.turns = turns_of(network, self.root) if checkpoint else None
        self.network = network
        self.inference = inference
        self.fills = fills or {}
        self.endings: dict[int, list[py.Stmt]] = {}
        """The statements that constructors end with, by the identity of their class's writer."""
        self.used: set[str] = set()
        self.writers: dict[int, ClassWriter] = {}
        self.order: list[ClassWriter] = []
        self.groups = self.grouped()
        self.taps = Taps(instance for group in self.groups.values() for instance in group)
        self.class_names: set[str] = {"Tensor", "OrderedDict"}
        self._parameters: dict[int, tuple[Parameter, ...]] = {}
        self.functions: dict[str, py.Expr] = {}
        self.tuples: dict[int, py.ClassDef] = {}
        self.root_name = self.class_name(title, "Network")
        self.pinned = _pinned(network)

    def use(self, name: str) -> None:
        """Note a torch name or a helper that the file mentions."""
        self.used.add(name)

    def function(self, name: str, body: py.Expr) -> str:
        """A function of `x` that the file defines: what a def of the spec abbreviates."""
        base, number = variable_name(name), 2
        name = base
        while self.functions.setdefault(name, body) != body or name in helper_texts():
            name, number = f"{base}{number}", number + 1
        return name

    def class_name(self, words: str, fallback: str) -> str:
        """A name in camel case that no other class has."""
        parts = "".join(c if c.isascii() and c.isalnum() else " " for c in words).split()
        name = "".join(p[0].upper() + p[1:] for p in parts) or fallback
        if name[0].isdigit():
            name = f"Net{name}"
        if not py.identifier(name) or name in helper_texts():
            name += "Block"
        base, number = name, 2
        while name in self.class_names:
            name, number = f"{base}{number}", number + 1
        self.class_names.add(name)
        return name

    def writer(self, instance: Instance) -> ClassWriter:
        """The class of an instance, written with all instances of its definition; split where they cannot be one."""
        if id(instance) in self.writers:
            return self.writers[id(instance)]
        group = self.groups[self.key(instance)]
        root = instance is self.root
        pinned = self.pinned if instance.scope is self.root.scope else frozenset[str]()
        name = self.root_name if root else self.class_name(self.called(instance), "Block")
        for alike in self.alike(instance, group):
            others = [i for i in group if i not in alike]
            for other in others:
                if id(other) not in self.writers:
                    self.groups[self.key(other)] = others
            try:
                return self.write(alike, name, pinned)
            except UnmergeableError:
                pass
        raise NotEmittedError(f"the instances of `{instance.name or instance.scope.title}` differ too much")

    def writer_of(self, instance: Instance) -> ClassWriter:
        """The class of an instance of the network as it was given, before levels were cut out."""
        return self.writer(self.outline.made.get(id(instance), instance))

    def alike(self, instance: Instance, group: list[Instance]) -> Iterator[list[Instance]]:
        """The instances that might share a class with one: all, what the same lines gave or what is built alike, what is
        also of the same kinds of values, it alone."""
        yield group
        size = len(group)
        origin = self.outline.origins.get(id(instance))
        same = [i for i in group if self.outline.origins.get(id(i)) == origin]
        built = [i for i in group if _structure(i) == _structure(instance)]
        kinds = [i for i in built if _kinds(i) == _kinds(instance)]
        for found in (same if len(same) < size else built, kinds, [instance]):
            if len(found) < size:
                size = len(found)
                yield found

    def called(self, instance: Instance) -> str:
        """What the class of an instance is called after: its module, its file, its level without a number."""
        if not self.outline.was_level(instance):
            return instance.name or instance.scope.title
        return " ".join(word.rstrip("0123456789_-.") or word for word in instance.name.split())

    def grouped(self) -> dict[object, list[Instance]]:
        """Every instance of every definition that the network reaches, in the order met; of levels, those built alike."""
        found: dict[object, list[Instance]] = {}
        for instance in _instances(self.root):
            found.setdefault(self.key(instance), []).append(instance)
        return found

    def key(self, instance: Instance) -> object:
        return self.outline.likeness.get(id(instance)) or _key(instance)

    def write(self, instances: list[Instance], name: str, pinned: frozenset[str]) -> ClassWriter:
        writer = ClassWriter(self, instances, name, pinned)
        origins = {self.outline.origins.get(id(i)) for i in instances}
        if len(origins) > 1 and any(n.endswith("_") for n in writer.formulas.formals):
            raise UnmergeableError  # levels written in several places that differ in more than a person would pass
        for instance in instances:
            self.writers[id(instance)] = writer
        self.order.append(writer)
        return writer

    # -- arguments

    def parameters_of(self, writer: ClassWriter) -> tuple[Parameter, ...]:
        """The arguments of a class in order: what comes in, the heading's, what else it needs."""
        if id(writer) not in self._parameters:
            self._parameters[id(writer)] = tuple(self._named(writer))
        return self._parameters[id(writer)]

    def _named(self, writer: ClassWriter) -> Iterator[Parameter]:
        instance = writer.lanes[0].instance
        heading = dict(instance.formals)
        formals = writer.formulas.formals
        beside = [features_beside(instance, at) for at in range(1, len(instance.entry))]
        order = [FEATURES, *instance.sizes, *beside, *heading]
        kept = [formals[n] for n in order if n in formals] + [f for n, f in formals.items() if n not in order]
        kept.sort(key=lambda f: self._default(writer, f, heading) is not None)
        taken: dict[str, str] = {}
        claims = [_slot(f, writer) for f in kept]
        for formal in kept:
            name = _python_name(formal, writer, claims)
            while name in taken or name in _TAKEN or not py.identifier(name):
                name += "_"
            taken[name] = formal.name
            yield Parameter(formal, name, self._default(writer, formal, heading), _annotation(formal))

    def _default(self, writer: ClassWriter, formal: Formal, heading: dict[str, ex.Expr | None]) -> py.Expr | None:
        if writer.is_root and formal.name in self.pinned:
            return literal(formal.values[0])
        written = heading.get(formal.name)
        if written is None or not writer.formulas.constant(written):
            return None
        values = writer.formulas.values(written)
        return None if values is None else writer.formulas.classes(literal(values[0]), formal.modules)

    # -- the file

    def source(self) -> str:
        """The text of the file."""
        self.writer(self.root)
        if self.fills:
            emission = Emission(self.network, self.order, self.writer_of)
            self.endings = Initials(emission, self.fills).statements()
        if self.inference is not None:
            self.endings = {id(self.writer(self.root)): laid_out(self.network)}
        functions = tuple(_function(name, body) for name, body in self.functions.items())
        made = tuple(self.class_of(writer) for writer in self.order)
        fold = fold_function(self.inference) if self.inference is not None else None
        classes = (*functions, *made[:-1], *self.tuples.values(), *made[-1:], *(() if fold is None else (fold,)))
        text = print_module(py.Module(None, classes))
        self.used |= {helper for helper in HELPERS if fold is not None and f"{helper}(" in text}
        helpers = self.helper_source()
        mentioned = text + helpers
        modules = set(re.findall(r"(?<![\w.\"])(math|torch|F)\.", mentioned))
        imports: list[py.Stmt] = [py.Import("math")] if "math" in modules else []
        for module, names in _IMPORTED.items():
            after = r"\b" if module == "typing" else r"[(\[]"
            found = tuple(name for name in names if re.search(rf"\b{name}{after}", mentioned))
            if found:
                imports.append(py.ImportFrom(module, found))
        if "torch" in modules:
            imports.append(py.Import("torch"))
        if "F" in modules:
            imports.append(py.Import("torch.nn.functional", "F"))
        imports.append(py.ImportFrom("torch", ("Tensor", "nn")))
        if "checkpoint(" in mentioned:
            imports.append(py.ImportFrom("torch.utils.checkpoint", ("checkpoint",)))
        head = print_module(py.Module(self.docstring(), tuple(imports)))
        return "\n\n\n".join(part.strip("\n") for part in (head, helpers, text) if part.strip()) + "\n"

    def docstring(self) -> str:
        net = self.network
        said = ". ".join(part.strip(". ") for part in (net.title, net.source) if part.strip(". "))
        lines = [f"{said}." if said else ""]
        file = net.file.replace("\\", "/").rpartition("/")[2]
        form = "" if self.inference is None else ", for inference"
        form += "" if self.turns is None else ", its repeats checkpointed"
        lines.append(f"Made by archdsl {__version__} from {file}{self.chosen()}{form}.")
        return "\n".join(line for line in lines if line)

    def chosen(self) -> str:
        """The parameters that made this network."""
        hidden = self.pinned | silent(self.network)
        shown = [f"{n} {_shown(v)}" for n, v in self.network.parameters.items() if n not in hidden]
        return f" with {', '.join(shown)}" if shown else ""

    def helper_source(self) -> str:
        """The helpers that the classes mention, with those that these mention."""
        for writer in self.order:
            self.used |= writer.formulas.helpers
        texts = helper_texts()
        wanted: set[str] = set()
        waiting = [n for n in self.used if n in texts]
        while waiting:
            name = waiting.pop()
            if name not in wanted:
                wanted.add(name)
                waiting.extend(texts[name][1])
        return "\n\n\n".join(texts[n][0] for n in texts if n in wanted)

    def class_of(self, writer: ClassWriter) -> py.ClassDef:
        parameters = self.parameters_of(writer)
        names = {marked(p.formal.name).id: p.python for p in parameters}
        if writer.base == "nn.Sequential":
            names[marked(TURN).id] = "i"
        names[COUNTER] = "i" if "i" not in names.values() else "i_"
        instance = writer.lanes[0].instance
        arguments = tuple(py.Param(p.python, p.annotation, p.default) for p in parameters)
        made = hoisted(tidied(tuple(writer.init), names))
        if not initialised(made):
            made = (py.ExprStmt(py.Call(SUPER)), *made)
        made = (*made, *tidied(tuple(self.endings.get(id(writer), ())), names))
        init = py.FunctionDef("__init__", (py.Param("self"), *arguments), py.Lit(None), made)
        values = [py.Param(n, py.Name("Tensor")) for n in _entry_variables(writer)]
        returns: py.Expr = py.Name("Tensor")
        if writer.sides:
            returns = py.Name(self.outputs(writer))
            if all(training for _, training in writer.sides):
                returns = py.Bin("|", py.Name("Tensor"), returns)
        if writer.returned:
            returns = py.Index(py.Name("tuple"), (py.Name("Tensor"),) * (1 + len(writer.returned)))
        forward = unshadowed(py.FunctionDef("forward", (py.Param("self"), *values), returns, tuple(writer.forward)))
        body = (init, forward) if writer.forward else (init,)
        made = py.ClassDef(writer.name, self.bases(writer), body, self.class_docstring(writer, instance))
        return tidied(made, names)

    def bases(self, writer: ClassWriter) -> tuple[py.Expr, ...]:
        """What a class is derived from."""
        turns = self.turns
        if turns is None or not any(id(lane.instance) in turns.instances for lane in writer.lanes):
            return (py.Name(writer.base),)
        turns.found = True
        self.use(turns.base)
        own = () if writer.base == "nn.Module" else (py.Name(writer.base),)
        return (py.Name(turns.base), *own)

    def level_docstring(self, writer: ClassWriter) -> str:
        """Which level of the spec a class is; what comes in and out of it where that is always the same."""
        names = list(dict.fromkeys(lane.instance.name for lane in writer.lanes))
        turns = any(name.endswith(" block") for name in names)
        labels = [f"`{name.removesuffix(' block')}`" for name in names]
        level = f"level {labels[0]}" if len(labels) == 1 else f"levels {', '.join(labels[:-1])} and {labels[-1]}"
        if len(labels) > 3:
            level = f"levels {labels[0]} to {labels[-1]}"
        shapes = {(str(i.shapes[i.entry[0]]), str(i.result)) for i in (lane.instance for lane in writer.lanes)}
        found = f"One turn of {level.partition(' ')[2]}" if turns else f"The {level}"
        return f"{found}: {' to '.join(dict.fromkeys(shapes.pop()))}." if len(shapes) == 1 else f"{found}."

    def outputs(self, writer: ClassWriter) -> str:
        """The class of the tuple that a network with side outputs returns."""
        if id(writer) not in self.tuples:
            name = self.class_name(f"{writer.name}Outputs", "Outputs")
            tensor = py.Name("Tensor")
            sides = dict(writer.sides)
            fields = [
                py.Declare(field, py.Bin("|", tensor, py.Lit(None)) if sides.get(field) else tensor)
                for field in self.output_fields(writer)
            ]
            self.tuples[id(writer)] = py.ClassDef(name, (py.Name("NamedTuple"),), tuple(fields))
        return self.tuples[id(writer)].name

    def output_fields(self, writer: ClassWriter) -> tuple[str, ...]:
        """The names of the outputs as the network gives them; unless the spec says otherwise the main one comes first."""
        if self.network.outputs:
            return tuple(map(output_name, self.network.outputs))
        return (self.main_output(writer), *(side for side, _ in writer.sides))

    def main_output(self, writer: ClassWriter) -> str:
        """What the main output is called among others: a classifier's are logits."""
        classes = any(name in _ALIASES for name in self.pinned)
        name = "logits" if classes else "output"
        return f"{name}_" if name in {side for side, _ in writer.sides} else name

    def class_docstring(self, writer: ClassWriter, instance: Instance) -> str:
        if self.outline.was_level(instance):
            return self.level_docstring(writer)
        if instance is not self.root:
            return f"`{instance.heading}`" if instance.heading else instance.name
        title, inputs = self.network.title or "The network", self.network.inputs
        if len(inputs) == 1:
            (shape,) = inputs.values()
            given = f"inputs of length {shape}" if shape.below is not None else f"{shape} inputs"
            return f"{title} for {given}{_counted(self.network)}."
        *first, last = (f"{name} ({shape})" for name, shape in inputs.items())
        return f"{title} for {', '.join(first)} and {last}{_counted(self.network)}."


def _counted(network: Network) -> str:
    """How many parameters a network has, where that is a number."""
    counts = {False: 0, True: 0}
    check_places(network.root, fold=True)
    for place in network.walk(fold=True):
        for array in place.tensors.values():
            if array.role == "trained":
                if not isinstance(array.count, int):
                    return ""
                counts[place.training] += place.times * array.count
    training = f", {sum(counts.values()):,} in training" if counts[True] else ""
    return f": {counts[False]:,} parameters{training}" if any(counts.values()) else ""


def emit_source(
    network: Network,
    inference: Inference | None = None,
    fills: Mapping[str, Filled] | None = None,
    checkpoint: bool = False,
) -> str:
    """The source of a network, or of its form for inference; raises SpecError for what cannot be written yet."""
    try:
        return _written(network, inference, fills, checkpoint)
    except (NotEmittedError, Refusal, UnmergeableError) as error:
        why = str(error) or "instances of one module differ too much"
        message = f"this network cannot be written as PyTorch source yet: {why}"
        span, help = (error.span, error.help) if isinstance(error, NotEmittedError) else (None, None)
        raise SpecError([Diagnostic("A1001", message, span, help=help)]) from None


def _written(
    network: Network, inference: Inference | None, fills: Mapping[str, Filled] | None, checkpoint: bool
) -> str:
    """The source, what `again` asks for written out."""
    openings: frozenset[Opening] = frozenset()
    while True:
        opened = replace(network, root=reopened(network.root, openings))
        try:
            emitter = Emitter(opened, network.title, inference, fills, checkpoint)
            text = emitter.source()
            if emitter.turns is not None and not emitter.turns.found:
                message = "nothing is repeated here that could be computed again"
                help = "repeats are `[...] x n` and `for`, with more than one turn of several layers"
                raise SpecError([Diagnostic("A1003", message, help=help)])
            return text
        except ReopenError as error:
            if error.opening in openings:
                what = ".".join(error.opening.path)
                raise NotEmittedError(
                    f"`{what}`, which is used again where it would have to be made otherwise"
                ) from None
            openings |= {error.opening}


def _function(name: str, body: py.Expr) -> py.FunctionDef:
    tensor = py.Name("Tensor")
    return py.FunctionDef(name, (py.Param("x", tensor),), tensor, (py.Return(body),))


# ---- what the network is made of ------------------------------------------------------------------------------------


def _key(instance: Instance) -> tuple[str, str, int]:
    return instance.scope.file, instance.name, 0 if instance.name else id(instance.scope)


def _instances(root: Instance) -> list[Instance]:
    """Every instance that the network reaches, in the order met."""
    found: dict[int, Instance] = {}

    def visit(instance: Instance) -> None:
        if id(instance) in found:
            return
        found[id(instance)] = instance
        for node in _nodes(instance.body):
            if isinstance(node, Invoke):
                visit(node.instance)

    visit(root)
    return list(found.values())


def _nodes(body: tuple[Node, ...]) -> Iterator[Node]:
    for node in body:
        yield node
        for inner in inside(node):
            yield from _nodes(inner)


def _structure(instance: Instance) -> tuple[object, ...]:
    """What decides the skeleton of an instance: conditions taken and counts of repeats, all the way down."""
    found: list[object] = []
    for node in _nodes(instance.body):
        kind = type(node).__name__
        detail = getattr(node, "taken", None)
        runs = tuple(r.count for r in getattr(node, "runs", ()))
        operator = getattr(node, "operator", None)
        word = getattr(operator, "word", getattr(node, "word", None))
        inner = _structure(node.instance) if isinstance(node, Invoke) else None
        found.append((kind, detail, runs, word, inner))
    return tuple(found)


def _kinds(instance: Instance) -> list[tuple[str, int]]:
    """Of which kind the values of an instance are, and of how many axes."""
    return [(shape.kind, len(shape.dims)) for shape in instance.shapes]


def _pinned(network: Network) -> frozenset[str]:
    """File parameters that stay arguments: numbers that only say how wide the last layers are."""
    root = network.root
    numbers = {n for n, v in root.scope.names.items() if isinstance(v, int) and not isinstance(v, bool)}
    as_width: set[str] = set()
    other: set[str] = set()
    for instance in (i for i in _instances(root) if i.scope is root.scope):
        widths = _last_widths(instance)
        for node in _nodes(instance.body):
            for name, expression in getattr(node, "expressions", ()):
                bare = isinstance(expression, ex.Name) and name == "width" and id(node) in widths
                (as_width if bare else other).update(ex.names_in(expression))
            for test in [*getattr(node, "tests", ()), getattr(node, "test", None), getattr(node, "over", None)]:
                if test is not None:
                    other.update(ex.names_in(test))
            label = getattr(node, "label", None)
            if label is not None and label.written is not None:
                other.update(ex.names_in(label.written))
    for expression in expressions(network):
        other.update(ex.names_in(expression))
    return frozenset((numbers & as_width) - other)


def _last_widths(instance: Instance) -> set[int]:
    """Layers after which nothing of the instance depends on the width: the features of its output are theirs."""
    last: set[int] = set()
    wanted = {instance.output}
    for node in reversed(list(_nodes(instance.body))):
        output = getattr(node, "output", None)
        if type(node).__name__ == "SideOutput":
            wanted.add(node.value)  # type: ignore[union-attr]
        if output not in wanted:
            continue
        if not isinstance(node, Layer):
            continue
        arrays = node.operator.tensors(*(instance.shapes[v] for v in node.inputs))
        if arrays and any(a.name == "width" for a in node.operator.arguments()):
            last.add(id(node))
        elif not arrays and not any(a.name == "width" for a in node.operator.arguments()):
            wanted.update(node.inputs)
    return last


# ---- names ----------------------------------------------------------------------------------------------------------


def _slot(formal: Formal, writer: ClassWriter) -> str | None:
    if len(formal.name) > 2 or len(formal.slots) != 1 or formal.name in writer.lanes[0].instance.sizes:
        return None
    slot = next(iter(formal.slots))
    return _SLOTS.get(slot, slot)


def _python_name(formal: Formal, writer: ClassWriter, claims: list[str | None]) -> str:
    if formal.name == FEATURES or formal.name in writer.lanes[0].instance.sizes:
        return _size_name(formal, writer)
    if formal.name.startswith("#"):
        return formal.name[1:]
    slot = _slot(formal, writer)
    if slot is not None and claims.count(slot) == 1 and py.identifier(slot):
        return slot
    name = _ALIASES.get(formal.name, formal.name)
    return name.lower() if name.isupper() and len(name) > 1 else name


def _size_name(formal: Formal, writer: ClassWriter) -> str:
    instance = writer.lanes[0].instance
    shape = instance.shapes[instance.entry[0]]
    features = formal.name == FEATURES or instance.sizes[formal.name] == shape.features
    if features:
        return "in_channels" if shape.kind == "map" else "in_features"
    names = {"H": "height", "W": "width", "T": "length", "D": "in_features"}
    return names.get(formal.name, formal.name)


def _annotation(formal: Formal) -> py.Expr:
    kinds = {type(v) for v in formal.values}
    if formal.modules:
        return py.Index(py.Name("type"), py.Name("nn.Module"))
    for kind in (bool, int, str):
        if kinds == {kind}:
            return py.Name(kind.__name__)
    if kinds == {Listed}:
        return py.Index(py.Name("list"), py.Name("int"))
    lengths = {len(v) for v in formal.values if isinstance(v, tuple)}
    if lengths:
        many = lengths.pop() if len(lengths) == 1 else 0
        sizes = py.Index(py.Name("tuple"), (py.Name("int"),) * many or (py.Name("int"), py.Lit(...)))
        return py.Bin("|", py.Name("int"), sizes) if int in kinds else sizes
    return py.Name("float")


def _entry_variables(writer: ClassWriter) -> list[str]:
    names = writer.lanes[0].instance.entry_names
    return ["x" if len(names) == 1 or n == "x" else variable_name(n) for n in names]


def _shown(value: Constant) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Size):
        return repr(value)
    if isinstance(value, Fraction) and Fraction(f"{float(value):g}") == value:
        return f"{float(value):g}"
    return value if isinstance(value, str) else show(value) if isinstance(value, int) else str(value)


# ---- helpers --------------------------------------------------------------------------------------------------------


__all__ = ["Callable", "Emitter", "emit_source"]
