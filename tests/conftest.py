"""What all tests share."""

from __future__ import annotations

import os

import pytest

os.environ["ARCHDSL_NO_CACHE"] = "1"  # tests of the cache put it where nobody else's is
os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # threads of workers that share cores spend their time waiting for each other


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write tests/cases/golden anew from what is printed now"
    )


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether expected outputs are to be written instead of compared."""
    return bool(request.config.getoption("--update-golden"))
