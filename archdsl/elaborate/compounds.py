"""Heads with something below them: `residual:`, `concat:` and its kin, `for`, `output`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..diagnostics import Diagnostic, Label, Span, fail
from ..ir import graph as g
from ..ir.dims import compare, show
from ..ir.evaluate import Env, evaluate_dim, evaluate_test
from ..ir.lookup import named
from ..ir.operator import Refusal, find_operator
from ..ir.shapes import Shape
from ..ops.merge import Add
from ..syntax import tree as t
from .arguments import bind_operator
from .builder import Builder, Made
from .labels import Labels, Target
from .loops import loop_of, repeat
from .outputs import declared
from .references import look

Under = t.Block | t.Inline


def compound(b: Builder, compound: t.Compound, x: int) -> Made:
    """A head and what it speaks of."""
    head, body, span = compound.head, compound.body, compound.span
    match head:
        case t.Residual():
            return residual(b, head, body, x, span)
        case t.Join():
            return join(b, head, body, x, span)
        case t.For() | t.ForRows():
            return repeat(b, loop_of(b, head), body, x, span)
        case t.Output():
            return side_output(b, head, body, x, span)
        case t.Shortcut():
            problem = "`shortcut:` is the other arm of a residual and stands right under it"
            return fail("A0109", problem, head.span)


# ---- residual -------------------------------------------------------------------------------------------------------


def residual(b: Builder, head: t.Residual, body: Under, x: int, span: Span) -> Made:
    """`f(x) + shortcut(x)`."""
    taken = head.test is None or evaluate_test(head.test, b.env)
    statements = body.statements if isinstance(body, t.Block) else (t.Line(body, (), body.span),)
    shortcuts = [s for s in map(_shortcut, statements) if s is not None]
    if len(shortcuts) > 1:
        fail("A0109", "a residual has one shortcut", shortcuts[1].span)
    rest = [s for s in statements if _shortcut(s) is None]
    first = bool(shortcuts) and _shortcut(statements[0]) is not None
    shortcut = _arm(b, statements, x) if first and taken else None
    nodes, y = b.statements(rest, x)
    main = g.Arm(x, tuple(nodes), y, span)
    if shortcuts and taken and not first:
        shortcut = _arm(b, statements, x)
    output = y
    if taken:
        other, arm = (x, None) if shortcut is None else (shortcut.output, shortcut.span)
        output = b.new_value(_added(b, (y, other), head.span, rest[-1] if rest else None, arm))
    b.session.count_nodes(span)
    test = None if head.test is None else b.env.express(head.test)
    return [g.Residual(test, taken, main, shortcut, first, output, span)], output


def _shortcut(statement: t.Statement) -> t.Compound | None:
    """The `shortcut:` that a statement is, alone or as the only thing on its line."""
    inner = statement.inline if isinstance(statement, t.Line) else statement
    return inner if isinstance(inner, t.Compound) and isinstance(inner.head, t.Shortcut) else None


def _arm(b: Builder, statements: Sequence[t.Statement], x: int) -> g.Arm:
    """The shortcut among the statements of a residual, with the facts on its line."""
    for statement in statements:
        shortcut = _shortcut(statement)
        if shortcut is not None:
            nodes, y = b.inline(shortcut.body, x)
            block = shortcut.body.facts if isinstance(shortcut.body, t.Block) else ()
            facts = statement.facts if isinstance(statement, t.Line) else block
            claims = b.claimed(facts)
            body = (g.Line(tuple(nodes), y, claims, shortcut.span),) if claims else tuple(nodes)
            return g.Arm(x, body, y, shortcut.span)
    raise AssertionError("a residual that has a shortcut")


def _first_line(statement: t.Statement) -> Span:
    """The place of a statement, of one over several lines its first."""
    span = statement.span
    if span.line == span.end_line:
        return span
    return Span(span.file, span.line, span.column, span.line, len(span.file.lines[span.line - 1].rstrip()) + 1)


def _added(b: Builder, values: tuple[int, int], span: Span, last: t.Statement | None, arm: Span | None) -> Shape | None:
    """The sum of a residual's two arms, `last` being what the first one ends with and `arm` the shortcut."""
    shapes = b.known(values)
    if shapes is None:
        return None
    try:
        return Add().output(*shapes)
    except Refusal:
        a, c = shapes
        help = f"give it a `shortcut:` that makes {c} into {a}, or stride and width that keep {c}"
        if arm is not None:
            help = f"make the shortcut give {a}, or the other arm {c}"
        main = None if last is None else _first_line(last)
        places = ((main, f"this arm gives {a}"), (arm, f"the shortcut gives {c}"))
        labels = tuple(Label(place, text) for place, text in places if place is not None)
        b.session.report(Diagnostic("A0410", f"residual adds {a} to {c}", span, labels, help))
        return None


# ---- paths that come together ---------------------------------------------------------------------------------------


def join(b: Builder, head: t.Join, body: Under, x: int, span: Span) -> Made:
    """`concat:`, `add:`, `mul:`: paths, each behind a dash."""
    cls = find_operator(head.kind)
    if cls is None:
        fail("A0902", f"`{head.kind}` is a word of the language that is not built yet", head.span)
    operator, expressions, references, spans = bind_operator(cls, b.file, b.env, head.arguments, head.span)
    dashes = _paths(b, body)
    shares = _shares(b, head, x, len(dashes))
    arms: list[g.Arm] = []
    for (dash, env), entry in zip(dashes, shares or (x,) * len(dashes), strict=True):
        with b.within(env=env):
            nodes, y = b.statements((dash.first, *dash.rest), entry)
        arms.append(g.Arm(entry, tuple(nodes), y, dash.span))
    looked = [look(b, references[name]) for name in operator.value_arguments()]
    inputs = (*(arm.output for arm in arms), *(value for _, value in looked))
    parties = [(_first_line(dash.first), "this path gives") for dash, _ in dashes]
    output = b.applied(operator, inputs, head.span, spans, parties)
    b.session.count_nodes(span)
    node = g.Join(operator, x, shares, tuple(arms), inputs, output, expressions, span)
    return [*(n for nodes, _ in looked for n in nodes), node], output


def _paths(b: Builder, body: Under) -> list[tuple[t.Dash, Env]]:
    """The dashes under a joining word, loops and conditions between them decided."""
    if not isinstance(body, t.Block):
        fail("A0109", "paths stand on lines of their own, each behind a dash", body.span)
    found: list[tuple[t.Dash, Env]] = []
    _add_paths(b, body, found)
    if not found:
        fail("A0109", "a joining word needs paths: lines that begin with a dash", body.span)
    return found


def _add_paths(b: Builder, statement: t.Statement | Under, found: list[tuple[t.Dash, Env]]) -> None:
    b.session.reached[id(statement)] = statement
    match statement:
        case t.Dash():
            found.append((statement, b.env))
        case t.Block():
            for inner in statement.statements:
                _add_paths(b, inner, found)
        case t.Compound(head=t.For() | t.ForRows() as head):
            loop = loop_of(b, head)
            for number in range(loop.count):
                b.session.count_nodes(statement.span)
                with b.within(env=b.env.with_names(loop.names(number))):
                    _add_paths(b, statement.body, found)
        case t.Choice():
            branch = statement.then if evaluate_test(statement.test, b.env) else statement.otherwise
            if branch is not None:
                _add_paths(b, branch, found)
        case _:
            fail("A0109", "a path begins with a dash", statement.span)


def _shares(b: Builder, head: t.Join, x: int, paths: int) -> tuple[int, ...]:
    """The values the paths of `concat of split n` begin from; none without a split."""
    if head.split is None:
        return ()
    count = evaluate_dim(head.split, b.env, "a number of shares")
    if count != paths:
        problem = f"split {show(count)} makes {show(count)} shares, but there are {paths} paths"
        fail("A0413", problem, head.split.span)
    shape = b.shapes[x]
    if shape is None:
        return tuple(b.unknown() for _ in range(paths))
    if compare(shape.features % paths, 0, "==") is False:
        problem = f"{paths} shares do not divide the {show(shape.features)} features of {shape}"
        fail("A0413", problem, head.split.span)
    share = shape.with_features(shape.features // paths)
    return tuple(b.new_value(share) for _ in range(paths))


# ---- side outputs ---------------------------------------------------------------------------------------------------


def side_output(b: Builder, head: t.Output, body: Under, x: int, span: Span) -> Made:
    """`output NAME: ...`: built from here, while the main value goes on as it was."""
    if len(b.session.calls) != 1:
        fail("A0903", "an output inside a module is not built yet: it stands in `layers`", head.span)
    label = b.label(head.label)
    assert label is not None
    segments = label.segments
    scope = Labels(b.labels, (*b.labels.path, *segments))
    with b.within(labels=scope):
        nodes, y = b.inline(body, x)
    items = list(named(tuple(nodes)))
    named_like = _labelled(nodes, items[0], label) if len(items) == 1 and items[0].label is None else nodes
    if items:  # one inside a join or a residual is not the output's own: then the output is a level, too
        nodes = named_like if named_like != nodes else [g.Level(label, tuple(nodes), y, span)]
    b.labels.define(segments, Target(y, head.span, scope, nodes[0] if nodes else None))
    return [g.SideOutput(declared(b, scope.path), head.training, tuple(nodes), y, span)], x


def _labelled(nodes: list[g.Node], item: g.Node, label: g.Label) -> list[g.Node]:
    """The only layer, call or level of a side output is called like the output."""
    found: list[g.Node] = []
    for node in nodes:
        if node is item:
            assert isinstance(node, g.Layer | g.Invoke | g.Level)
            found.append(replace(node, label=label))
        elif isinstance(node, g.Line):
            found.append(replace(node, body=tuple(_labelled(list(node.body), item, label))))
        else:
            found.append(node)
    return found
