"""`archdsl check`."""

from __future__ import annotations

import sys

from ..checking import Checked, check_project
from ..diagnostics import Diagnostic, SpecError, safe
from ..report import facts_line
from ..report.numbers import plural
from .files import CommandError, matching, open_project, print_exactly, show_diagnostics, show_failure
from .fix import fix_file
from .parser import Options


def run(options: Options) -> int:
    """Print a line a file and a total; 1 if anything fails (with --strict: or is warned of), 2 if a file cannot be read."""
    try:
        files = matching(options.files)
    except CommandError as failure:
        show_failure(failure)
        return 2
    width = max(len(safe(name)) for name in files)
    results: list[Checked] = []
    unreadable = 0
    found: list[Diagnostic] = []
    for name in files:
        try:
            if options.fix:
                fix_file(name)
            checked = _check_file(name)
        except CommandError as failure:
            show_failure(failure)
            unreadable += 1
            continue
        results.append(checked)
        found.extend(checked.diagnostics)
        found.extend(checked.warnings)
        if options.style == "text":
            print(f"{safe(name):{width}}  {_line(checked)}", flush=True)
    if options.style == "text":
        print(_total(results))
        show_diagnostics(found)
        sure = sum(bool(d.fixes) for d in found)
        if sure:
            print(f"{sure} of these `archdsl check --fix` would mend", file=sys.stderr)
    else:
        _print_for_programs(found, options.style)
    wrong = any(options.strict or d.severity == "error" for d in found)
    return 2 if unreadable else 1 if wrong else 0


def _print_for_programs(found: list[Diagnostic], format: str) -> None:
    """What is wrong and nothing else, on standard output; JSON and SARIF whether anything is or not."""
    from ..report.machine import written

    text = written(found, format)
    if text:
        print_exactly(f"{text}\n")


def _check_file(name: str) -> Checked:
    try:
        return check_project(open_project(name))
    except SpecError as error:
        return Checked("", 0, (), error.diagnostics)


def _line(checked: Checked) -> str:
    mistakes = sum(1 for d in checked.diagnostics if d.code != "A0702")
    parts = [safe(checked.title)] if checked.title else []
    if checked.variants:
        parts.append(plural(checked.variants, "variant"))
    if checked.facts or not mistakes:
        parts.append(facts_line(checked.facts))
    if mistakes:
        parts.append(plural(mistakes, "mistake"))
    if checked.warnings:
        parts.append(plural(len(checked.warnings), "warning"))
    return ", ".join(parts)


def _total(results: list[Checked]) -> str:
    facts = [fact for checked in results for fact in checked.facts]
    variants = sum(checked.variants for checked in results)
    held = facts_line(facts) if facts else "0 facts hold"
    warnings = sum(len(checked.warnings) for checked in results)
    warned = f", {plural(warnings, 'warning')}" if warnings else ""
    return f"{plural(len(results), 'file')}, {plural(variants, 'variant')}, {held}{warned}"
