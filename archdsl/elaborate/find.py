"""Which file a name means."""

from __future__ import annotations

from pathlib import Path

SUFFIXES = (".yaml", ".yml", ".arch")
PACKAGE = Path(__file__).parent.parent


def bundled_folder() -> Path:
    """Where the specs that come with archdsl lie: in the wheel beside the code, in a checkout at the top."""
    inside = PACKAGE / "specs"
    return inside if inside.is_dir() else PACKAGE.parent / "specs"


def find_spec(name: str) -> Path:
    """The file that `name` means: a path, or the name of a bundled spec; if there is none, `name` as a path."""
    path = Path(name)
    if path.is_file() or path.suffix in SUFFIXES or len(path.parts) != 1:
        return path
    for suffix in SUFFIXES:
        candidate = bundled_folder() / f"{name}{suffix}"
        if candidate.is_file():
            return candidate
    return path
