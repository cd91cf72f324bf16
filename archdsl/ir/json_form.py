"""Networks as JSON, for tools that embed archdsl: complete, versioned, the same text for the same network.

    {
    "schema": "archdsl-ir/1",
    "title": "ResNet", "source": "He, ...", "file": "resnet.yaml",
    "files": ["resnet.yaml"],             names of the texts that spans speak of; the texts are not stored
    "parameters": {"depth": 50, ...},     the choice that was made
    "dialects": [...], "claims": [...],
    "outputs": ["logits", "aux"],         their names, the main one first; only where the spec lists them
    "root": 9,                            the instance that is the whole network
    "scopes": [{"file", "title", "source", "names": {...}}, ...],
    "instances": [...]                    what is called stands before what calls it
    }

Every object has the fields of its class in `ir.nodes`, under their names; a field that has its default is left out.
What is shared is stored once and shared again after reading: an instance or a scope is its number in its table, so
equal numbers are one object.

- *Nodes* are objects marked by `node`: layer, invoke, level, line, residual, join, repeat, choice, output, again,
  look.
- *Operators* are `{"word": "conv", "arguments": {"size": 3, "width": 64}}`, defaults left out.
- *Spans* are `[file, line, column, end_line, end_column]`, or null.
- *Sizes* are as `dims.to_json` has them: numbers, names of symbols, and lists.
- *Constants* are JSON where JSON is plain (null, true, 3, 0.5, "word"), else marked: `{"size": [3, 3]}`, `{"list":
  [32, 64]}`, `{"fraction": [2, 3]}`, `{"dim": size}`, `{"grid": "S2_to_C3", "rows": ["X.X", ...]}`, `{"float":
  "inf"}`.
- *Expressions* are lists `[kind, span, parts...]`: `["arithmetic", null, "*", ["number", null, 4], ["name", null,
  "w"]]`.
- *Mappings* whose order counts (arguments, loop names, expressions) are objects in that order.

Reading checks everything, also that values and shapes fit together (`ir.verify`), so that a network that was read can
be analysed and compiled like one that was made from its spec. The operators must be there: import `archdsl.ops`
first, as `archdsl.from_json` does. What is wrong raises `IRFormatError`, a ValueError.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from ..diagnostics import SourceFile
from .graph import Network
from .json_codec import (
    INT,
    SEGMENT,
    TEXT,
    Codec,
    IRFormatError,
    Json,
    Reader,
    Step,
    as_list,
    as_object,
    as_text,
    shown,
    tuple_of,
    wrong,
)  # fmt: skip
from .json_tables import CLAIMS, DIALECT, INSTANCE, NAMES, SCHEMA, SCOPE
from .lookup import side_outputs
from .nodes import Instance
from .verify import VerifyError, verify

MAX_TEXT = 100_000_000
_CODECS = {
    "title": TEXT,
    "source": TEXT,
    "file": TEXT,
    "parameters": NAMES,
    "dialects": tuple_of(DIALECT),
    "claims": CLAIMS,
}
_OUTPUTS = tuple_of(SEGMENT, 1)
_FIELDS = ("schema", *_CODECS, "files", "root", "scopes", "instances")


def to_json(network: Network) -> str:
    """The network as JSON text, the same for the same network; IRFormatError for expressions beyond all measure."""
    return network.to_json()


def from_json(text_or_object: str | bytes | Mapping[str, object]) -> Network:
    """The network that JSON text, or what `json.loads` made of it, describes. Raises IRFormatError, and nothing else.

    >>> import archdsl
    >>> net = archdsl.load("lenet5")
    >>> from_json(to_json(net)).to_json() == net.to_json()
    True
    """
    try:
        return _read_network(_loads(text_or_object))
    except RecursionError:
        raise IRFormatError("this is nested too deep") from None


def _loads(source: str | bytes | Mapping[str, object]) -> Json:
    if isinstance(source, Mapping):
        return dict(source)
    if not isinstance(source, str | bytes):  # type: ignore[reportUnnecessaryIsInstance]
        wrong(f"JSON text is needed, not {type(source).__name__}")
    if len(source) > MAX_TEXT:
        wrong(f"the text is longer than {MAX_TEXT} characters")
    try:
        return json.loads(source, object_pairs_hook=_object, parse_constant=_no_number)
    except IRFormatError:
        raise
    except ValueError as error:  # JSON, encodings, numbers of thousands of digits
        raise IRFormatError(f"this is no JSON: {error}") from None


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        wrong("a key stands twice in one object")
    return found


def _no_number(text: str) -> NoReturn:
    wrong(f"{text} is no JSON")


def _read_network(value: Json) -> Network:
    parts = as_object(value)
    if parts.get("schema") != SCHEMA:
        wrong(f"this is not {SCHEMA}: the schema is {shown(parts.get('schema'))}")
    for name in _FIELDS:
        if name not in parts:
            wrong(f"the field {name!r} is missing")
    for name in parts:
        if name not in (*_FIELDS, "outputs"):
            wrong(f"there is no field {shown(name)} here")
    r = Reader()
    _read_tables(r, parts)
    found = {name: _field(r, parts, name, codec) for name, codec in _CODECS.items()}
    number: int = _field(r, parts, "root", INT)
    if not 0 <= number < len(r.instances):
        wrong(f"there is no instance {number} to be the root")
    outputs: tuple[str, ...] = _field(r, parts, "outputs", _OUTPUTS) if "outputs" in parts else ()
    others = sorted(output.name for output in side_outputs(r.instances[number].body))
    if outputs and (sorted(outputs[1:]) != others or outputs[0] in others):
        wrong("the outputs are not the main one and then those that the root makes")
    return Network(root=r.instances[number], outputs=outputs, **found)


def _read_tables(r: Reader, parts: dict[str, Json]) -> None:
    with Step("files"):
        r.files.extend(SourceFile(as_text(name), "") for name in as_list(parts["files"]))
    with Step("scopes"):
        r.scopes.extend(tuple_of(SCOPE).read(r, parts["scopes"]))
    with Step("instances"):
        for number, entry in enumerate(as_list(parts["instances"])):
            with Step(number):
                instance: Instance = INSTANCE.read(r, entry)
                try:
                    verify(instance)
                except VerifyError as error:
                    raise IRFormatError(str(error)) from error
                r.instances.append(instance)


def _field(r: Reader, parts: dict[str, Json], name: str, codec: Codec) -> Any:
    with Step(name):
        return codec.read(r, parts[name])
