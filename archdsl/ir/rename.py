"""One rule of a `names` section: a pattern over dotted names, and a replacement that may compute."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

MAX_NUMBER = 10**12
MAX_FORMULA = 100


class RuleError(ValueError):
    """A rule that cannot be read, or does not come out whole, in one plain sentence."""


class Rules:
    """One line of a `names` section: `a -> b`, `qkv -> q, k, v`, `q, k, v -> qkv`, `wte -> wte = head`.

    >>> Rules("q, k, v", "qkv").apply("k.weight"), Rules("wte", "wte = head").apply("wte.weight")
    ((1, ['qkv.weight']), (0, ['wte.weight', 'head.weight']))
    """

    def __init__(self, pattern: str, replacement: str) -> None:
        patterns, names = _listed(pattern, ","), _listed(replacement, ",")
        self.merged, self.splits = len(patterns), len(names) > 1
        copies = names if self.splits else _listed(replacement, "=")
        if self.merged > 1 and len(copies) > 1 and self.splits:
            raise RuleError("a rule merges several arrays or splits one, not both")
        self.rules = [[Rule(one, made) for made in copies] for one in patterns]

    def apply(self, name: str) -> tuple[int, list[str]] | None:
        """Which of the patterns matches, and the names that come out; None where none does."""
        for at, rules in enumerate(self.rules):
            made = [found for found in (rule.apply(name) for rule in rules) if found is not None]
            if made:
                return at, made
        return None


def _listed(names: str, separator: str) -> list[str]:
    """Names on one side of a rule; what stands in braces is no separator."""
    parts = re.findall(rf"(?:[^{{}}{separator}]|\{{[^{{}}]*\}})+", names)
    return [part.strip() for part in parts] if separator.join(parts) == names else [names]


class Rule:
    """`pattern -> replacement`, one name each.

    >>> Rule("blocks.{i}.*", "layers.layer_{2i+1}.*").apply("blocks.3.norm.weight")
    'layers.layer_7.norm.weight'
    >>> Rule("blocks.{i}", "x") .apply("blocksize.1") is None
    True
    """

    def __init__(self, pattern: str, replacement: str) -> None:
        self.pattern = pattern
        self.names: list[str] = []
        self.stars = self.stars_again = 0
        segments = [self._segment(s) for s in _split(pattern)]
        self.regex = re.compile(r"\.".join(segments) + r"(?=\.|\Z)")
        self.parts = [self._replacement(s) for s in _split(replacement)]
        if self.stars_again > self.stars:
            raise RuleError(f"`{replacement}` has more stars than `{pattern}`")

    def apply(self, name: str) -> str | None:
        """The name with its start replaced; None where the pattern does not match."""
        match = self.regex.match(name)
        if match is None:
            return None
        groups = match.groupdict()
        numbers = {n: int(groups[f"n{at}"]) for at, n in enumerate(self.names)}
        stars = iter([groups[f"s{at}"] for at in range(self.stars)])
        made = ["".join(part(numbers, stars) for part in segment) for segment in self.parts]
        return ".".join(made) + name[match.end() :]

    def _segment(self, segment: str) -> str:
        if segment == "*":
            self.stars += 1
            return f"(?P<s{self.stars - 1}>[^.]+)"
        found = ""
        for text, inner in _pieces(segment):
            if "*" in text:
                raise RuleError(f"in `{self.pattern}` a star stands for a whole segment")
            found += re.escape(text)
            if inner is not None:
                found += self._number(inner.strip())
        return found

    def _number(self, name: str) -> str:
        if not name.isidentifier():
            raise RuleError(f"in `{self.pattern}` a brace holds a name, not `{name}`")
        if name in self.names:
            return f"(?P=n{self.names.index(name)})"
        self.names.append(name)
        return f"(?P<n{len(self.names) - 1}>0|[1-9][0-9]{{0,11}})"

    def _replacement(self, segment: str) -> list[_Part]:
        if segment == "*":
            self.stars_again += 1
            return [lambda _, stars: next(stars)]
        found: list[_Part] = []
        for text, inner in _pieces(segment):
            if "*" in text:
                raise RuleError(f"in `{segment}` a star stands for a whole segment")
            found.append(_literal(text))
            if inner is not None:
                found.append(_computed(_Formula(inner, frozenset(self.names))))
        return found


_Part = Callable[[Mapping[str, int], Iterator[str]], str]


def _literal(text: str) -> _Part:
    return lambda _, __: text


def _computed(formula: _Formula) -> _Part:
    return lambda numbers, _: formula(numbers)


def _split(pattern: str) -> list[str]:
    """The segments between the dots that stand outside of braces."""
    segments = re.findall(r"(?:[^.{}]|\{[^{}]*\})+", pattern)
    if not segments or ".".join(segments) != pattern:
        raise RuleError(f"`{pattern}` is no name: segments between dots, `{{i}}` for numbers, `*` for any segment")
    return segments


def _pieces(segment: str) -> list[tuple[str, str | None]]:
    """A segment as (text, what stands in the brace after it)."""
    return [(match[1], match[2]) for match in re.finditer(r"([^{}]*)(?:\{([^{}]*)\}|\Z)", segment) if match[0]]


class _Formula:
    """Arithmetic with whole numbers: names, `+ - * // / % ^`, parentheses, `2s`. Read once, computed at every match."""

    def __init__(self, text: str, names: frozenset[str]) -> None:
        self.text, self.names = text, names
        self.parts = re.findall(r"\d+|\w+|//|[-+*/%^()]|\S", text)[::-1]
        self.depth = 0
        self.value = self._sum() if len(text) <= MAX_FORMULA else _constant(0)
        if self.parts or len(text) > MAX_FORMULA:
            self._fail()

    def __call__(self, numbers: Mapping[str, int]) -> str:
        try:
            found = self.value(numbers)
        except (ArithmeticError, ValueError) as error:
            raise RuleError(f"`{{{self.text}}}` cannot be computed: {error}") from None
        if not 0 <= found <= MAX_NUMBER:
            raise RuleError(f"`{{{self.text}}}` gives {found}, which no name has")
        return str(found)

    def _fail(self) -> None:
        names = f" of {', '.join(sorted(self.names))}" if self.names else ""
        raise RuleError(f"`{{{self.text}}}` is no sum{names}, the numbers of the pattern")

    def _next(self, *parts: str) -> str | None:
        return self.parts.pop() if self.parts and self.parts[-1] in parts else None

    def _sum(self) -> _Value:
        value = _negated(self._product()) if self._next("-") else self._product()
        while op := self._next("+", "-"):
            value = _applied(op, value, self._product())
        return value

    def _product(self) -> _Value:
        value = self._power()
        while op := self._next("*", "//", "/", "%"):
            value = _applied(op, value, self._power())
        return value

    def _power(self) -> _Value:
        value = self._atom()
        return _applied("^", value, self._atom()) if self._next("^") else value

    def _atom(self) -> _Value:
        part = self.parts.pop() if self.parts else ""
        if part.isdigit() and part.isascii():
            value = _constant(int(part))
            follows = bool(self.parts) and (self.parts[-1] == "(" or self.parts[-1] in self.names)
            return _applied("*", value, self._atom()) if follows else value
        if part in self.names:
            return _named(part)
        self.depth += 1
        if part != "(" or self.depth > 20:
            self._fail()
        value = self._sum()
        if not self._next(")"):
            self._fail()
        self.depth -= 1
        return value


_Value = Callable[[Mapping[str, int]], int]


def _constant(number: int) -> _Value:
    return lambda _: number


def _named(name: str) -> _Value:
    return lambda numbers: numbers[name]


def _negated(value: _Value) -> _Value:
    return lambda numbers: -value(numbers)


def _applied(op: str, left: _Value, right: _Value) -> _Value:
    return lambda numbers: _OPERATIONS[op](left(numbers), right(numbers))


def _exactly(a: int, b: int) -> int:
    if a % b:
        raise ValueError(f"{a} is not divisible by {b}")
    return a // b


def _power(a: int, b: int) -> int:
    if not 0 <= b <= 64 or abs(a) > MAX_NUMBER:
        raise ValueError("the exponent is not from 0 to 64")
    return a**b


_OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: a // b,
    "/": _exactly,
    "%": lambda a, b: a % b,
    "^": _power,
}
