"""Diagnostics for programs: a line each, GitHub's annotations, one JSON object, SARIF 2.1.0."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from ..diagnostics import Diagnostic, Span, safe
from ..explanations import explanations
from ..version import __version__

_LEVELS = {"A11": "warning"}
FORMATS = ("text", "concise", "json", "sarif", "github")


def written(diagnostics: Sequence[Diagnostic], format: str) -> str:
    """All diagnostics in one of the formats but `text`.

    >>> written([Diagnostic("A0610", "this spec has no `layers`")], "concise")
    'error[A0610]: this spec has no `layers`'
    """
    if format == "concise":
        return "\n".join(safe(str(d)) for d in diagnostics)
    if format == "github":
        return "\n".join(map(_annotation, diagnostics))
    found = _sarif(diagnostics) if format == "sarif" else json_object(diagnostics)
    return json.dumps(found, indent=2)


def json_object(diagnostics: Sequence[Diagnostic]) -> dict[str, Any]:
    """What `--format json` prints: places are 1-based, columns in characters, ends exclusive."""
    return {"schema": 1, "tool": "archdsl", "version": __version__, "diagnostics": [_object(d) for d in diagnostics]}


def _object(d: Diagnostic) -> dict[str, Any]:
    return {
        "code": d.code,
        "severity": d.severity,
        "message": d.message,
        "place": _place(d.span),
        "help": d.help,
        "labels": [{"text": label.text, "place": _place(label.span)} for label in d.labels],
        "fixes": [{"text": edit.text, "place": _place(edit.span)} for edit in d.fixes],
        "trail": [{"text": step.text, "place": _place(step.span)} for step in d.trail],
    }


def _place(span: Span | None) -> dict[str, Any] | None:
    if span is None:
        return None
    return {
        "file": span.file.name,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


# ---- GitHub ---------------------------------------------------------------------------------------------------------


def _annotation(d: Diagnostic) -> str:
    span = d.span
    properties = {"title": d.code}
    if span is not None:
        properties = {"file": _path(span), "line": str(span.line), "col": str(span.column), **properties}
        if span.end_line == span.line:
            properties["endColumn"] = str(max(span.column, span.end_column - 1))
    said = ",".join(f"{name}={_escaped(value, ':,')}" for name, value in properties.items())
    text = d.message if d.help is None else f"{d.message}\nhelp: {d.help}"
    return f"::{'error' if d.severity == 'error' else 'warning'} {said}::{_escaped(text)}"


def _escaped(text: str, more: str = "") -> str:
    for char in f"%\r\n{more}":
        text = text.replace(char, f"%{ord(char):02X}")
    return safe(text)


def _path(span: Span) -> str:
    """As paths are compared by programs: relative to the working folder where it is below, with slashes."""
    name = os.path.relpath(span.file.name) if os.path.isabs(span.file.name) else span.file.name
    return span.file.name if name.startswith("..") else name.replace(os.sep, "/")


# ---- SARIF ----------------------------------------------------------------------------------------------------------


def _sarif(diagnostics: Sequence[Diagnostic]) -> dict[str, Any]:
    codes = sorted({d.code for d in diagnostics})
    known = explanations()
    rules: list[dict[str, Any]] = []
    for code in codes:
        rule: dict[str, Any] = {"id": code, "defaultConfiguration": {"level": _LEVELS.get(code[:3], "error")}}
        if code in known:
            rule |= {"shortDescription": {"text": known[code].title}, "help": {"text": known[code].text}}
        rules.append(rule)
    driver = {"name": "archdsl", "version": __version__, "rules": rules}
    results = [_result(d, codes.index(d.code)) for d in diagnostics]
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }


def _result(d: Diagnostic, rule: int) -> dict[str, Any]:
    text = d.message if d.help is None else f"{d.message}; {d.help}"
    found: dict[str, Any] = {"ruleId": d.code, "ruleIndex": rule, "level": d.severity, "message": {"text": text}}
    if d.span is not None:
        found["locations"] = [_location(d.span)]
    if d.labels:
        found["relatedLocations"] = [_location(label.span) | {"message": {"text": label.text}} for label in d.labels]
    if d.fixes:
        found["fixes"] = [_fix(d)]
    return found


def _fix(d: Diagnostic) -> dict[str, Any]:
    """The edits of a diagnostic, by file: all of them together mend it."""
    changes: dict[str, list[dict[str, Any]]] = {}
    for edit in d.fixes:
        replacement = {"deletedRegion": _region(edit.span, 0), "insertedContent": {"text": edit.text}}
        changes.setdefault(quote(_path(edit.span)), []).append(replacement)
    files = [{"artifactLocation": {"uri": uri}, "replacements": edits} for uri, edits in changes.items()]
    return {"description": {"text": d.help or "the notation that is meant"}, "artifactChanges": files}


def _location(span: Span) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": {"uri": quote(_path(span))}, "region": _region(span, 1)}}


def _region(span: Span, least: int) -> dict[str, int]:
    """Lines and columns from 1; the end is exclusive, and at least so many characters behind the beginning."""
    first = max(span.column, 1)
    last = first + least if span.line == span.end_line else 1
    return {
        "startLine": span.line,
        "startColumn": first,
        "endLine": span.end_line,
        "endColumn": max(span.end_column, last),
    }
