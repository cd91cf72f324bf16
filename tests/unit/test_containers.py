"""Both containers: what they give, where they say it stands, what they refuse, and that nothing else ever comes out."""

from __future__ import annotations

import io
import json
import random
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from archdsl.diagnostics import Collector, Diagnostic, SourceFile, SpecError, render
from archdsl.limits import LIMITS, raised
from archdsl.syntax.containers import decode, looks_like_yaml, read_file, read_sections
from archdsl.syntax.reading import HEADINGS
from archdsl.syntax.sections import Fragment, Section

MAX_BYTES, MAX_ERRORS = LIMITS["bytes"].default, LIMITS["errors"].default
LENET = """\
network: LeNet-5
source: LeCun, Bottou, Bengio & Haffner, Gradient-Based Learning Applied to Document Recognition (1998), II.B
input: 1x32x32
default:
  conv: valid

def squash: tanh amplitude 1.7159, slope 2/3

map S2_to_C3: |                 # Table I: rows are maps of S2, columns maps of C3
  S2  0 1 2
  0   X . .
  1   X X .

layers: |
  C1: conv 5x5, 6 -> squash                       => 6x28x28, 156 params, 122304 connections
  S2: subsample 2x2 -> squash   # halves
  # on with C3

  C3: conv 5x5, 16, connect S2_to_C3 -> squash    => 16x10x10, 1516 params, 151600 connections
  => 60000 params, 340908 connections
"""

VGG = """\
# five networks in one table
---
network: VGG
parameters:
  config: D                     # A (VGG-11), D (VGG-16)
  batchnorm: no
  widths: [64, 128]
  odd: 010
  time: 3:30
input: 3x224x224

table configurations: |         # how many 3x3 layers each stage has
  config | n1 | close | => params
  A      | 1  | -     | 132863336
  D      | 2  | X     | 138357544

def conv3 w: conv 3x3, w -> bn if batchnorm -> relu
def conv1 w: conv 1x1, w -> bn if batchnorm -> relu

layers: |
  features:                                                              => 512x7x7
    [conv3 64] x n1 -> [lrn 5] if local -> maxpool 2x2
    [conv3 256] x n3 -> [conv1 256] if close -> maxpool 2x2
  flatten
  classifier: [[linear 4096 -> relu -> dropout 0.5] x 2 -> linear classes]
"""

TRANSFORMER = """\
network: Transformer
parameters: {size: base, vocab: 37000, hidden: 4d}
input:
  source: S below vocab
  target: T below vocab   # shifted right
default: {ln: eps 1e-6}
use resnet: resnet.yaml, stride_in 3x3

module decoderlayer memory on TxD -> TxD: |
  residual: self_attn: attention heads h, causal -> dropout p
  residual:
    attend heads h:
      - query: linear D
      - @memory -> key: linear D

layers: |
  @source -> embed: embedding vocab, d
  decoder: [decoderlayer @encoder] x n                        => Txd

names torch: |
  in decoderlayer:
    self_attn.qkv.weight -> self_attn.in_proj_weight
"""

VARIANT = """\
network: 'GoogLeNet: as "torchvision" has it #1'
extends: "googlenet.yaml"   # same folder
changes in inception: |
  replace branch3: [unit 1x1, r5 -> unit 3x3, n5]           # sic: 3x3, kept for the weights
changes: |
  remove lrn1, lrn2
  => 6624904 params
"""

SPECS = {"lenet": LENET, "vgg": VGG, "transformer": TRANSFORMER, "variant": VARIANT}
FOLDER = Path(__file__).parents[2] / "specs"
SPECS.update({path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.yaml"))})


def read(text: str, name: str = "net.yaml") -> tuple[tuple[Section, ...], list[Diagnostic]]:
    collector = Collector()
    return read_sections(SourceFile(name, text), collector), collector.diagnostics


def good(text: str, name: str = "net.yaml") -> tuple[Section, ...]:
    sections, found = read(text, name)
    assert not found, "\n".join(render(diagnostic) for diagnostic in found)
    return sections


def fragments(sections: tuple[Section, ...]) -> Iterator[Fragment]:
    for section in sections:
        if section.heading is not None:
            yield section.heading
        if isinstance(section.content, Fragment):
            yield section.content
        else:
            yield from (entry.value for entry in section.content or ())


def plain(sections: tuple[Section, ...]) -> list[object]:
    """The sections without their places."""
    found: list[object] = []
    for section in sections:
        content = section.content
        shown = (
            (content.text, content.inline)
            if isinstance(content, Fragment)
            else [(entry.key, entry.value.text, entry.value.inline) for entry in content or ()]
        )
        found.append((section.keyword, section.heading.text if section.heading else None, shown))
    return found


def body(text: str) -> str:
    content = good(text)[0].content
    assert isinstance(content, Fragment)
    assert not content.inline
    return content.text


@pytest.fixture(params=["c", "python"], autouse=True)
def yaml_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test with libyaml's parser, and with the one that takes its place where it is not installed."""
    if request.param == "python":
        monkeypatch.delattr(yaml, "CBaseLoader", raising=False)


@pytest.mark.parametrize("text", SPECS.values(), ids=SPECS)
def test_both_containers_agree(text: str) -> None:
    read_as_yaml = plain(good(text))
    assert read_as_yaml
    assert plain(good(text, "net.arch")) == read_as_yaml
    assert plain(good(text.replace(": |\n", ":\n"), "net.arch")) == read_as_yaml
    assert plain(good(text.replace("\n", "\r\n"))) == read_as_yaml
    assert plain(good(text.replace("\n", "\r\n"), "net.arch")) == read_as_yaml


@pytest.mark.parametrize("name", ["net.yaml", "net.arch"])
@pytest.mark.parametrize("text", SPECS.values(), ids=SPECS)
def test_every_line_stands_where_it_says(text: str, name: str) -> None:
    lines = text.split("\n")
    for fragment in fragments(good(text, name)):
        for line in fragment.lines:
            assert lines[line.line - 1][line.column - 1 :].startswith(line.text)


def test_lines_keep_comments_and_columns() -> None:
    layers = good(LENET)[-1]
    assert isinstance(layers.content, Fragment)
    assert layers.content.lines[2].text == "# on with C3"
    assert layers.content.lines[3].text == ""
    last = layers.content.lines[-1]
    assert (last.line, last.column) == (20, 3)
    assert str(layers.content.place(len(layers.content.lines), 4)) == "net.yaml:20:6"
    definition = good(LENET)[4]
    assert definition.heading is not None
    assert str(definition.heading.span) == "net.yaml:7:5"


def test_yaml_types_nothing() -> None:
    text = "parameters: {a: no, b: 3:30, c: 010, d: 1.0, e: 1_000, f: 2024-01-01, g: ~}\n"
    content = good(text)[0].content
    assert isinstance(content, tuple)
    assert [entry.value.text for entry in content] == ["no", "3:30", "010", "1.0", "1_000", "2024-01-01", "~"]


def test_quoted_text_begins_inside_the_quote() -> None:
    for name in ("net.yaml", "net.arch"):
        content = good("network: 'it''s'\nsource: \"a: b # c\"  # d\n", name)[1].content
        assert isinstance(content, Fragment)
        assert content.inline
        assert (content.text, content.lines[0].column) == ("a: b # c", 10)


def test_a_block_on_the_next_line_is_not_inline() -> None:
    for name in ("net.yaml", "net.arch"):
        content = good("layers:\n    conv 3x3, 8\n", name)[0].content
        assert isinstance(content, Fragment)
        assert not content.inline


def test_lists_in_place_of_text() -> None:
    text = """\
layers:
- conv 3x3, 64
- stem: [conv 1x1, relu]
- residual:
  - conv 3x3
  - shortcut:   conv 1x1
- both: {concat of split 2: [identity, relu]}
- concat along length:
  - identity
  - branch: [a -> b, c]
  - [p, q]
  - for i in 1..3:
    - b{i}
  - if deep: c
  - |
    one

    two
  - => 3x3
"""
    assert body(text).split("\n") == [
        "conv 3x3, 64",
        *("stem:", "  conv 1x1", "  relu"),
        *("residual:", "  conv 3x3", "  shortcut:   conv 1x1"),
        *("both:", "  concat of split 2:", "    - identity", "    - relu"),
        *("concat along length:", "  - identity", "  - branch:", "      a -> b", "      c", "  - p", "    q"),
        *("  for i in 1..3:", "    - b{i}", "  if deep:", "    - c", "  - one", "", "    two", "  => 3x3"),
    ]
    content = good(text)[0].content
    assert isinstance(content, Fragment)
    shortcut = content.lines[6]
    assert str(content.place(7, 3)) == "net.yaml:6:5"
    assert str(content.place(7, shortcut.text.index("conv") + 1)) == "net.yaml:6:17"
    assert str(content.place(16, content.lines[15].text.index("c") + 1)) == "net.yaml:10:22"


def test_json_is_yaml() -> None:
    spec = {"layers": ["conv 3x3, 64", {"residual": ["relu", {"concat": ["identity", "bn"]}]}]}
    lines = ["conv 3x3, 64", "residual:", "  relu", "  concat:", "    - identity", "    - bn"]
    assert body(json.dumps(spec)).split("\n") == lines
    assert body(json.dumps(spec, indent=2)).split("\n") == lines
    assert body(json.dumps({"layers": "conv 3x3, 64\nrelu\n"})).split("\n") == ["conv 3x3, 64", "relu"]


def test_a_table_as_a_list_of_rows() -> None:
    text = "table depths:\n- {depth: 18, unit: basic, => params: 7}\n- depth: 50\n  => params: [1, 2]\n  unit: neck\n"
    rows = [[cell.strip() for cell in line.split("|")] for line in body(text).split("\n")]
    assert rows == [["depth", "unit", "=> params"], ["18", "basic", "7"], ["50", "neck", "[1, 2]"]]
    content = good(text)[0].content
    assert isinstance(content, Fragment)
    assert str(content.place(2, content.lines[1].text.index("basic") + 1)) == "net.yaml:2:21"


def test_values_may_be_lists_and_sections_blocks() -> None:
    text = "parameters: |\n  a: [1,  2]\n  b: [3,\n    4]\n  c:\n    - x\n    - [y, 'z']\n  d: [\"q\"]\n"
    for name in ("net.yaml", "net.arch"):
        content = good(text, name)[0].content
        assert isinstance(content, tuple)
        assert [entry.value.text for entry in content] == ["[1,  2]", "[3, 4]", "[x, [y, z]]", "[q]"]
        assert [str(entry.key_span) for entry in content][:2] == [f"{name}:2:3", f"{name}:3:3"]


BOTH, YAML, TEXT = ("net.yaml", "net.arch"), ("net.yaml",), ("net.arch",)
REFUSED: list[tuple[tuple[str, ...], str, str, str]] = [
    # what YAML cannot read, at YAML's own mark
    (YAML, "def a: conv: conv 3x3\n", "A0101", "1:12"),
    (YAML, "def a: @m -> relu\n", "A0101", "1:8"),
    (YAML, "def a: [conv 3x3] x 2\n", "A0101", "1:19"),
    (YAML, 'network: "a\n', "A0101", "2:1"),
    (YAML, "- a\n", "A0101", "1:1"),
    (YAML, "hello\n", "A0101", "1:1"),
    (YAML, "network: [a]\n", "A0101", "1:10"),
    (YAML, "[a]: b\n", "A0101", "1:1"),
    (BOTH, "parameters: 5\n", "A0101", "1:13"),
    (BOTH, "parameters: {a: {b: 1}}\n", "A0101", "1:17"),
    (BOTH, "parameters: {a: [{b: 1}]}\n", "A0101", "1:18"),
    (BOTH, "parameters: [a]\n", "A0101", "1:13"),
    (YAML, "table t: {a: b}\n", "A0101", "1:10"),
    (YAML, "table t:\n- {a: 1}\n- {b: 1}\n", "A0101", "3:4"),
    (YAML, "table t:\n- {a: 1}\n- x\n", "A0101", "3:3"),
    (YAML, "layers:\n- [a, b]\n", "A0101", "2:3"),
    (TEXT, "network tiny\n", "A0101", "1:1"),
    (TEXT, "network:tiny\n", "A0101", "1:1"),
    # features of YAML
    (YAML, "layers: &a conv\n", "A0102", "1:9"),
    (YAML, "network: a\nsource: *a\n", "A0102", "2:9"),
    (YAML, "network: !!str a\n", "A0102", "1:10"),
    (BOTH, "parameters:\n  <<: {a: 1}\n  b: 2\n", "A0102", "2:3"),
    (BOTH, "parameters:\n  a: &x 1\n", "A0102", "2:6"),
    (BOTH, "network: a\n---\nnetwork: b\n", "A0102", "2:1"),
    (YAML, "%YAML 1.2\n---\nnetwork: a\n", "A0102", "1:1"),
    (YAML, "layers: >\n  a\n", "A0102", "1:9"),
    (YAML, "layers:\n  conv 3x3\n  relu\n", "A0101", "1:7"),
    (YAML, "network: a\n  b\n", "A0102", "1:10"),
    # twice
    (BOTH, "layers: a\nnetwork: b\nlayers: c\n", "A0103", "3:1"),
    (BOTH, "module a  b: c\nmodule a b: c\n", "A0103", "2:1"),
    (BOTH, "parameters:\n  a: 1\n  a: 2\n", "A0103", "3:3"),
    (BOTH, "parameters: {a: 1, a: 2}\n", "A0103", "1:20"),
    (YAML, "layers:\n- {a: relu, a: bn}\n", "A0103", "2:13"),
    # the words of sections
    (BOTH, "layer: a\n", "A0104", "1:1"),
    (BOTH, "conv1: a\n", "A0104", "1:1"),
    (BOTH, "operator scan n: a\n", "A0901", "1:1"),
    (BOTH, "module: a\n", "A0105", "1:1"),
    (BOTH, "table:  |\n  a\n", "A0105", "1:1"),
    (BOTH, "layers x: a\n", "A0105", "1:8"),
    (BOTH, "use a b: c\n", "A0105", "1:5"),
    (BOTH, "changes inception: a\n", "A0105", "1:9"),
    # nothing there
    (BOTH, "", "A0106", "1:1"),
    (BOTH, "# a comment\n\n", "A0106", "1:1"),
    (BOTH, "layers:\n", "A0106", "1:1"),
    (BOTH, "layers: |\nnetwork: a\n", "A0106", "1:1"),
    (BOTH, "layers: |\n  # later\n\nnetwork: a\n", "A0106", "1:1"),
    (BOTH, 'network: ""\n', "A0106", "1:1"),
    (BOTH, "parameters:\n", "A0106", "1:1"),
    (BOTH, "parameters: {}\n", "A0106", "1:13"),
    (BOTH, "parameters:\n  a:\n  b: 1\n", "A0106", "2:3"),
    (BOTH, "parameters: {a:1}\n", "A0106", "1:14"),
    (YAML, "layers:\n- residual:\n", "A0106", "2:3"),
    (YAML, "layers: []\n", "A0106", "1:1"),
    # indentation
    (BOTH, "layers: |\n\tconv\n", "A0107", "2:1"),
    (BOTH, "layers: |\n  a\n  \tconv\n", "A0107", "3:3"),
    (BOTH, "layers: |\n    a\n  conv\n", "A0107", "3:3"),
    (YAML, "layers: |\n  a\n# c\n  b\n", "A0107", "4:3"),
    (TEXT, "  a\nlayers: b\n", "A0107", "1:3"),
    (TEXT, "layers: a\n  b\n", "A0107", "2:3"),
    # characters
    (BOTH, "network: a\nsource: b\x1b[31m\n", "A0108", "2:10"),
    (BOTH, "network: a\u202eb\n", "A0108", "1:11"),
    (BOTH, "network: a\rb\n", "A0108", "1:11"),
    (BOTH, "network: \ud800\n", "A0108", "1:10"),
    (BOTH, "\ufeffnetwork: \U0010ffff\n", "A0108", "1:1"),
    (YAML, 'network: "a\\x1b"\n', "A0108", "1:10"),
    # limits
    (YAML, "layers: " + "[" * 50_000, "A0801", "1:72"),
    (BOTH, "parameters: {a: " + "[" * 50_000, "A0801", "1:79"),
    (BOTH, "layers: " + "[" * 100_000, "A0801", "1:60007"),
    (BOTH, "network: " + "a" * MAX_BYTES, "A0801", "1:1"),
]


@pytest.mark.parametrize(("names", "text", "code", "place"), REFUSED, ids=[repr(case[1][:30]) for case in REFUSED])
def test_refused_at_the_place(names: tuple[str, ...], text: str, code: str, place: str) -> None:
    for name in names:
        _, found = read(text, name)
        first = found[0]
        assert (first.code, str(first.span)) == (code, f"{name}:{place}"), render(first)
        assert first.message[:1].islower() or not first.message[:1].isalpha() or first.message.startswith("YAML")
        assert not first.message.endswith(".")
        assert render(first)


def test_many_nodes_are_refused() -> None:
    with raised(pieces=1000):
        assert good("parameters: {a: [" + "1," * 990 + "]}")
        _, found = read("parameters: {a: [" + "1," * 1001 + "]}")
    assert [diagnostic.code for diagnostic in found] == ["A0801"]


def test_help_and_second_places() -> None:
    assert read("layer: a\n")[1][0].help == "did you mean `layers`?"
    assert "did you mean" not in (read("zzz: a\n")[1][0].help or "")
    assert "after `|`" in (read("def a: b: c\n")[1][0].help or "")
    for name in BOTH:
        label = read("layers: a\nlayers: b\n", name)[1][0].labels[0]
        assert (str(label.span), label.text) == (f"{name}:1:1", "first here")
        label = read("layers: |\n    a\n  b\n", name)[1][0].labels[0]
        assert str(label.span) == f"{name}:2:5"


@pytest.mark.parametrize("name", BOTH)
def test_all_mistakes_of_a_file_are_collected(name: str) -> None:
    text = "netwrok: a\nmodule: b\nlayers:\nparameters: {a: 1, a: 2}\nlayers: c\ndef f: &x d\ndefs: e\n"
    codes = [diagnostic.code for diagnostic in read(text, name)[1]]
    expected = ["A0102", "A0103", "A0103", "A0104", "A0104", "A0105", "A0106"]
    assert sorted(codes) == (expected if name in YAML else expected[1:])


def test_what_stands_before_a_yaml_error_is_still_checked() -> None:
    sections, found = read("netwrok: a\nlayers: b\ndef f: a: b\n")
    assert {diagnostic.code for diagnostic in found} == {"A0101", "A0104"}
    assert [section.content is None for section in sections] == [False, True]


def test_a_flood_of_mistakes_is_cut() -> None:
    for name in BOTH:
        for line in ("zzz: a\n", "\ta\n", "\x00"):
            assert len(read(line * 5_000, name)[1]) <= MAX_ERRORS


def test_sections_begin_at_column_0_only() -> None:
    text = "# c\nlayers:   # here\n\n    conv 3x3\n  # further left\n# nor this\n    relu   \n\nnetwork: a\n"
    sections = good(text, "net.arch")
    assert plain(sections) == [("layers", None, ("conv 3x3\nrelu", False)), ("network", None, ("a", True))]


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.yaml"
    path.write_bytes("\ufeffnetwork: é\r\n".encode())
    file = read_file(path)
    assert file.name == str(path)
    assert plain(read_sections(file, Collector())) == [("network", None, ("é", True))]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"network: a\n")))
    assert read_file("-") == SourceFile("-", "network: a\n")
    with pytest.raises(OSError, match="nowhere"):
        read_file(tmp_path / "nowhere.yaml")
    assert looks_like_yaml("A.YML")
    assert not looks_like_yaml("-")
    assert not looks_like_yaml("yaml.arch")


@pytest.mark.parametrize(
    ("data", "code", "place"),
    [
        (b"network: a\nsource: \xff", "A0108", "2:9"),
        ("network: é".encode("utf-16"), "A0108", "1:1"),
        (b"network: \xc3", "A0108", "1:10"),
        ("é\x07".encode(), "A0108", "1:2"),
        (b"a" * (MAX_BYTES + 1), "A0801", "1:1"),
    ],
)
def test_bytes_refused(data: bytes, code: str, place: str) -> None:
    with pytest.raises(SpecError) as caught:
        decode("net.yaml", data)
    first = caught.value.diagnostics[0]
    assert (first.code, str(first.span)) == (code, f"net.yaml:{place}")


TOKENS = [
    *"\t\r\n -:#|>&*!%@`[]{},?'\"\\\x00\x85\u2028\ufeff<=~",
    *(": ", "\n  ", "- ", " |", "---\n", "...\n", "<<: ", "!!", "&a ", "*a", "? ", "|2\n", "'\n"),
    *('"\\U00110000"', '"\\x"', "[[[", "{a: ", "\n", "    ", "é", "\ud800"),
    *(f"{word}: " for word in HEADINGS),
]


def mutant(rng: random.Random) -> str:
    text = rng.choice(list(SPECS.values()))
    for _ in range(rng.randint(1, 6)):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.choice([0, 0, 1, 1, 5, 40]))
        text = text[:start] + rng.choice(TOKENS) + text[end:]
    return text


@pytest.mark.parametrize("name", BOTH)
def test_mutated_specs_give_diagnostics_and_nothing_else(name: str) -> None:
    rng = random.Random(20261121)
    for _ in range(400):
        text = mutant(rng)
        sections, found = read(text, name)
        lines = text.split("\n")
        for diagnostic in found:
            span = diagnostic.span
            assert span is not None, text
            assert span.line in range(1, len(lines) + 1), text
            assert span.column in range(1, len(lines[span.line - 1]) + 2), text
            assert render(diagnostic)
        assert sections or found, text
        assert all(fragment.lines and fragment.text.strip() for fragment in fragments(sections)), text
        assert found or all(section.content is not None for section in sections), text


def test_mutated_bytes_give_spec_errors_and_nothing_else() -> None:
    rng = random.Random(7)
    for _ in range(300):
        data = bytearray(mutant(rng).encode("utf-8", "replace"))
        for _ in range(rng.randint(0, 3)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        with suppress(SpecError):
            read_sections(decode(rng.choice(BOTH), bytes(data)), Collector())
