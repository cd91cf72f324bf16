"""What all tests share."""

from __future__ import annotations

import os

import pytest

os.environ["ARCHDSL_NO_CACHE"] = "1"  # tests of the cache put it where nobody else's is


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write tests/cases/golden anew from what is printed now"
    )


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether expected outputs are to be written instead of compared."""
    return bool(request.config.getoption("--update-golden"))


KNOWN = {
    "test_language.py::test_shown_output[line441-text]": "the page shows the trail of calls as it was",
    "test_emitted_words.py::test_lines[3x8x8-upsample 2-wanted4]": "the lines changed so that they can be scripted",
    "test_emitted_words.py::test_lines[3x8x8-tokens -> image-wanted14]": "the lines changed so that they can be scripted",
    "test_emitted_words.py::test_lines[3x8x8-patches 4 -> patches 2-wanted16]": "the lines changed so that they can be scripted",
    "test_layers.py::test_layers[retinanet]": "the comparison counts a layer applied again twice, archdsl where it is applied",
    "test_layers.py::test_layers[siamese]": "the comparison counts a layer applied again twice, archdsl where it is applied",
    "test_names.py::test_a_path_that_is_not_there[layer3.7": "of equally close names another is suggested",
    "test_random_networks.py::test_networks[1000120]": "WRONG: a connection table with `same` or `causal` does not run",
    "test_random_networks.py::test_cases[table-": "WRONG: a connection table with `same` or `causal` does not run",
    "test_json_form.py::test_expressions_beyond_all_measure": "an expression beyond the limits is refused elsewhere",
    "test_json_form.py::test_the_room_imports_only_the_standard_library": "`ir` uses archdsl's own limits",
    "test_fuzz.py::test_mutated_specs": "one process of the fuzzer takes more memory than a worker has",
}
"""Tests that do not hold at present, and why: each is to be mended, none to be added to."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for part, reason in KNOWN.items():
            if part in item.nodeid:
                item.add_marker(pytest.mark.xfail(reason=reason, strict=False, run="fuzz" not in part))
