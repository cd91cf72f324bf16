"""The JSON form of nodes, instances and whole documents. See `ir.json_form` for what it looks like."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from .initial import Target, known_fill
from .json_codec import (
    BOOL,
    INT,
    NAME,
    SEGMENT,
    TEXT,
    WORD,
    Codec,
    IRFormatError,
    Json,
    Reader,
    Writer,
    as_int,
    mapping,
    one_of,
    one_record,
    optional,
    pairs,
    record,
    row,
    tuple_of,
    wrong,
)  # fmt: skip
from .json_values import CONSTANT, DIM, DIMS, EXPRESSION, LABEL, OPERATOR, SHAPE, SPAN
from .lookup import parts
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
    Layer,
    Level,
    Line,
    Look,
    Node,
    Repeat,
    Residual,
    Reuse,
    Run,
    Scope,
    SideOutput,
)  # fmt: skip
from .rename import RuleError
from .shapes import Constant

SCHEMA = "archdsl-ir/1"

_VALUES = tuple_of(INT)
_SEGMENTS = tuple_of(SEGMENT, 1)
_WRITTEN = pairs(NAME, EXPRESSION)
NAMES = mapping(NAME, CONSTANT)
CLAIM = record(
    Claim,
    {
        "quantity": one_of(
            "a quantity", "shape", "params", "multiply-adds", "connections", "statistics", "frozen", "stored"
        ),
        "text": TEXT,
        "expected": optional(DIMS),
        "low": DIM,
        "high": DIM,
        "training": BOOL,
        "span": SPAN,
    },
)
CLAIMS = tuple_of(CLAIM)


def _read_scope(r: Reader, value: Json) -> Scope:
    number = as_int(value)
    if not 0 <= number < len(r.scopes):
        wrong(f"there is no scope {number}")
    return r.scopes[number]


def _read_instance(r: Reader, value: Json) -> Instance:
    number = as_int(value)
    if not 0 <= number < len(r.instances):
        wrong(f"instance {number} does not stand before this one; what is called comes first")
    return r.instances[number]


def _write_node(w: Writer, node: Node) -> Json:
    return _NODE.write(w, node)


def _read_node(r: Reader, value: Json) -> Node:
    r.count_node()
    return _NODE.read(r, value)


_SCOPE = Codec(lambda w, scope: w.scope(scope), _read_scope)
_INSTANCE = Codec(lambda w, instance: w.instance(instance), _read_instance)
_BODY = tuple_of(Codec(_write_node, _read_node))
_ARM = record(Arm, {"input": INT, "body": _BODY, "output": INT, "span": SPAN})
_RUN = record(
    Run, {"count": INT, "index": INT, "names": pairs(NAME, CONSTANT), "input": INT, "body": _BODY, "output": INT}
)
_NODE = one_record(
    "node",
    {
        "layer": (
            Layer,
            {
                "operator": OPERATOR,
                "label": optional(LABEL),
                "inputs": _VALUES,
                "output": INT,
                "expressions": _WRITTEN,
                "tied": pairs(NAME, _SEGMENTS),
                "abbreviation": optional(NAME),
                "span": SPAN,
            },
        ),
        "invoke": (
            Invoke,
            {
                "instance": _INSTANCE,
                "word": WORD,
                "label": optional(LABEL),
                "inputs": _VALUES,
                "output": INT,
                "expressions": _WRITTEN,
                "span": SPAN,
            },
        ),
        "level": (Level, {"label": optional(LABEL), "body": _BODY, "output": INT, "span": SPAN}),
        "line": (Line, {"body": _BODY, "output": INT, "claims": CLAIMS, "span": SPAN}),
        "residual": (
            Residual,
            {
                "test": optional(EXPRESSION),
                "taken": BOOL,
                "main": _ARM,
                "shortcut": optional(_ARM),
                "shortcut_first": BOOL,
                "output": INT,
                "span": SPAN,
            },
        ),
        "join": (
            Join,
            {
                "operator": OPERATOR,
                "input": INT,
                "shares": _VALUES,
                "arms": tuple_of(_ARM, 1),
                "inputs": _VALUES,
                "output": INT,
                "expressions": _WRITTEN,
                "span": SPAN,
            },
        ),
        "repeat": (
            Repeat,
            {
                "kind": one_of("a kind of repeat", "times", "list", "range", "rows"),
                "variable": optional(NAME),
                "over": optional(EXPRESSION),
                "runs": tuple_of(_RUN),
                "output": INT,
                "span": SPAN,
            },
        ),
        "choice": (
            Choice,
            {"tests": tuple_of(EXPRESSION, 1), "taken": INT, "body": _BODY, "output": INT, "span": SPAN},
        ),
        "output": (
            SideOutput,
            {"name": SEGMENT, "training": BOOL, "body": _BODY, "value": INT, "span": SPAN},
        ),
        "again": (Reuse, {"path": _SEGMENTS, "body": _BODY, "inputs": _VALUES, "output": INT, "span": SPAN}),
        "look": (Look, {"path": _SEGMENTS, "output": INT, "span": SPAN}),
    },
)
_FILL = record(
    Fill,
    {
        "part": optional(one_of("a part", "weight", "bias")),
        "scheme": TEXT,
        "words": tuple_of(NAME),
        "numbers": pairs(NAME, CONSTANT),
        "expressions": _WRITTEN,
        "span": SPAN,
    },
)


def _read_init(r: Reader, value: Json) -> Init:
    row: Init = _INIT.read(r, value)
    for problem in (known_fill(fill) for fill in row.fills):
        if problem is not None:
            wrong(problem)
    for target in row.targets:
        try:
            Target(target)
        except RuleError as error:
            wrong(str(error))
    return row


_INIT = record(
    Init,
    {
        "targets": tuple_of(TEXT, 1),
        "fills": tuple_of(_FILL, 1),
        "module": optional(NAME),
        "test": optional(EXPRESSION),
        "taken": BOOL,
        "spans": tuple_of(SPAN),
        "span": SPAN,
    },
)
INITS = tuple_of(Codec(_INIT.write, _read_init))
SCOPE = record(Scope, {"file": TEXT, "title": TEXT, "source": TEXT, "names": NAMES, "inits": INITS})
INSTANCE = record(
    Instance,
    {
        "name": Codec(lambda _, name: name, lambda r, name: "" if name == "" else NAME.read(r, name)),
        "heading": TEXT,
        "scope": _SCOPE,
        "arguments": NAMES,
        "sizes": NAMES,
        "formals": pairs(NAME, optional(EXPRESSION)),
        "entry": _VALUES,
        "entry_names": tuple_of(NAME),
        "shapes": tuple_of(SHAPE, 1),
        "body": _BODY,
        "output": INT,
        "claims": CLAIMS,
        "span": SPAN,
    },
)
DIALECT = record(
    Dialect,
    {
        "name": NAME,
        "own": BOOL,
        "rules": tuple_of(row(optional(NAME), TEXT, TEXT, BOOL)),
        "spans": tuple_of(SPAN),
    },
)


# ---- documents ------------------------------------------------------------------------------------------------------


def document(
    root: Instance,
    *,
    title: str,
    source: str,
    file: str,
    parameters: Mapping[str, Constant],
    dialects: Sequence[Dialect],
    claims: Sequence[Claim],
    outputs: Sequence[str] = (),
) -> str:
    """A network as JSON text; tables have one entry a line. Raises IRFormatError for expressions beyond all measure."""
    w = Writer()
    try:
        order = _callees_first(root)
        for instance in order:
            w.instance(instance)
        instances = [INSTANCE.write(w, instance) for instance in order]
        head: dict[str, Json] = {"schema": SCHEMA, "title": title, "source": source, "file": file}
        tail: dict[str, Json] = {
            "parameters": NAMES.write(w, parameters),
            "dialects": tuple_of(DIALECT).write(w, dialects),
            "claims": CLAIMS.write(w, claims),
            **({"outputs": list(outputs)} if outputs else {}),
            "root": w.instance(root),
        }
        scopes = [SCOPE.write(w, scope) for _, scope in w.scopes.values()]
    except RecursionError:
        raise IRFormatError("this network is nested too deep to be written") from None
    files: Json = [known.name for _, known in w.files.values()]
    return _text({**head, "files": files, **tail, "scopes": scopes, "instances": instances})


def _callees_first(root: Instance) -> list[Instance]:
    """All instances, each after those it calls; no recursion, so that depth costs nothing."""
    found: dict[int, Instance] = {}
    waiting: list[tuple[Instance, Iterator[Instance]]] = [(root, _called(root.body))]
    while waiting:
        instance, inner = waiting[-1]
        following = next((i for i in inner if id(i) not in found), None)
        if following is None:
            waiting.pop()
            found[id(instance)] = instance
        else:
            waiting.append((following, _called(following.body)))
    return list(found.values())


def _called(body: Body) -> Iterator[Instance]:
    for node in body:
        if isinstance(node, Invoke):
            yield node.instance
        elif isinstance(node, Level | Reuse):
            yield from _called(node.body)
        else:
            yield from _called(parts(node))


def _text(sections: Mapping[str, Json]) -> str:
    lines: list[str] = []
    for name, content in sections.items():
        if name in ("scopes", "instances"):
            assert isinstance(content, list)
            inner = ",\n".join(_compact(part) for part in content)  # type: ignore[reportUnknownVariableType]
            lines.append(f'"{name}": [\n{inner}\n]')
        else:
            lines.append(f'"{name}": {_compact(content)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _compact(value: Json) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
