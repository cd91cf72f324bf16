"""Our dataclasses are what the standard ones are."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import field
from typing import Any, NamedTuple

import pytest

from archdsl import records
from archdsl.records import constructor, maker
from archdsl.records import dataclass as ours


def twins(**options: bool) -> tuple[type, type]:
    """The same class, made by the standard decorator and by ours."""

    def plain() -> type:
        class Point:
            """A point."""

            x: int
            y: int = 2
            tags: list[int] = field(default_factory=list, compare=False)
            note: str = field(default="", compare=False, repr=False)

        return Point

    return dataclasses.dataclass(**options)(plain()), ours(**options)(plain())  # type: ignore[call-overload]


OPTIONS = [{"frozen": f, "slots": s, "eq": e} for f in (False, True) for s in (False, True) for e in (False, True)]


def outcome(action: object) -> object:
    try:
        return action()  # type: ignore[operator]
    except Exception as error:  # noqa: BLE001
        return type(error), str(error).replace("test_records.", "")


@pytest.mark.parametrize("rare", [0, 20])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_same_to_everyone(options: dict[str, bool], rare: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before their `__init__` is compiled, and after."""
    monkeypatch.setattr(records, "_RARE", rare)
    found: list[list[object]] = []
    for cls in twins(**options):
        a, b, c = cls(1), cls(1, 2, [5], "n"), cls(x=3, note="m")

        def change(point: object = a) -> None:
            point.x = 9  # type: ignore[attr-defined]

        def remove(point: object = a) -> None:
            del point.note  # type: ignore[attr-defined]

        found.append([
            repr(b), a == b, a == c, a != c, a == 1, cls.__match_args__, [f.name for f in dataclasses.fields(cls)],
            dataclasses.asdict(b), repr(dataclasses.replace(b, x=7)), b.note, a.tags is b.tags,
            outcome(lambda h=a, o=b: hash(h) == hash(o)) if options["eq"] else None,
            outcome(change), outcome(remove), a.x, hasattr(a, "__dict__"), cls.__doc__,
            outcome(lambda made=cls: made()) [0], outcome(lambda made=cls: made(1, z=2))[0],  # type: ignore[index]
            repr(copy.deepcopy(b)), repr(copy.copy(c)),
        ])  # fmt: skip
    assert found[0] == found[1]


@ours(frozen=True, slots=True)
class Kept:
    """Found again by pickle."""

    x: int
    y: tuple[int, ...] = ()


def test_pickled() -> None:
    assert pickle.loads(pickle.dumps(Kept(1, (2,)))) == Kept(1, (2,))


def test_keywords_alone_and_what_follows_the_making() -> None:
    @ours(frozen=True, kw_only=True)
    class Base:
        """A base."""

        x: int = 1

    @ours(frozen=True, kw_only=True)
    class Point(Base):
        """A point."""

        y: int
        double: int = field(init=False, compare=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "double", 2 * self.x)

    assert (Point(y=3).x, Point(x=4, y=3).double) == (1, 8)
    assert Base(x=2) != Point(x=2, y=2)
    with pytest.raises(TypeError):
        Point(1, 2)  # type: ignore[misc]


def test_its_own_methods_stay() -> None:
    @ours(frozen=True, slots=True)
    class Own:
        """Has its own."""

        x: int

        def __repr__(self) -> str:
            return "mine"

        def __hash__(self) -> int:
            return 7

    assert repr(Own(1)) == "mine"
    assert hash(Own(1)) == 7


@pytest.mark.parametrize("slots", [(), None, ("more",)], ids=["alike", "dict", "more"])
def test_subclasses_of_what_is_frozen(slots: tuple[str, ...] | None) -> None:
    for cls in twins(frozen=True, slots=True):
        inner: Any = type("Inner", (cls,), {} if slots is None else {"__slots__": slots})
        made = inner(1, note="n")
        assert type(made) is inner
        assert (made.x, made.y, made.tags, made.note) == (1, 2, [], "n")
        with pytest.raises(dataclasses.FrozenInstanceError):
            made.x = 2


def test_a_named_tuple_made_of_a_tuple() -> None:
    class Point(NamedTuple):
        x: int
        y: int = 2

    made = maker(Point)((1, 3))
    assert (type(made), made, made.y) == (Point, Point(1, 3), 3)


def test_an_object_made_by_the_constructor() -> None:
    @ours(frozen=True, slots=True)
    class Point:
        x: int
        y: int = 2
        note: str = field(default="", compare=False, repr=False)

    make = constructor(Point)
    for made, same in [
        (make(1), Point(1)),
        (make(1, 3, "n"), Point(1, 3, "n")),
        (make(x=4, note="m"), Point(4, note="m")),
    ]:
        assert (type(made), made, hash(made), repr(made)) == (Point, same, hash(same), repr(same))
        assert (made.note, copy.copy(made)) == (same.note, same)
        with pytest.raises(dataclasses.FrozenInstanceError):
            made.x = 9  # type: ignore[misc]
    with pytest.raises(TypeError):
        make()  # type: ignore[call-arg]
