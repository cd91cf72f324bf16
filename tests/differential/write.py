"""A plan as the text of a spec."""

from __future__ import annotations

from typing import Any

from .expressions import text
from .words import WORDS

Node = dict[str, Any]
INDENT = "  "


def spec(plan: dict[str, Any], facts: str = "") -> str:
    """The whole file, in YAML or as text, with some facts behind its last line."""
    bar = " |" if plan["container"] == "yaml" else ""
    lines: list[str] = ["network: Random"]
    if plan.get("parameters"):
        lines += ["parameters:", *(f"{INDENT}{name}: {text(e)}" for name, e in plan["parameters"].items())]
    shapes = {name: shape(*given) for name, given in plan["inputs"].items()}
    if list(shapes) == ["input"]:
        lines.append(f"input: {shapes['input']}")
    else:
        lines += ["input:", *(f"{INDENT}{name}: {written}" for name, written in shapes.items())]
    if plan.get("default"):
        lines.append("default:")
        lines += [f"{INDENT}{word}: {', '.join(arguments(word, given))}" for word, given in plan["default"].items()]
    for name, table in plan.get("tables", {}).items():
        lines.append(f"table {name}:{bar}")
        lines += [INDENT + " | ".join(text(c) for c in row) for row in [table["heads"], *table["rows"]]]
    for name, rows in plan.get("maps", {}).items():
        lines.append(f"map {name}:{bar}")
        lines.append(f"{INDENT}in {' '.join(str(o) for o in range(len(rows[0])))}")
        lines += [f"{INDENT}{i} {' '.join(row)}" for i, row in enumerate(rows)]
    for part in plan["parts"]:
        lines.append(f"{heading(part)}:{bar}")
        lines += body(part["body"], 1)
    lines.append(f"layers:{bar}")
    lines += body(plan["body"], 1)
    if facts:
        lines.append(f"{INDENT}=> {facts}")
    return "\n".join(lines) + "\n"


def shape(kind: str, sizes: list[int], below: int | None) -> str:
    written = "x".join(map(str, sizes))
    return (
        f"{written} below {below}"
        if kind == "numbers"
        else f"{written} map"
        if kind == "map" and len(sizes) == 2
        else written
    )


def heading(part: dict[str, Any]) -> str:
    formals = [name if default is None else f"{name}={text(default)}" for name, default in part["formals"]]
    found = " ".join([part["is"], part["name"], ", ".join(formals)]).rstrip()
    if part["on"] is None:
        return found
    return f"{found} on {'x'.join(part['on'])}" + (" map" if part["kind"] == "map" and len(part["on"]) == 2 else "")


def arguments(word: str, given: dict[str, Any]) -> list[str]:
    """What stands behind the word."""
    positions = WORDS[word].positions if word in WORDS else ()
    found: list[str] = []
    named = False
    for name in [n for n in positions if n in given] + [n for n in given if n not in positions]:
        written, argument = name.rstrip("_"), given[name]
        if isinstance(argument, dict) and "word" in argument:
            found.append(f"{written} {argument['word']}")
        elif isinstance(argument, dict) and "map" in argument:
            found.append(f"{written} {argument['map']}")
        elif argument is True:
            found.append(written)
        elif argument is False:
            found.append(f"no {written}")
        elif name in positions and not named and positions.index(name) == len(found):
            found.append(text(argument))
        else:
            named = True
            found.append(f"{written} {text(argument)}")
    return found


def call(word: str, written: list[str]) -> str:
    return f"{word} {', '.join(written)}".rstrip()


def inline(node: Node) -> str | None:
    """A node as an item of a chain; None if it takes lines of its own."""
    kind, label = node["is"], node.get("label")
    found: str | None = None
    if kind == "layer":
        found = call(node["word"], arguments(node["word"], node["args"]))
    elif kind == "call":
        found = call(node["part"], [text(e) if n == "" else f"{n} {text(e)}" for n, e in node["args"].items()])
    elif kind == "again":
        found = f"again {node['of']}"
    elif kind == "from":
        found = f"@{node['of']}"
    elif kind == "level" and node["style"] == "brackets":
        found = brackets(node["body"])
    elif kind == "loop" and "times" in node:
        inner = brackets(node["body"])
        found = inner and f"{inner} x {text(node['times'], True)}"
    elif kind == "choice" and node["style"] == "item":
        found = choice(node)
    return f"{label}: {found}" if found and label is not None else found


def choice(node: Node) -> str | None:
    """`[...] if test else [...]`."""
    yes, no = brackets(node["then"]), brackets(node["else"])
    if yes is None or no is None or not node["then"]:
        return None
    return f"{yes} if {text(node['test'])}" + (f" else {no}" if node["else"] else "")


def brackets(nodes: list[Node]) -> str | None:
    items = [inline(node) for node in nodes]
    return None if None in items else f"[{' -> '.join(map(str, items))}]"


def body(nodes: list[Node], depth: int) -> list[str]:
    """Nodes as lines; those whose `arrow` is set stand behind the one before."""
    lines: list[str] = []
    chain = False
    for node in nodes:
        item = inline(node)
        if item is None:
            lines += block(node, depth)
        elif chain and node.get("arrow") and node["is"] != "from":
            lines[-1] += f" -> {item}"
        else:
            lines.append(INDENT * depth + item)
        chain = item is not None
    return lines or [INDENT * depth + "identity"]


def headed(head: str, nodes: list[Node], depth: int, oneline: bool = False) -> list[str]:
    """A head and what is under it, on its line if it may."""
    items = [inline(node) for node in nodes]
    if oneline and nodes and None not in items and not any(n["is"] == "from" for n in nodes[1:]):
        return [f"{INDENT * depth}{head} {' -> '.join(map(str, items))}"]
    return [INDENT * depth + head, *body(nodes, depth + 1)]


def block(node: Node, depth: int) -> list[str]:
    """A node that takes lines of its own."""
    kind = node["is"]
    label = f"{node['label']}: " if node.get("label") is not None else ""
    if kind == "level":
        return headed(f"{node['label']}:", node["body"], depth)
    if kind == "residual":
        head = "residual:" if node["test"] is None else f"residual if {text(node['test'])}:"
        if node["shortcut"] is None:
            return headed(head, node["body"], depth, node.get("oneline", False))
        shortcut = headed("shortcut:", node["shortcut"], depth + 1, True)
        return [*headed(head, node["body"], depth), *shortcut]
    if kind == "join":
        return join(node, depth)
    if kind == "loop":
        return headed(label + loop_head(node), node["body"], depth)
    if kind == "choice":
        lines = headed(f"if {text(node['test'])}:", node["then"], depth)
        return lines + (headed("else:", node["else"], depth) if node["else"] else [])
    when = " when training" if node["training"] else ""
    return headed(f"output {node['name']}{when}:", node["body"], depth, node.get("oneline", False))


def loop_head(node: Node) -> str:
    if "times" in node:
        return f"for turn in 1..{text(node['times'], True)}:"
    if "rows" in node:
        return f"for each row of {node['rows']}:"
    if node.get("range") is not None:
        low, high = (text(e, True) for e in node["in"])
        return f"for {node['each']} in {low}{node['range']}{high}:"
    return f"for {node['each']} in [{', '.join(text(e) for e in node['in'])}]:"


def join(node: Node, depth: int) -> list[str]:
    given = dict(node["args"])
    along = given.pop("along", None)
    head = call(node["word"], arguments(node["word"], given))
    if along is not None:
        head += f" along {along['word']}"
    if node.get("split"):
        head += f" of split {node['split']}"
    lines = [f"{INDENT * depth}{head}:"]
    for path in node["paths"]:
        if "each" in path:
            lines += [f"{INDENT * (depth + 1)}{loop_head(path)}", *dashed(path["body"], depth + 2)]
        else:
            lines += dashed(path["body"], depth + 1)
    return lines


def dashed(nodes: list[Node], depth: int) -> list[str]:
    """A path behind its dash, going on below."""
    lines = body(nodes, depth + 1)
    first = lines[0].removeprefix(INDENT * (depth + 1))
    if nodes and inline(nodes[0]) is None:
        return [f"{INDENT * depth}- identity", *lines]
    return [f"{INDENT * depth}- {first}", *lines[1:]]
