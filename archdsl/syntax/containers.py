"""One language, two containers: a YAML file or a text file in, the same sections out."""

from __future__ import annotations

import sys
from contextlib import suppress
from os import PathLike, fspath

from .. import limits
from ..diagnostics import Collector, SourceFile, Span, fail
from .reading import Report, UnreadableError, check_characters, prepare
from .sections import Section
from .text_reader import read_text
from .yaml_reader import read_yaml


def looks_like_yaml(name: str) -> bool:
    """Whether a file of this name is read as YAML; every other one (`net.arch`, `-`) is text.

    >>> looks_like_yaml("resnet.yaml"), looks_like_yaml("resnet.arch")
    (True, False)
    """
    return name.lower().endswith((".yaml", ".yml"))


def read_file(path: str | PathLike[str]) -> SourceFile:
    """Read a spec from a file, or from standard input if the path is `-`.

    Raises OSError if the file cannot be read, `SpecError` if it is too long, not UTF-8, or holds control characters.
    """
    name = fspath(path)
    if name == "-":
        return decode(name, sys.stdin.buffer.read(limits.of("bytes") + 1))
    with open(name, "rb") as stream:
        return decode(name, stream.read(limits.of("bytes") + 1))


def decode(name: str, data: bytes) -> SourceFile:
    """The text of a spec given as bytes: UTF-8, with or without a byte order mark.

    >>> decode("net.arch", b"input: 3x32x32").text
    'input: 3x32x32'

    Raises `SpecError` as `read_file` does.
    """
    data = data.removeprefix(b"\xef\xbb\xbf")
    readable = SourceFile(name, data[: limits.of("bytes")].decode("utf-8", "replace"))
    limits.check("bytes", len(data), Span(readable, 1, 1, 1, 2))
    try:
        file = SourceFile(name, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        message = f"the file is not UTF-8: the byte 0x{data[error.start]:02x} cannot stand here"
        fail("A0108", message, Span(readable, line, column, line, column + 1), "save it as UTF-8")
    collector = Collector()
    with suppress(UnreadableError):
        check_characters(Report(file, collector))
    collector.raise_errors()
    return file


def read_sections(file: SourceFile, collector: Collector) -> tuple[Section, ...]:
    """The sections of a spec; mistakes go to the collector, nothing is raised.

    >>> text = "network: tiny  # a comment" + chr(10) + "layers:" + chr(10) + "  conv 3x3, 8" + chr(10) + "  relu"
    >>> for section in read_sections(SourceFile("tiny.arch", text), Collector()):
    ...     print(section.keyword, repr(section.content.text))
    network 'tiny'
    layers 'conv 3x3, 8\\nrelu'
    """
    report = Report(file, collector)
    try:
        lines = prepare(report)
        read = read_yaml if looks_like_yaml(file.name) else read_text
        sections = read(report, lines)
        if not sections and not report.failed:
            report.error("A0106", "the file holds no section", report.span(1, 1))
    except UnreadableError:
        return ()
    return sections
