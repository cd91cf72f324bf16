"""Specs on disk: reading, and what `extends` makes of two files."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from .. import limits
from ..diagnostics import Collector, SourceFile, Span, did_you_mean, fail, nearest
from ..spec import Link, Spec, Table, read_spec
from ..syntax.containers import read_file, read_sections
from ..syntax.tree import Argument, Block, Choice, Claim, Compound, Dash, Level, Line, Positional, Statement
from .changes import apply_changes
from .find import SUFFIXES, bundled_folder, find_spec
from .mentions import Mentions


class Library:
    """Reads specs, each file once, and follows `extends` and `use` within the folder of the first."""

    def __init__(self, root: Path | None, collector: Collector) -> None:
        self.root = None if root is None else root.resolve()
        self.collector = collector
        self.sources: dict[str, str] = {}
        """The text of every file read, by its path."""
        self.extended: dict[str, Span] = {}
        """Where each file that another one extends is named, by its own name."""
        self._specs: dict[str, Spec] = {}
        self._open: list[str] = []

    def read(self, file: SourceFile, folder: Path | None) -> Spec:
        """The spec of a text, with what it extends merged in."""
        sections = read_sections(file, self.collector)
        spec = read_spec(file, sections, self.collector)
        self.collector.raise_errors()
        _check_switch_names(spec)
        return self._extended(spec, folder)

    def open(self, path: Path, span: Span | None = None) -> Spec:
        """The spec of a file; raises OSError where nothing refers to it, a diagnostic where something does."""
        key = str(path.resolve())
        if key in self._open:
            fail("A0605", f"{path.name} comes back to itself", span)
        if key not in self._specs:
            limits.check("files", len(self._specs) + 1, span)
            limits.check("chain", len(self._open) + 1, span)
            self._open.append(key)
            try:
                self._specs[key] = self.read(self._text(path, span), path.parent)
            finally:
                self._open.pop()
        return self._specs[key]

    def _text(self, path: Path, span: Span | None) -> SourceFile:
        try:
            file = read_file(path)
        except OSError as error:
            if span is None:
                raise
            fail("A0606", f"cannot read {path.name}: {error.strerror or error}", span, _bundled(path))
        self.sources[str(path)] = file.text
        return file

    def link(self, link: Link, folder: Path | None) -> Spec:
        """The spec another one refers to."""
        if folder is None or self.root is None:
            fail("A0606", "this spec has no folder in which to look for another", link.span)
        path = Path(link.path)
        if path.is_absolute() or not path.suffix:
            message = "another spec is named by its path from this one: `extends: resnet.yaml`"
            fail("A0606", message, link.span, _bundled(path))
        target = folder / path
        if not target.resolve().is_relative_to(self.root):
            fail("A0606", f"{link.path} lies outside the folder of the first spec", link.span)
        return self.open(target, link.span)

    def folder_of(self, spec: Spec) -> Path | None:
        """Where `use` of this spec looks."""
        for key, known in self._specs.items():
            if known is spec:
                return Path(key).parent
        return self.root

    def _extended(self, spec: Spec, folder: Path | None) -> Spec:
        if spec.extends is None:
            if spec.changes:
                fail("A0607", "`changes` change what the file `extends`", next(iter(spec.changes.values())).span)
            return spec
        base = self.link(spec.extends, folder)
        self.extended[base.file.name] = spec.extends.span
        return merge(base, spec)


def _bundled(path: Path) -> str | None:
    """Where the bundled spec of this name lies, which is read from nowhere but the folder of the one that wants it."""
    found = find_spec(path.stem)
    if found.parent != bundled_folder():
        return None
    return f"copy the bundled spec beside this one, and what it refers to: {found}"


def merge(base: Spec, own: Spec) -> Spec:
    """The network that `own` makes of `base`: sections replace or add, parameters and defaults merge."""
    definitions = {
        name: replace(d, body=without_facts(d.body)) for name, d in base.definitions.items()
    } | own.definitions
    layers = own.layers or (without_facts(base.layers) if base.layers else None)
    for where, changes in own.changes.items():
        if where == "":
            if layers is None:
                fail("A0607", "there are no layers to change", changes.span)
            layers = apply_changes(layers, changes, definitions)
        elif where in base.definitions and where not in own.definitions:
            changed = apply_changes(definitions[where].body, changes, definitions)
            definitions[where] = replace(definitions[where], body=changed)
        else:
            fail("A0607", f"the file it extends has no module `{where}` to change", changes.span)
    defaults = {
        word: _merge_arguments(base.defaults.get(word, ()), own.defaults.get(word, ()))
        for word in [*base.defaults, *own.defaults]
    }
    _check_parameters(base, own)
    _check_overrides(base, own)
    tables = base.tables if _only_chooses(base, own) else {n: _without_claims(t) for n, t in base.tables.items()}
    return replace(
        own,
        network=own.network or base.network,
        source=own.source or base.source,
        parameters={**base.parameters, **own.parameters},
        parameter_spans={**base.parameter_spans, **own.parameter_spans},
        inputs=own.inputs or base.inputs,
        outputs=own.outputs or base.outputs,
        defaults=defaults,
        default_spans={**base.default_spans, **own.default_spans},
        tables={**tables, **own.tables},
        maps={**base.maps, **own.maps},
        definitions=definitions,
        layers=layers,
        uses={**base.uses, **own.uses},
        names={**base.names, **own.names},
        inits=(*base.inits, *own.inits),
    )


def _adds(spec: Spec) -> bool:
    """Whether a file has anything besides parameters that a network is made of."""
    return any((spec.definitions, spec.layers, spec.changes, spec.inputs, spec.defaults, spec.maps, spec.tables))


def _only_chooses(base: Spec, own: Spec) -> bool:
    """Whether a file does no more than choose rows of the file it extends, whose claims then still speak."""
    heads = {table.names[0] for table in base.tables.values() if table.names}
    same = {n for n, cell in own.parameters.items() if base.parameters.get(n) == cell}
    return not _adds(own) and set(own.parameters) <= heads | same


def _check_parameters(base: Spec, own: Spec) -> None:
    """Refuse a parameter that nothing in either file can know of."""
    columns = {name for table in base.tables.values() for name in table.names}
    for name, span in own.parameter_spans.items():
        if not (_adds(own) or own.inits) and name not in base.parameters and name not in columns:
            known = [*base.parameters, *columns]
            fail("A0205", f"the file it extends has no parameter `{name}`", span, did_you_mean(name, known))


def _check_overrides(base: Spec, own: Spec) -> None:
    """Refuse what nothing mentions and is close to something of the file extended that it was to replace."""
    pieces = (own.layers, *own.definitions.values(), *own.changes.values(), *own.inputs.values(), *own.uses.values())
    cells = (*own.parameters.values(), *own.defaults.values(), *own.tables.values(), *own.names.values(), *own.inits)
    heads = {table.names[0] for table in own.tables.values() if table.names}
    mentioned = Mentions().of((*pieces, *cells)) | heads

    def check(code: str, what: str, name: str, span: Span, there: Collection[str], here: Collection[str]) -> None:
        if name in there or name in mentioned:
            return
        near = nearest(name, [known for known in there if known not in here])
        if near is not None:
            problem = f"the file it extends has no {what} `{name}`, and nothing mentions it"
            fail(code, problem, span, f"did you mean `{near}`?", word=name)

    columns = [name for table in base.tables.values() for name in table.names]
    for name, span in own.parameter_spans.items():
        check("A0205", "parameter", name, span, [*base.parameters, *columns], own.parameters)
    for name, part in own.definitions.items():
        check("A0607", part.kind, name, part.span.first(len(name)), base.definitions, own.definitions)
    for name, links in own.maps.items():
        check("A0204", "map", name, links.span, base.maps, own.maps)
    for name, table in own.tables.items():
        if not table.names or table.names[0] not in own.parameters | base.parameters:
            check("A0206", "table", name, table.span, base.tables, own.tables)
        known = base.tables.get(name)
        for column in table.columns if known is not None else ():
            if not column.claim and known is not None:
                check("A0608", "column", column.name, column.span, known.names, table.names)


def _merge_arguments(base: tuple[Argument, ...], own: tuple[Argument, ...]) -> tuple[Argument, ...]:
    said = {_said(a) for a in own}
    return (*(a for a in base if _said(a) not in said), *own)


def _said(argument: Argument) -> str:
    """What an argument speaks of: its name, or the flag or value it is."""
    return repr(argument.value) if isinstance(argument, Positional) else argument.name


def _without_claims(table: Table) -> Table:
    keep = [i for i, column in enumerate(table.columns) if not column.claim]
    return replace(
        table,
        columns=tuple(table.columns[i] for i in keep),
        rows=tuple(tuple(row[i] for i in keep) for row in table.rows),
    )


def without_facts(body: Block) -> Block:
    """A body as another file inherits it: no file inherits the facts of bodies."""
    return Block((), tuple(_bare(s) for s in body.statements if not isinstance(s, Claim)), body.span)


def _bare(statement: Statement) -> Statement:
    match statement:
        case Line():
            return replace(statement, facts=())
        case Compound() | Level():
            return _bare_head(statement)
        case Choice():
            otherwise = None if statement.otherwise is None else _bare_branch(statement.otherwise)
            return replace(statement, then=_bare_branch(statement.then), otherwise=otherwise)
        case Dash():
            return replace(statement, first=_bare(statement.first), rest=tuple(map(_bare, statement.rest)))
        case Claim():
            return statement


def _bare_head(statement: Compound | Level) -> Compound | Level:
    body = statement.body
    if isinstance(body, Block):
        return replace(statement, body=without_facts(body))
    return replace(statement, body=_bare_head(body)) if isinstance(body, Compound | Level) else statement


def _bare_branch(branch: Block | Statement) -> Block | Statement:
    return without_facts(branch) if isinstance(branch, Block) else _bare(branch)


def _check_switch_names(spec: Spec) -> None:
    """In one file a name is a parameter or a column of a switch, and of one switch only."""
    owner: dict[str, str] = {}
    heads = {t.names[0] for t in spec.tables.values() if t.names} & set(spec.parameters)
    for table in spec.tables.values():
        if not table.names or table.names[0] not in heads:
            continue
        for column in table.columns[1:]:
            if column.claim:
                continue
            if column.name in spec.parameters:
                fail("A0608", f"`{column.name}` is a parameter and a column of table {table.name}", column.span)
            if owner.setdefault(column.name, table.name) != table.name:
                both = f"{owner[column.name]} and {table.name}"
                fail("A0608", f"`{column.name}` is a column of two tables, {both}", column.span)


__all__ = ["SUFFIXES", "Library", "bundled_folder", "find_spec", "merge", "without_facts"]
