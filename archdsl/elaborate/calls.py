"""A word with arguments: which layer, module, def or file it calls."""

from __future__ import annotations

from typing import NoReturn

from .. import expr as ex
from ..diagnostics import Edit, did_you_mean, fail
from ..ir.evaluate import Env, Held, ValueArgument, describe
from ..ir.operator import find_operator, operators
from ..ops import PLANNED, synonym_of
from ..records import maker
from ..spec import Spec
from ..syntax import tree as t
from .builder import Builder, Made, Site
from .layers import layer
from .modules import invoke, invoke_network, splice, used_file

_site = maker(Site)
MAX_HOPS = 9  # from parameter to parameter that holds a word


def call(b: Builder, call: t.Call, label: ex.Path | None, x: int) -> Made:
    """Apply what a word means here: the file's own definitions first, then layers, then parameters that hold a word."""
    word = call.word
    cls = b.file.layers.get(word)
    if cls is not None:
        return layer(b, call, cls, label, x)
    for _ in range(MAX_HOPS):
        site = _site((call, word, label, x))
        made = _qualified(b, site) if "." in word else _plain(b, site)
        if made is not None:
            return made
        held = b.env.names.get(word)
        if not isinstance(held, str):
            break
        word = held
    return unknown_word(b.file.spec, b.env, call, word)


def _qualified(b: Builder, site: Site) -> Made:
    """`file.module`."""
    call, word = site.call, site.word
    file, name = used_file(b, call, word)
    definition = file.spec.definitions.get(name)
    if definition is None:
        refuse_module(file.spec, call, word)
    if definition.kind == "def":
        problem = f"`{word}` is a def, an abbreviation of its own file; a module can be called"
        fail("A0207", problem, call.word_span)
    return invoke(b, site, file, definition)


def refuse_module(spec: Spec, call: t.Call, word: str) -> NoReturn:
    """Refuse `file.module` where the file has no such module."""
    help = did_you_mean(word.partition(".")[2], spec.definitions)
    fail("A0207", f"no module `{word}`", call.word_span, help)


def _plain(b: Builder, site: Site) -> Made | None:
    spec, word = b.file.spec, site.word
    definition = spec.definitions.get(word)
    if definition is not None and definition.kind == "def":
        return splice(b, site, definition)
    if definition is not None:
        return invoke(b, site, b.file, definition)
    if word in spec.uses:
        return invoke_network(b, site, spec.uses[word])
    cls = find_operator(word)
    if cls is None or cls.joins:
        return None
    b.file.layers[word] = cls
    return layer(b, site.call, cls, site.label, site.x)


def unknown_word(spec: Spec, env: Env, call: t.Call, name: str) -> NoReturn:
    """Refuse a call of what is neither a layer nor anything the file defines."""
    span = call.word_span
    if name in env.names:
        _holds_no_word(call, name, env.names[name])
    if name in PLANNED:
        fail("A0902", f"`{name}` is a word of the language that is not built yet", span)
    _two_words(call)
    if name.startswith("{"):
        from ..syntax.foreign import GROUPED  # of use to mistakes alone

        fail("A0201", "layers are put together in brackets, not in braces", span, GROUPED)
    known = [*operators(), *PLANNED, *spec.definitions, *spec.uses, *env.naming_words()]
    synonym = synonym_of(name)
    help = f"the word is `{synonym}`" if synonym else did_you_mean(name, known, spec.file.text)
    help = help or "`archdsl explain` lists every layer word"
    sure = synonym or (name.lower() if find_operator(name.lower()) else None)
    fixes = [Edit(span, sure)] if sure and call.word == name and _reads_alike(call) else []
    fail("A0201", f"no layer or module `{name}`", span, help, word=name, fixes=fixes)


def _reads_alike(call: t.Call) -> bool:
    """Whether another library's arguments surely stand in our order: at most one by its place, or a size first."""
    placed = [a.value for a in call.arguments if isinstance(a, t.Positional)]
    return len(placed) < 2 or isinstance(placed[0], ex.SizeExpr)


def _two_words(call: t.Call) -> None:
    """Refuse `max pool 2`, `global avgpool`: a layer's word written apart."""
    first = call.arguments[0] if call.arguments else None
    if isinstance(first, t.Pair):
        second, end = first.name, first.name_span
    elif isinstance(first, t.Positional) and isinstance(first.value, ex.Name):
        second, end = first.value.id, first.span
    else:
        return
    joined = call.word + second
    meant = joined if find_operator(joined) else synonym_of(joined)
    if meant is not None:
        fail("A0201", f"no layer or module `{call.word} {second}`", call.word_span.to(end), f"the word is `{meant}`")


def _holds_no_word(call: t.Call, name: str, held: Held) -> NoReturn:
    if isinstance(held, ValueArgument):
        fail("A0201", f"`{name}` is a value of the network, no layer", call.word_span, f"write `@{name}`")
    fail("A0201", f"`{name}` holds {describe(held)}, no layer or module", call.word_span)
