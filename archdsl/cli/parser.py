"""argparse, with help that begins with examples and errors that suggest what was meant."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal, NoReturn

from ..limits import LIMITS


class Options(argparse.Namespace):
    """The arguments of any command; each command sets those it declares."""

    files: list[str]
    file: str
    settings: dict[str, str]
    limits: Mapping[str, int] = MappingProxyType({})
    json: bool
    format: Literal["table", "csv", "markdown", "json"] | None
    columns: tuple[str, ...] | None
    sort: str | None
    by: Literal["operator", "module", "stage"] | None
    at: dict[str, int]
    batch: int | None
    dtype: str | None
    optimizer: Literal["sgd", "momentum", "adam"] | None
    plot: str | None
    other: str
    settings_a: dict[str, str]
    settings_b: dict[str, str]
    exit_code: bool
    training: bool
    connections: bool
    no_cache: bool
    depth: int | None
    names: str | None
    inference: bool
    checkpoint_repeats: bool
    output: str | None
    force: bool
    style: str
    strict: bool
    fix: bool
    check: bool
    to: Literal["arch", "yaml"] | None
    weights: str
    source: str | None
    target: str | None
    ignored: list[str]
    word: str | None


def suggestion(word: str, known: Iterable[str]) -> str | None:
    """A line for a misspelt word, or None."""
    import difflib

    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.7)
    return f"did you mean `{found[0]}`?" if found else None


class Parser(argparse.ArgumentParser):
    """A command's arguments."""

    def __init__(self, prog: str, description: str, examples: str) -> None:
        super().__init__(prog=prog, description=description, allow_abbrev=False)
        self.examples = examples

    def format_help(self) -> str:
        """What it does, examples, then the arguments."""
        formatter = self._get_formatter()
        for group in self._action_groups:
            formatter.start_section(group.title)
            formatter.add_text(group.description)
            formatter.add_arguments(group._group_actions)
            formatter.end_section()
        usage = self.format_usage()
        return f"{self.prog}: {self.description}\n\nexamples:\n{self.examples}\n{usage}\n{formatter.format_help()}"

    def parse_args(self, args: list[str], namespace: Options) -> Options:  # type: ignore[override]
        """The options; what is not understood ends the program with code 2."""
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self.error(f"`{unknown[0]}` is not understood here", self._meant(unknown[0].partition("=")[0]))
        return found

    def _meant(self, word: str) -> str | None:
        """The option most like a word, or the one that has it among its values (`--csv` for `--format csv`)."""
        for action in self._actions:
            if action.option_strings and word.startswith("--") and word[2:] in (action.choices or ()):
                return f"did you mean `{action.option_strings[0]} {word[2:]}`?"
        return suggestion(word, [name for action in self._actions for name in action.option_strings])

    def error(self, message: str, help: str | None = None) -> NoReturn:
        """Say what is wrong and end the program with code 2."""
        help = help or f"`{self.prog} --help` shows examples"
        print(f"{self.prog}: error: {message}\n  help: {help}", file=sys.stderr)
        raise SystemExit(2)


class Limits(argparse.Action):
    """`--limit NAME=N`, for this call alone."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: object = None,
    ) -> None:
        assert isinstance(parser, Parser)
        name, _, value = str(values).partition("=")
        digits = value.replace("_", "")
        if name not in LIMITS:
            near = suggestion(name, LIMITS)
            parser.error(f"no limit `{name}`", near or f"the limits are {', '.join(LIMITS)}")
        if not digits.isdecimal() or not digits.isascii() or len(digits) > 18:
            parser.error(
                f"`--limit {values}` is not NAME=N", f"for example `--limit {name}={2 * LIMITS[name].default}`"
            )
        most = LIMITS[name].most
        if int(digits) < 1 or (most is not None and int(digits) > most):
            parser.error(f"`{name}` is a number from 1 " + (f"to {most}" if most is not None else "on"))
        setattr(namespace, self.dest, {**getattr(namespace, self.dest), name: int(digits)})


class Settings(argparse.Action):
    """`--set NAME=VALUE`, each name once."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: object = None,
    ) -> None:
        assert isinstance(parser, Parser)
        name, equals, value = str(values).partition("=")
        settings = dict(getattr(namespace, self.dest) or {})
        if not equals or not name.strip() or not value.strip():
            parser.error(f"`--set {values}` is not NAME=VALUE", "for example `--set depth=34`")
        if name.strip() in settings:
            parser.error(f"`{name.strip()}` is set twice")
        settings[name.strip()] = value.strip()
        setattr(namespace, self.dest, settings)


class Sizes(argparse.Action):
    """`--at NAME=NUMBER`, each name once."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: object = None,
    ) -> None:
        assert isinstance(parser, Parser)
        sizes = dict(getattr(namespace, self.dest) or {})
        for part in str(values).split(","):
            name, _, value = (side.strip() for side in part.partition("="))
            if not name or not (value.isdecimal() and value.isascii()) or len(value) > 18 or int(value) < 1:
                parser.error(f"`--at {values}` is not NAME=NUMBER", "for example `--at T=1024`, or `--at H=224,W=224`")
            if name in sizes:
                parser.error(f"`{name}` is given twice")
            sizes[name] = int(value)
        setattr(namespace, self.dest, sizes)


class ColumnNames(argparse.Action):
    """`--columns a,b` or `--sort a`: names of columns."""

    ALIASES = {"params": "parameters", "trainable": "parameters", "multiply-adds": "macs", "shape": "output"}

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: object = None,
    ) -> None:
        from ..analysis.columns import COLUMNS

        assert isinstance(parser, Parser)
        found: list[str] = []
        for part in str(values).split(","):
            name = self.ALIASES.get(part.strip(), part.strip())
            if name not in COLUMNS:
                help = suggestion(name, COLUMNS) or f"the columns are {', '.join(COLUMNS)}"
                parser.error(f"no column `{name}`", help)
            if name not in found:
                found.append(name)
        one = self.dest == "sort"
        if one and len(found) > 1:
            parser.error("`--sort` takes one column")
        setattr(namespace, self.dest, found[0] if one else tuple(found))
