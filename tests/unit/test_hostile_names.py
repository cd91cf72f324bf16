"""Fifty hostile names and texts in every place where a spec may hold one: refused with a position, or harmless.

Harmless is a source of the same syntax tree as with an honest name, but for identifiers and texts: nothing that a spec
holds becomes a statement, a call or an import.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

import pytest

import archdsl
from archdsl.diagnostics import Diagnostic, SpecError, render
from archdsl.ir.initial import initial
from archdsl.ir.names import is_taken
from archdsl.torch_backend.emitter import emit_source

HOSTILE = [
    '"', "'", '"""', "'''", "\\", "\\n", "\n", "\r", "\r\n", "\x00", "\x1b[2J", "\u202e", "\u2028", "\x0c", "\t",
    'a"; import os; "', "a'; import os; '", '"""\nimport os\n"""', "x;import os", "x\nimport os", "#", "# x", "{x}", "{0}",
    "%s", "$(id)", "`id`", "; rm -rf /", "../../etc/passwd", "a b", "__class__", "__init__", "__dict__", "forward",
    "training", "parameters", "state_dict", "self", "super", "torch", "nn", "F", "Tensor", "range", "class", "lambda",
    "None", "print", "\ufb01", "\uff45\uff56\uff41\uff4c", "é", "\u017felf", "x" * 10_000, "名前", "1e400", "-", "",
]  # fmt: skip
PLACES = {
    "title": "network: NAME\ninput: 3x8x8\nlayers:\n  conv 3x3, 4\n",
    "source": "source: NAME\ninput: 3x8x8\nlayers:\n  conv 3x3, 4\n",
    "label": "input: 3x8x8\nlayers:\n  NAME: conv 3x3, 4\n",
    "level": "input: 3x8x8\nlayers:\n  NAME: [conv 3x3, 4 -> relu -> conv 3x3, 4] x 2\n",
    "label of a template": "input: 3x8x8\nlayers:\n  for i in 1..2:\n    NAME{i}: conv 3x3, 4\n",
    "label of a value": "input: 3x8x8\nlayers:\n  NAME: conv 3x3, 4\n  relu -> conv 3x3, 4\n  concat:\n    - identity\n    - @NAME\n",
    "module": "input: 3x8x8\nmodule NAME w:\n  conv 3x3, w\nlayers:\n  NAME 4 -> NAME 5\n",
    "argument": "input: 3x8x8\nmodule block NAME:\n  conv 3x3, NAME\nlayers:\n  block 4 -> block 5\n",
    "heading's size": "input: 3x8x8\nmodule block on NAMExHxW:\n  conv 3x3, 2*NAME\nlayers:\n  block -> block\n",
    "def": "input: 3x8x8\ndef NAME w: conv 3x3, w -> relu\nlayers:\n  NAME 4\n",
    "parameter": "parameters: {NAME: 4}\ninput: 3x8x8\nlayers:\n  conv 3x3, NAME\n",
    "parameter's word": "parameters: {kind: NAME}\ninput: 3x8x8\nlayers:\n  if kind is NAME:\n    conv 3x3, 4\n  relu\n",
    "loop variable": "input: 3x8x8\nlayers:\n  for NAME in [4, 5]:\n    conv 3x3, NAME\n",
    "table": "parameters: {v: one}\ntable NAME:\n  v | w\n  one | 4\ninput: 3x8x8\nlayers:\n  conv 3x3, w\n",
    "column": "parameters: {v: one}\ntable t:\n  v | NAME\n  one | 4\ninput: 3x8x8\nlayers:\n  conv 3x3, NAME\n",
    "cell": "parameters: {v: NAME}\ntable t:\n  v | w\n  NAME | 4\ninput: 3x8x8\nlayers:\n  conv 3x3, w\n",
    "map": "input: 2x8x8\nmap NAME:\n  X.\n  .X\nlayers:\n  conv 3x3, 2, connect NAME\n",
    "input": "input:\n  NAME: 3x8x8\n  other: 3x8x8\nlayers:\n  concat:\n    - @NAME\n    - @other\n  conv 3x3, 4\n",
    "output": "input: 3x8x8\nlayers:\n  conv 3x3, 4\n  output NAME: conv 3x3, 2\n  relu\n",
    "dialect": "input: 3x8x8\nlayers:\n  c: conv 3x3, 4\nnames NAME:\n  c -> conv\n",
    "new key": "input: 3x8x8\nlayers:\n  c: conv 3x3, 4\nnames other:\n  c -> NAME\n",
    "row": "input: 3x8x8\nlayers:\n  NAME: conv 3x3, 4\ninit:\n  NAME: normal 0.1\n  NAME.bias: zeros\n",
    "scheme": "input: 3x8x8\nlayers:\n  conv 3x3, 4\ninit:\n  conv: NAME 0.1\n",
    "module of rows": "input: 3x8x8\nmodule NAME w:\n  conv 3x3, w\nlayers:\n  NAME 4 -> NAME 5\ninit:\n  in NAME: conv: zeros\n",
    "file used": "use: {b: NAME}\ninput: 3x8x8\nlayers:\n  b\n",
    "file extended": "extends: NAME\n",
    "operator": "input: 3x8x8\nlayers:\n  NAME 3\n",
    "option": "input: 3x8x8\nlayers:\n  conv 3x3, 4, NAME\n",
    "fact": "input: 3x8x8\nlayers:\n  conv 3x3, 4 => NAME\n",
}  # fmt: skip
HONEST = "honest"


class Form:
    """What a source may do: what it imports, what it calls, which kinds of statements it has."""

    def __init__(self, source: str) -> None:
        nodes = list(ast.walk(ast.parse(source)))
        self.imports = [ast.unparse(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
        called = [node.func for node in nodes if isinstance(node, ast.Call)]
        names = [
            f.attr if isinstance(f, ast.Attribute) else f.id for f in called if isinstance(f, ast.Attribute | ast.Name)
        ]
        self.called = {name.rstrip("0123456789") for name in names if not name[:1].isupper()}
        self.kinds = {type(node) for node in nodes if isinstance(node, ast.stmt)}
        self.size = len(nodes)

    def harmless(self, honest: Form, own: str) -> bool:
        """Whether it does what the source of an honest name does; a member of no Python name is set and got by a text."""
        by_text = {"add_module", "getattr", "register_parameter", "isinstance", "modules", own.rstrip("0123456789")}
        return (
            self.imports == honest.imports
            and self.called <= {*honest.called, *by_text}
            and self.kinds <= honest.kinds | {ast.Expr, ast.For, ast.If}
            and abs(self.size - honest.size) < 60
        )


def emitted(text: str, names: str | None = None) -> str:
    """The source of a spec; with `names` as that dialect has it."""
    network = archdsl.loads(text)
    if names is not None:
        return archdsl.compile(network, names)
    return emit_source(network, None, initial(network))


@pytest.mark.parametrize("place", PLACES)
def test_in_a_spec(place: str) -> None:
    text = PLACES[place]
    try:
        honest = Form(emitted(text.replace("NAME", HONEST)))
    except SpecError:
        honest = Form("")
    refused: list[tuple[str, Diagnostic]] = []
    for name in HOSTILE:
        try:
            source = emitted(text.replace("NAME", name))
        except SpecError as error:
            refused.extend((name, diagnostic) for diagnostic in error.diagnostics)
            continue
        if "\n" in name or "\r" in name or name in ("", "#", "# x") or place in ("operator", "option", "fact"):
            continue  # another spec, or another layer
        assert Form(source).harmless(honest, name), name[:20]
    assert refused
    for name, diagnostic in refused:
        assert diagnostic.span is not None, (name[:20], str(diagnostic))
        assert len(render(diagnostic)) < 2000, name[:20]
        assert not re.search(r"[\x00\x1b\u202e\u2028]", render(diagnostic)), name


def test_in_the_names_of_a_dialect() -> None:
    text = PLACES["new key"]
    honest = Form(emitted(text.replace("NAME", HONEST), "other"))
    for name in HOSTILE:
        try:
            source = emitted(text.replace("NAME", name), "other")
        except SpecError:
            continue
        assert Form(source).harmless(honest, name), name[:20]


def test_in_json() -> None:
    """The IR as JSON may come from anybody: every text in it replaced in turn, a few by each hostile one."""
    text = archdsl.loads(
        "network: A net\nsource: B\nparameters: {w: 4}\ninput: 3x8x8\nmodule block v:\n  c: conv 3x3, v\n"
        "layers:\n  stem: conv 3x3, w -> relu\n  body: [block 4] x 2\n  output side: conv 1x1, 2\n  flatten -> linear 3\n"
    ).to_json()
    document = json.loads(text)
    honest = Form(emit_source(archdsl.from_json(text)))
    places = list(_texts(document))
    assert len(places) > 30
    kept = 0
    for number, (holder, key) in enumerate(places):
        before = holder[key]
        for name in HOSTILE[number % 5 :: 5]:
            holder[key] = name
            try:
                source = emit_source(archdsl.from_json(json.dumps(document)))
            except (SpecError, ValueError):
                continue
            kept += 1
            assert Form(source).harmless(honest, name), (key, name[:20])
        holder[key] = before
    assert kept


def _texts(part: Any) -> Any:
    """(holder, key) of every text in a JSON document."""
    items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, value in items:
        if isinstance(value, str):
            yield part, key
        else:
            yield from _texts(value)


def _of_torch(value: object) -> bool:
    """Whether it is torch's: other libraries of the tests add methods of their own to every module."""
    return getattr(value, "__module__", None) in (None, "builtins") or str(value.__module__).startswith("torch")


def test_names_that_pytorch_keeps() -> None:
    from torch import nn

    own = {name for name in dir(nn.Module) if _of_torch(getattr(nn.Module, name))}
    kept = {*own, *vars(nn.Module()), "append", "extend", "insert", "pop"}
    assert {name for name in kept if not is_taken(name)} == set()
    for name in ("stem", "layer1", "features", "head", "qkv", "_blocks", "norm", "out"):
        assert not is_taken(name)
