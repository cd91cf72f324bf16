"""The command line: arguments in, printing out. `archdsl.cli:main` is the entry point.

Exit codes: 0 fine, 1 the spec is wrong or a fact fails, 2 bad usage, a file that cannot be read or written, or a
mistake of archdsl's own. Results go to standard output, messages to standard error. Each command lives in a module of
its own, loaded when it is called; nothing here loads more than the standard library.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TextIO

from .. import limits
from .arguments import COMMANDS
from .parser import Options, Parser, suggestion

EXAMPLES = """\
examples:
  archdsl analyze lenet5                        the table of a bundled spec
  archdsl analyze resnet --set depth=34 --json  another variant, for a program
  archdsl check specs/*.yaml                    every variant, every fact
  archdsl compile resnet152 -o resnet152.py     one file that imports only torch
  archdsl draw googlenet -o googlenet.svg       a picture of the structure
  archdsl weights vit vit.pth --from timm       whether weights fit; -o converts them
  archdsl fmt net.yaml                          the canonical layout, in place
  archdsl explain conv                          a layer word; or a code: A0405
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = _take_debug(arguments)
    _make_printable(sys.stdout, sys.stderr)
    try:
        code = _run(arguments)
        if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison] - it is where the caller has closed it
            sys.stdout.flush()
        return code
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    except BrokenPipeError:
        _forget_output()
        return 2
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - the last resort: whatever it is, the user gets one line
        return _internal_error(error, debug)


def _run(arguments: list[str]) -> int:
    word = arguments[0] if arguments else ""
    if word == "help":
        arguments = [*arguments[1:2], "--help"]
        word = arguments[0]
    if word in ("-h", "--help"):
        print(_help(), end="")
        return 0
    if word in ("-V", "--version"):
        from .. import __version__

        print(f"archdsl {__version__}")
        return 0
    if word not in COMMANDS:
        return _unknown(word)
    command = COMMANDS[word]
    parser = Parser(prog=f"archdsl {word}", description=command.summary, examples=command.examples)
    command.declare(parser)
    options = parser.parse_args(arguments[1:], Options())
    run: Callable[[Options], int] = import_module(f".{word}", __name__).run
    with limits.raised(**options.limits), limits.room_to_recurse():
        return run(options)


def _unknown(word: str) -> int:
    if not word:
        print(_help(), end="", file=sys.stderr)
        return 2
    what = "option" if word.startswith("-") else "command"
    help = suggestion(word, COMMANDS) or f"the commands are {', '.join(COMMANDS)}"
    if what == "command" and (word.endswith((".yaml", ".yml", ".arch")) or os.path.exists(word)):
        help = f"say what to do with it: `archdsl analyze {word}`"
    print(f"archdsl: error: no {what} `{word}`\n  help: {help}", file=sys.stderr)
    return 2


def _help() -> str:
    width = max(map(len, COMMANDS)) + 2
    commands = "".join(f"  {name:{width}}{command.summary}\n" for name, command in COMMANDS.items())
    return (
        "archdsl: neural networks written as their papers print them\n\n"
        f"{EXAMPLES}\n"
        "usage: archdsl COMMAND ...       (archdsl COMMAND --help says more)\n\n"
        f"commands:\n{commands}\n"
        "FILE is a spec, `-` for standard input, or the name of a bundled spec\n"
        "(lenet5, resnet, vgg, ...).\n\n"
        "options:\n  -h, --help  this text\n  --version   the version\n"
        "  --debug     show the traceback of an internal error\n\n"
        "exit codes: 0 fine; 1 the spec is wrong or a fact fails; 2 bad usage, files that\n"
        "cannot be read or written, internal errors\n"
    )


def _take_debug(arguments: list[str]) -> bool:
    """Remove `--debug`, wherever it stands before `--`."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    found = "--debug" in arguments[:end]
    arguments[:end] = [a for a in arguments[:end] if a != "--debug"]
    return found


def _make_printable(*streams: TextIO) -> None:
    """What a terminal's encoding cannot show is written out instead of ending the program."""
    for stream in streams:
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _forget_output() -> None:
    """Whoever read our output has gone; let Python's own flush at exit find nobody to complain to."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return


def _internal_error(error: Exception, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    text = " ".join(f"{type(error).__name__}: {error}".split())
    hint = "" if debug else " (--debug shows where)"
    print(f"archdsl: internal error, please report it together with the spec: {text[:300]}{hint}", file=sys.stderr)
    return 2


__all__ = ["main"]
