"""What each command takes, and examples of its use; declared apart, so that `--help` loads no more than this."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from ..records import dataclass
from .parser import ColumnNames, Limits, Parser, Settings, Sizes

DTYPES = ("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")


@dataclass(frozen=True, slots=True)
class Command:
    """A command before its module is loaded."""

    summary: str
    examples: str
    declare: Callable[[Parser], None]


def _file(parser: Parser, many: bool = False, bundled: bool = True) -> None:
    help = "a spec; `-` reads standard input" + ("; or the name of a bundled spec" if bundled else "")
    if many:
        parser.add_argument("files", nargs="+", metavar="FILE", help=help)
    else:
        parser.add_argument("file", metavar="FILE", help=help)
    _limit(parser)


def _limit(parser: Parser) -> None:
    parser.add_argument(
        "--limit", dest="limits", action=Limits, default={}, metavar="NAME=N", help="change a limit (docs/security.md)"
    )


def _settings(parser: Parser) -> None:
    parser.add_argument(
        "--set", dest="settings", action=Settings, default={}, metavar="NAME=VALUE", help="a parameter of the spec"
    )


def _check(parser: Parser) -> None:
    _file(parser, many=True)
    parser.add_argument(
        "--format",
        dest="style",
        choices=("text", "concise", "json", "sarif", "github"),
        default="text",
        help="how mistakes are written: for people, a line each, for programs, as annotations of GitHub",
    )
    parser.add_argument(
        "--fix",
        action="store_true",
        help="first mend in place what is surely meant otherwise: notations of other languages",
    )
    parser.add_argument("--strict", action="store_true", help="end with code 1 also if there are only warnings")


def _analyze(parser: Parser) -> None:
    _file(parser)
    _settings(parser)
    parser.add_argument(
        "--at", action=Sizes, default={}, metavar="NAME=NUMBER", help="a size that the input leaves open"
    )
    form = parser.add_argument_group("what is shown")
    form.add_argument("--columns", action=ColumnNames, metavar="A,B", help="columns (docs/analysis.md explains each)")
    form.add_argument("--sort", action=ColumnNames, metavar="COLUMN", help="the layers by falling values of a column")
    form.add_argument("--by", choices=("operator", "module", "stage"), help="layers put together, instead of the tree")
    form.add_argument(
        "--format", choices=("table", "csv", "markdown", "json"), help="how it is printed (default: table)"
    )
    form.add_argument("--json", action="store_true", help="the same as --format json (docs/json.md describes it)")
    form.add_argument(
        "--plot", metavar="FILE.svg", help="draw the columns over the layers instead; .png needs matplotlib"
    )
    form.add_argument("--force", action="store_true", help="replace FILE.svg even if archdsl did not make it")
    memory = parser.add_argument_group("memory")
    memory.add_argument("--batch", type=_batch, metavar="N", help="examples at once (default: 1)")
    memory.add_argument("--dtype", choices=DTYPES, help="type of all numbers (default: float32)")
    memory.add_argument(
        "--optimizer", choices=("sgd", "momentum", "adam"), help="whose state is counted (default: adam)"
    )
    parser.add_argument("--training", action="store_true", help="count what exists in training only, too")
    parser.add_argument("--depth", type=_depth, metavar="N", help="how many levels of the tree to show")
    parser.add_argument("--connections", action="store_true", help="count connections, in the sense of LeNet-5's paper")
    parser.add_argument(
        "--no-cache", action="store_true", help="neither use what an earlier call printed nor keep this"
    )


def _batch(text: str) -> int:
    if not text.isdecimal() or not text.isascii() or not 1 <= int(text[:12]) <= 10**9:
        raise argparse.ArgumentTypeError(f"`{text}` is not a number of examples, 1 or more")
    return int(text)


def _depth(text: str) -> int:
    if not text.isdecimal() or not text.isascii() or not 1 <= int(text[:6]) <= 1000:
        raise argparse.ArgumentTypeError(f"`{text}` is not a number of levels, 1 or more")
    return int(text)


def _diff(parser: Parser) -> None:
    parser.add_argument("file", metavar="A", help="a spec, or the name of a bundled spec")
    parser.add_argument("other", metavar="B", help="another, or the same with other parameters")
    _limit(parser)
    _settings(parser)
    for side in "ab":
        help = f"a parameter of {side.upper()} alone"
        parser.add_argument(
            f"--set-{side}", dest=f"settings_{side}", action=Settings, default={}, metavar="NAME=VALUE", help=help
        )
    parser.add_argument(
        "--at", action=Sizes, default={}, metavar="NAME=NUMBER", help="a size that the inputs leave open"
    )
    parser.add_argument("--json", action="store_true", help="one object for a program (docs/json.md describes it)")
    parser.add_argument("--exit-code", action="store_true", help="end with code 1 if anything differs")


def _schema(parser: Parser) -> None:
    parser.add_argument("word", choices=("analysis", "diff"), help="which object: of `analyze --json` or `diff --json`")


def _compile(parser: Parser) -> None:
    _file(parser)
    _settings(parser)
    parser.add_argument("--names", metavar="DIALECT", help="keys of the state_dict as another library has them")
    parser.add_argument(
        "--inference", action="store_true", help="batch norms folded, dropouts gone, with `fold` for trained weights"
    )
    parser.add_argument(
        "--checkpoint-repeats",
        action="store_true",
        help="in training compute the turns of repeats again for the gradient, which takes less memory",
    )
    parser.add_argument("-o", "--output", metavar="OUT.py", help="the file to write (default: standard output)")
    parser.add_argument("--force", action="store_true", help="replace OUT.py even if archdsl did not write it")


def _draw(parser: Parser) -> None:
    _file(parser)
    _settings(parser)
    parser.add_argument("-o", "--output", metavar="OUT.svg", help="the file to write (default: standard output)")
    parser.add_argument("--force", action="store_true", help="replace OUT.svg even if archdsl did not make it")


def _weights(parser: Parser) -> None:
    _file(parser)
    parser.add_argument("weights", metavar="IN", help="the weights: .safetensors, or a file of torch's")
    _settings(parser)
    parser.add_argument("--from", dest="source", metavar="DIALECT", help="whose names IN has (default: the spec's own)")
    parser.add_argument("--to", dest="target", metavar="DIALECT", help="whose names OUT gets (default: the spec's own)")
    parser.add_argument(
        "-o", "--output", metavar="OUT", help="the file to write, .safetensors or .pt; without it IN is only checked"
    )
    parser.add_argument(
        "--ignore",
        dest="ignored",
        action="append",
        default=[],
        metavar="PATTERN",
        help="names of IN to leave out, like `*.masked_bias`",
    )
    parser.add_argument("--force", action="store_true", help="replace OUT even if archdsl did not write it")


def _fmt(parser: Parser) -> None:
    _file(parser, many=True, bundled=False)
    parser.add_argument("--check", action="store_true", help="change nothing; list the files that would change")
    parser.add_argument("--to", choices=("arch", "yaml"), help="the other container; printed, or written to -o")
    parser.add_argument("-o", "--output", metavar="OUT", help="write there instead of in place")


def _explain(parser: Parser) -> None:
    parser.add_argument("word", nargs="?", metavar="WORD", help="a layer word, or a diagnostic code")


COMMANDS = {
    "check": Command(
        "verify that specs can be built and their facts hold, in every variant",
        "  archdsl check net.yaml\n  archdsl check specs/*.yaml\n  archdsl check --format github net.yaml\n  cat net.arch | archdsl check -\n",
        _check,
    ),
    "analyze": Command(
        "the table of a network: shapes, parameters, multiply-adds",
        "  archdsl analyze lenet5\n"
        "  archdsl analyze resnet --set depth=34 --depth 2\n"
        "  archdsl analyze resnet50 --columns output,macs,rf,live --batch 32\n"
        "  archdsl analyze gpt2 --at T=1024 --by operator --sort macs\n"
        "  archdsl analyze net.yaml --json > net.json\n",
        _analyze,
    ),
    "diff": Command(
        "what differs between two networks: layers, shapes, parameters, multiply-adds",
        "  archdsl diff old.yaml new.yaml\n"
        "  archdsl diff resnet resnet --set-a depth=50 --set-b depth=101\n"
        "  archdsl diff old.yaml new.yaml --json --exit-code\n",
        _diff,
    ),
    "compile": Command(
        "PyTorch source for a network",
        "  archdsl compile lenet5\n"
        "  archdsl compile resnet --set depth=34 -o resnet34.py\n"
        "  archdsl compile googlenet --names torchvision -o googlenet.py\n",
        _compile,
    ),
    "draw": Command(
        "a picture of the structure, as SVG",
        "  archdsl draw googlenet -o googlenet.svg\n  archdsl draw resnet --set depth=34 > resnet34.svg\n",
        _draw,
    ),
    "weights": Command(
        "check weights against a network, and convert them to another library's names",
        "  archdsl weights vit vit_b_16.pth --from torchvision\n"
        "  archdsl weights gpt2 model.safetensors --from huggingface -o gpt2.safetensors\n"
        "  archdsl weights vit vit_b_16.pth --from torchvision --to timm -o vit_timm.safetensors\n",
        _weights,
    ),
    "fmt": Command(
        "print specs in the canonical layout; YAML and text both ways",
        "  archdsl fmt net.yaml\n"
        "  archdsl fmt --check specs/*.yaml\n"
        "  archdsl fmt --to arch net.yaml -o net.arch\n"
        "  cat net.yaml | archdsl fmt -\n",
        _fmt,
    ),
    "schema": Command(
        "the JSON Schema of an object that archdsl prints",
        "  archdsl schema analysis > analysis.schema.json\n",
        _schema,
    ),
    "explain": Command(
        "what a layer word or a diagnostic code means",
        "  archdsl explain              every layer word and code\n  archdsl explain conv\n  archdsl explain A0405\n",
        _explain,
    ),
}
