"""`archdsl weights`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ..diagnostics import SpecError, did_you_mean, safe
from ..ir.weights import WeightsError
from .files import CommandError, SettingError, guarded, open_network, refuse_foreign, write_with
from .parser import Options

if TYPE_CHECKING:
    from torch import Tensor

    from ..ir.graph import Network

SAFETENSORS = (".safetensors",)
TORCH = (".pt", ".pth", ".bin", ".ckpt")


def run(options: Options) -> int:
    """Check weights, and write them under other names; those that do not fit give code 1."""
    try:
        return guarded(lambda: _run(options))
    except WeightsError as error:
        faults = error.misfit
        lines = [f"archdsl: error: {error.what}: {faults.summary}", *(f"  {line}" for line in faults.lines())]
        lines += [f"  help: {faults.help}"] if faults.help else []
        print("\n".join(map(safe, lines)), file=sys.stderr)
        return 1


def _run(options: Options) -> int:
    _need(options)
    if options.output is not None:
        _check_output(options.output, options)
    network = open_network(options.file, options.settings)
    for dialect in filter(None, (options.source, options.target)):
        _check_dialect(network, dialect)
    arrays = _read(options.weights, options.ignored)
    from ..torch_backend.weights import convert, write

    found = convert(network, arrays, options.source, options.target, f"`{options.weights}` does not fit")
    output = options.output
    if output is None:
        print(f"{options.weights} fits: {len(arrays)} arrays under {_named(options.source)}")
        return 0
    write_with(output, lambda path: write(path, found, output.endswith(SAFETENSORS)))
    print(f"wrote {output} ({len(found)} arrays under {_named(options.target)})", file=sys.stderr)
    return 0


def _named(dialect: str | None) -> str:
    return f"the names of {dialect}" if dialect is not None else "the spec's own names"


def _need(options: Options) -> None:
    """Raise CommandError where a library is missing."""
    names = [options.weights, options.output or ""]
    wanted = ["torch", *(["safetensors"] if any(name.endswith(SAFETENSORS) for name in names) else [])]
    for name in wanted:
        if find_spec(name) is None:
            raise CommandError(f"weights need {name}", "pip install 'archdsl[weights]'")


def _check_output(target: str, options: Options) -> None:
    """Raise CommandError rather than write what has no form, or destroy what somebody wrote."""
    path = Path(target)
    if not path.is_dir() and not target.endswith(SAFETENSORS + TORCH):
        raise CommandError(f"`{target}` does not say what to write", f"end it in {', '.join(SAFETENSORS + TORCH)}")
    if path.is_file() and Path(options.weights).is_file() and path.samefile(options.weights):
        raise CommandError(f"`{target}` is the file to read itself")
    refuse_foreign(target, options.file, options.force)


def _check_dialect(network: Network, dialect: str) -> None:
    from ..ir.dialects import find_dialect

    try:
        find_dialect(network, dialect)
    except SpecError as error:  # the request is wrong, not the spec
        raise SettingError(error.diagnostics) from None


def _read(name: str, ignored: Iterable[str]) -> dict[str, Tensor]:
    from ..torch_backend.weights import UnreadableError, arrays_of, entries

    try:
        return arrays_of(f"`{name}`", _without(entries(name), ignored))
    except FileNotFoundError:
        near = did_you_mean(name, [str(path) for path in Path(name).parent.glob("*")])
        raise CommandError(f"no file `{name}`", near) from None
    except IsADirectoryError:
        raise CommandError(f"`{name}` is a folder", "name the file of weights in it") from None
    except OSError as error:
        raise CommandError(f"cannot read `{name}`: {(error.strerror or str(error)).lower()}") from None
    except UnreadableError as error:
        raise CommandError(str(error), error.help) from None
    except ValueError:
        if "\0" not in name:
            raise
        raise CommandError(f"cannot read `{name}`: a file's name cannot hold a null character") from None
    except ImportError:
        raise CommandError("weights need safetensors", "pip install 'archdsl[weights]'") from None


def _without(arrays: dict[object, object], patterns: Iterable[str]) -> dict[object, object]:
    """What no pattern matches; a pattern that matches nothing is a mistake."""
    from fnmatch import fnmatchcase

    for pattern in patterns:
        kept = {key: array for key, array in arrays.items() if not fnmatchcase(str(key), pattern)}
        if len(kept) == len(arrays):
            raise CommandError(f"`--ignore {pattern}` matches no name", f"the first is `{next(iter(arrays), '')}`")
        arrays = kept
    return arrays
