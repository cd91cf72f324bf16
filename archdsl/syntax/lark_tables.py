"""What is made with lark: its parser of the grammar, and the tables for `syntax.lalr` that follow from it."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import lark
from lark import Lark
from lark.indenter import Indenter

from .first import first_characters
from .grammar import DRIVER_FILE, FILE, FOLDER, STARTS, grammar, stamp


class SpecIndenter(Indenter):
    """Indentation as tokens; newlines inside brackets are none."""

    @property
    def NL_type(self) -> str:  # noqa: N802 - lark's names
        """The token of a newline."""
        return "_NL"

    @property
    def OPEN_PAREN_types(self) -> list[str]:  # noqa: N802
        """Tokens that open a bracket."""
        return ["LSQB", "LPAR", "FUNC"]

    @property
    def CLOSE_PAREN_types(self) -> list[str]:  # noqa: N802
        """Tokens that close one."""
        return ["RSQB", "RPAR"]

    @property
    def INDENT_type(self) -> str:  # noqa: N802
        """The token of a deeper line."""
        return "_INDENT"

    @property
    def DEDENT_type(self) -> str:  # noqa: N802
        """The token of a shallower line."""
        return "_DEDENT"

    @property
    def tab_len(self) -> int:
        """Blanks in a tab; the readers have refused tabs before."""
        return 8


def build(text: str, *, strict: bool = False) -> Lark:
    """A parser made from the grammar's text: about 0.2 s; with `strict`, lark proves that no terminals collide."""
    return Lark(
        text,
        parser="lalr",
        lexer="contextual",
        strict=strict,
        postlex=SpecIndenter(),
        propagate_positions=True,
        maybe_placeholders=True,
        start=STARTS,
    )


def load() -> Lark:
    """lark's parser, from the tables of the package where they are current, else from the grammar."""
    text = grammar()
    stored = FOLDER / FILE
    if stored.is_file():
        mark, _, tables = stored.read_bytes().partition(b"\n")
        if mark == stamp(text, lark.__version__).encode():
            parser = Lark.__new__(Lark)
            return parser._load(pickle.loads(tables), postlex=SpecIndenter())  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType]  # noqa: S301
    return build(text)


def driver_tables(parser: Lark, text: str) -> dict[str, Any]:
    """What `syntax.lalr.Parser` needs of lark's parser, as JSON.

    States are numbered; an action is the number of the next state, or ~number of a rule.
    """
    inner: Any = parser.parser
    table = inner.parser._parse_table
    lexers = inner.lexer.lexer.lexers
    order = {state: number for number, state in enumerate(table.states)}
    rules: dict[Any, int] = {}
    scanners: dict[str, int] = {}
    shapes: list[list[str]] = []
    keywords: list[dict[str, dict[str, str]]] = []
    terminals: dict[str, Any] = {}
    states: list[Any] = []
    for state, actions in table.states.items():
        lexer = lexers[state]
        names = [t.name for t in lexer.scanner.terminals]
        words = {name: _keywords(callback) for name, callback in lexer.callback.items()}
        key = json.dumps([names, words])
        if key not in scanners:
            scanners[key] = len(scanners)
            shapes.append(names)
            keywords.append(words)
            terminals.update({t.name: _terminal(t, t.name in lexer.newline_types) for t in lexer.scanner.terminals})
        encoded = {
            symbol: order[target] if action.name == "Shift" else ~rules.setdefault(target, len(rules))
            for symbol, (action, target) in actions.items()
        }
        states.append([scanners[key], encoded])
    indenter = SpecIndenter()
    return {
        "stamp": stamp(text),
        "terminals": terminals,
        "ignore": sorted(inner.lexer_conf.ignore),
        "scanners": shapes,
        "keywords": keywords,
        "rules": [_rule(rule) for rule in rules],
        "states": states,
        "starts": {start: [order[table.start_states[start]], order[table.end_states[start]]] for start in STARTS},
        "indents": {
            "newline": indenter.NL_type,
            "opening": indenter.OPEN_PAREN_types,
            "closing": indenter.CLOSE_PAREN_types,
            "indent": indenter.INDENT_type,
            "dedent": indenter.DEDENT_type,
            "tab": indenter.tab_len,
        },
    }


def _keywords(callback: Any) -> dict[str, str]:
    """The texts of a terminal that are terminals of their own."""
    return {t.pattern.value: t.name for t in callback.scanner.terminals}


def _terminal(terminal: Any, newline: bool) -> dict[str, Any]:
    pattern = terminal.pattern.to_regexp()
    return {"pattern": pattern, "first": first_characters(pattern), "newline": newline}


def _rule(rule: Any) -> list[Any]:
    """A production as `lalr.Rule` takes it; which children stay follows lark's rules for shaping trees."""
    options, expansion = rule.options, cast("list[Any]", rule.expansion)
    absent = _absent_before(options.empty_indices, len(expansion))
    keep: list[list[int]] = []
    waiting = 0
    for number, symbol in enumerate(expansion):
        waiting += absent[number]
        if options.keep_all_tokens or not (symbol.is_term and symbol.filter_out):
            keep.append([number, int(not symbol.is_term and symbol.name.startswith("_")), waiting])
            waiting = 0
    name = rule.alias or options.template_source or rule.origin.name
    inlined = bool(options.expand1 and not rule.alias)
    return [rule.origin.name, len(expansion), str(name), inlined, keep, waiting + absent[-1]]


def _absent_before(indices: Iterable[bool], size: int) -> list[int]:
    """How many optional symbols that are absent precede each symbol of an expansion, and its end."""
    marks = "".join(str(int(mark)) for mark in indices)
    return [len(ones) for ones in marks.split("0")] if marks else [0] * (size + 1)


def save(folder: Path) -> None:
    """Write the tables of the grammar as it stands."""
    text = grammar()
    parser = build(text)
    written = io.BytesIO()
    parser.save(written)  # pyright: ignore[reportUnknownMemberType] - untyped in lark
    tables = pickle.loads(written.getvalue())  # noqa: S301
    tables["data"]["options"]["postlex"] = None  # given anew when the tables are loaded
    (folder / FILE).write_bytes(stamp(text, lark.__version__).encode() + b"\n" + pickle.dumps(tables, protocol=4))
    lines = (f"{json.dumps(name)}: {json.dumps(part)}" for name, part in driver_tables(parser, text).items())
    (folder / DRIVER_FILE).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
