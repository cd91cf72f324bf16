"""What is under the keys of a weight file: how a dialect stores the arrays of a network, and what does not fit.

Nothing here holds numbers. `storage` says which rows of which arrays are under a key; `torch_backend.weights` moves them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import field

from ..diagnostics import Diagnostic, SpecError
from ..records import dataclass
from . import dims
from .dialects import Renamed, Renamer, find_dialect, span_of
from .dims import Dim
from .graph import Dialect, Network
from .keys import Entry, Listing, entries, state

Sizes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of an array of the network, from `start` on and before `stop`; of a single number, the number."""

    key: str
    start: Dim
    stop: Dim


@dataclass(frozen=True, slots=True)
class Stored:
    """An array as a dialect stores it: pieces one after the other, then transposed or not.

    `keys` are its names, several if the dialect keeps it twice. `shape` is that of the array as stored.
    """

    keys: tuple[str, ...]
    shape: tuple[Dim, ...]
    pieces: tuple[Piece, ...]
    transposed: bool = False

    def fits(self, shape: Sizes) -> bool:
        """Whether an array of this shape may be the one; a symbol stands for any size."""
        return len(shape) == len(self.shape) and all(
            wanted == size or not isinstance(wanted, int) for wanted, size in zip(self.shape, shape, strict=True)
        )


def storage(network: Network, dialect: str | None = None) -> tuple[Stored, ...]:
    """The arrays under each key of a dialect, or of the network's own names, in the network's order.

    Raises SpecError: A0507 for a dialect the spec does not have, A0506, A0508 and A0509 for rules that do not come out.

    >>> import archdsl
    >>> storage(archdsl.load("lenet5"))[0]
    Stored(keys=('C1.weight',), shape=(6, 1, 5, 5), pieces=(Piece(key='C1.weight', start=0, stop=6),), transposed=False)
    """
    found = find_dialect(network, dialect) if dialect is not None else Dialect("", (), own=True)
    stored, _, mistakes = _stored(Renamer(found), state(network))
    if mistakes:
        raise SpecError(mistakes)
    return stored


def check_dialects(networks: Iterable[Network], listed: Listing = entries) -> list[Diagnostic]:
    """What is wrong with the dialects of a spec, given its variants; `listed` is asked for the entries of each.

    A0505: a rule matches nothing in any of them, or marks as transposed and meets no matrix. Others: as `storage`.
    """
    found: dict[tuple[str, str], Diagnostic] = {}
    used: dict[Dialect, set[int]] = {}
    turned: dict[Dialect, set[int]] = {}
    for network in networks:
        for dialect in network.dialects:
            met, flipped = used.setdefault(dialect, set()), turned.setdefault(dialect, set())
            try:
                if dialect.own and not _both(entry.key for entry in listed(network)):
                    continue
                _, names, mistakes = _stored(Renamer(dialect), listed(network))
            except SpecError as error:
                mistakes, names = list(error.diagnostics), []
                met.update(range(len(dialect.rules)))
                flipped.update(met)
            met.update(rule for renamed in names for rule in renamed.rules)
            flipped.update(r for n in names if n.transposed for r in n.rules if dialect.rules[r][3])
            for mistake in mistakes:
                found.setdefault((mistake.code, str(mistake.span or mistake.message)), mistake)
    idle = (d for dialect in used for d in _idle(dialect, used[dialect], turned[dialect]))
    return [*found.values(), *idle]


def _idle(dialect: Dialect, used: set[int], turned: set[int]) -> Iterator[Diagnostic]:
    for number, (module, pattern, _, transposed) in enumerate(() if dialect.own else dialect.rules):
        where = f" in {module}" if module else ""
        span = span_of(dialect, number)
        if number not in used:
            yield Diagnostic(
                "A0505",
                f"the rule `{pattern}`{where} matches no name",
                span,
                help="a pattern begins where the name does; an earlier rule of the same scope may take all it matches",
            )
        elif transposed and number not in turned:
            yield Diagnostic("A0505", f"the rule `{pattern}`{where} says transposed and matches no matrix", span)


# ---- names put together ---------------------------------------------------------------------------------------------

_Part = tuple[Entry, Renamed]


def _stored(renamer: Renamer, arrays: Sequence[Entry]) -> tuple[tuple[Stored, ...], list[Renamed], list[Diagnostic]]:
    """What is under each key, the names it came from, and what is wrong with them."""
    named = [(entry, renamed) for entry in arrays for renamed in renamer.entry(entry)]
    groups: dict[str, list[_Part]] = {}
    for entry, renamed in named:
        groups.setdefault(renamed.key, []).append((entry, renamed))
    mistakes = list(_nested(renamer, {key: parts[0] for key, parts in groups.items()}))
    found: dict[tuple[object, ...], Stored] = {}
    for key, parts in groups.items():
        try:
            made = _merged(renamer, key, parts)
        except SpecError as error:
            mistakes.extend(error.diagnostics)
            continue
        same = (made.pieces, made.transposed)
        keys = (*found[same].keys, key) if same in found else (key,)
        found[same] = Stored(keys, made.shape, made.pieces, made.transposed)
    return tuple(found.values()), [renamed for _, renamed in named], mistakes


def _both(keys: Iterable[str]) -> bool:
    """Whether a name is an array and a module at once."""
    known = set(keys)
    modules = {key.rpartition(".")[0] for key in known}
    while modules:
        if not modules.isdisjoint(known):
            return True
        modules = {module.rpartition(".")[0] for module in modules if "." in module}
    return False


def _nested(renamer: Renamer, owners: Mapping[str, _Part]) -> Iterator[Diagnostic]:
    """Names that are an array and a module at once."""
    for made, (_, renamed) in owners.items():
        at = made.find(".")
        while at >= 0:
            outer = owners.get(made[:at])
            if outer is not None:
                what = f"would call `{outer[0].key}` `{made[:at]}`, which `{made}` is a part of"
                yield renamer.blame("A0506", f"{renamer.dialect.name} {what}", outer[1], renamed)
            at = made.find(".", at + 1)


def _merged(renamer: Renamer, key: str, parts: list[_Part]) -> Stored:
    """One array of a dialect out of its parts; raises SpecError (A0506, A0509)."""
    ordered = list(_ordered(renamer, key, parts, 0))
    first, renamed = ordered[0]
    shape = first.tensor.shape
    for entry, other in ordered[1:]:
        if not shape or not entry.tensor.shape:
            single = entry if shape else first
            message = f"`{key}` would hold `{single.key}`, a single number, and other arrays"
            raise SpecError([renamer.blame("A0509", message, other)])
        if len(entry.tensor.shape) != len(shape) or not all(map(_same, entry.tensor.shape[1:], shape[1:])):
            sizes = f"{dims.show_shape(shape)} and {dims.show_shape(entry.tensor.shape)}"
            message = f"`{first.key}` and `{entry.key}` cannot stand one after the other in `{key}`: they are {sizes}"
            raise SpecError([renamer.blame("A0509", message, other)])
        if not all(isinstance(e.tensor.shape[0], int) for e in (entry, first)):
            message = f"where `{entry.key}` and `{first.key}` meet in `{key}` depends on a symbol"
            raise SpecError([renamer.blame("A0509", message, other)])
        if other.transposed != renamed.transposed:
            message = f"`{key}` would hold `{first.key}` and `{entry.key}`, and only one of them is transposed"
            raise SpecError([renamer.blame("A0509", message, other, renamed)])
    pieces = tuple(_piece(entry, r) for entry, r in ordered)
    if shape:
        rows: Dim = 0
        for piece in pieces:
            rows = rows + (piece.stop - piece.start)
        shape = (rows, *shape[1:])
    return Stored((key,), shape[::-1] if renamed.transposed else shape, pieces, renamed.transposed)


def _same(a: Dim, b: Dim) -> bool:
    return dims.equal(a, b, sizes=True) is True


def _piece(entry: Entry, renamed: Renamed) -> Piece:
    start, stop = renamed.rows or (0, entry.tensor.shape[0] if entry.tensor.shape else 1)
    return Piece(entry.key, start, stop)


def _ordered(renamer: Renamer, key: str, parts: Sequence[_Part], depth: int) -> Iterator[_Part]:
    """The parts of an array in the order of its merging rules, each there once."""
    first, renamed = parts[0]
    for other, made in parts[1:]:
        alone = len(made.places) == depth or len(renamed.places) == depth
        if alone or made.places[depth][::2] != renamed.places[depth][::2]:
            message = f"{renamer.dialect.name} would call both `{first.key}` and `{other.key}` `{key}`"
            raise SpecError([renamer.blame("A0506", message, made, renamed)])
    if len(renamed.places) == depth:
        yield parts[0]
        return
    rule, _, count = renamed.places[depth]
    for at in range(count):
        inner = [part for part in parts if part[1].places[depth][1] == at]
        if not inner:
            pattern = renamer.dialect.rules[rule][1].split(",")[at].strip()
            message = f"`{key}` is merged of {count} arrays, and beside `{first.key}` there is none called `{pattern}`"
            raise SpecError([Diagnostic("A0509", message, span_of(renamer.dialect, rule))])
        yield from _ordered(renamer, key, inner, depth + 1)


# ---- files against networks -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Misfit:
    """Every way in which the keys and shapes of a file are not those of a network; false if there is none.

    `missing` and `left_over` are keys with their shapes, `reshaped` keys with the shape found and the one wanted,
    `differing` names of one array under which a file holds different numbers.
    """

    missing: tuple[tuple[str, tuple[Dim, ...]], ...] = ()
    left_over: tuple[tuple[str, Sizes], ...] = ()
    reshaped: tuple[tuple[str, Sizes, tuple[Dim, ...]], ...] = ()
    differing: tuple[tuple[str, ...], ...] = ()
    help: str | None = field(default=None, compare=False)

    def __bool__(self) -> bool:
        return bool(self.missing or self.left_over or self.reshaped or self.differing)

    @property
    def summary(self) -> str:
        """`2 missing, 1 of another shape`."""
        counts = (
            (self.missing, "missing"),
            (self.left_over, "left over"),
            (self.reshaped, "of another shape"),
            (self.differing, "with two values"),
        )
        return ", ".join(f"{len(keys)} {what}" for keys, what in counts if keys)

    def lines(self) -> Iterator[str]:
        """One line for each key."""
        for key, shape in self.missing:
            yield f"missing: {key} ({_shown(shape)})"
        for key, shape in self.left_over:
            yield f"left over: {key} ({_shown(shape)})"
        for key, found, wanted in self.reshaped:
            yield f"of another shape: {key} is {_shown(found)}, should be {_shown(wanted)}"
        for keys in self.differing:
            yield f"with two values: {' and '.join(keys)} are one array, and differ"


class WeightsError(ValueError):
    """Weights that are not the network's; `misfit` holds every key in question."""

    def __init__(self, what: str, misfit: Misfit) -> None:
        help = [f"help: {misfit.help}"] if misfit.help else []
        super().__init__("\n  ".join([f"{what}: {misfit.summary}", *misfit.lines(), *help]))
        self.what, self.misfit = what, misfit


def misfit(stored: Sequence[Stored], shapes: Mapping[str, Sizes]) -> Misfit:
    """What of some keys and shapes is not as stored. One name suffices of an array that has several."""
    missing: list[tuple[str, tuple[Dim, ...]]] = []
    reshaped: list[tuple[str, Sizes, tuple[Dim, ...]]] = []
    for array in stored:
        present = [key for key in array.keys if key in shapes]
        if not present:
            missing.append((array.keys[0], array.shape))
        reshaped.extend((key, shapes[key], array.shape) for key in present if not array.fits(shapes[key]))
    known = {key for array in stored for key in array.keys}
    left = tuple((key, shape) for key, shape in shapes.items() if key not in known)
    return Misfit(tuple(missing), left, tuple(reshaped))


_WRAPPERS = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""What DataParallel, torch.compile, FSDP and checkpoint_wrapper put into the names of what they wrap."""


def unwrapped(known: Set[str], keys: Iterable[str]) -> dict[str, str]:
    """Each key of a file with the name it has once what wrapped the network is off.

    Segments of torch's own wrappers go wherever they stand and no name has them. If no key is known then, the one prefix
    under which the most names are found goes, too: the attribute that held the network while it was trained.

    >>> unwrapped({"fc.weight"}, ["model.module.fc.weight", "loss.scale"])
    {'model.module.fc.weight': 'fc.weight', 'loss.scale': 'loss.scale'}
    """
    own = _WRAPPERS.difference(*(key.split(".") for key in known))
    names = {key: ".".join(part for part in key.split(".") if part not in own) for key in keys}
    if len(set(names.values())) < len(names):
        names = {key: key for key in names}
    if known.isdisjoint(names.values()):
        prefix = _prefix(known, names.values())
        found = {key: name.removeprefix(prefix) for key, name in names.items()}
        names = found if len(set(found.values())) == len(found) else names
    return {key: name if name in known else key for key, name in names.items()}


def _prefix(known: Set[str], names: Iterable[str]) -> str:
    """The beginning after which the most known names stand; nothing if there is none, or two are equal."""
    found: Counter[str] = Counter()
    for name in names:
        at = name.find(".")
        while at >= 0:
            if name[at + 1 :] in known:
                found[name[: at + 1]] += 1
            at = name.find(".", at + 1)
    (first, most), (_, second) = (*found.most_common(2), ("", 0), ("", 0))[:2]
    return first if most > second else ""


def better_dialect(network: Network, dialect: str | None, shapes: Mapping[str, Sizes]) -> str | None:
    """A sentence that names the dialect whose keys these are, if it is not the one asked for."""
    scores: dict[str | None, int] = {}
    for name in (None, *(d.name for d in network.dialects)):
        try:
            known = {key for array in storage(network, name) for key in array.keys}
        except SpecError:
            continue
        keys = set(unwrapped(known, shapes).values())
        scores[name] = len(known & keys) - len(known ^ keys)
    best = max(scores, key=lambda name: scores[name], default=dialect)
    if best == dialect or scores[best] <= max(scores.get(dialect, 0), 0):
        return None
    return f"these are names of {best}" if best is not None else "these are the spec's own names"


def _shown(shape: Sequence[Dim]) -> str:
    return dims.show_shape(tuple(shape)) if shape else "a single number"


def only_named_otherwise(found: Misfit) -> str | None:
    """A sentence that says so if what is missing and what is left over have the same shapes in the same order."""
    wanted, given = [shape for _, shape in found.missing], [shape for _, shape in found.left_over]
    if not wanted or found.reshaped or wanted != given:
        return None
    return "they have the same shapes in the same order: a section `names` can say what is called how"


__all__ = [
    "Misfit",
    "Piece",
    "Stored",
    "WeightsError",
    "better_dialect",
    "check_dialects",
    "misfit",
    "only_named_otherwise",
    "storage",
    "unwrapped",
]
