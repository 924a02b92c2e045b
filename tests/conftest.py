"""What all tests share: the reference data beside the checkout."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

SHARED = Path(__file__).resolve().parents[2] / "shared"

# With more threads than cores, as with `pytest -n`, OpenMP's threads wait for each other in a busy loop: a test of
# small tensors takes several times as long. Set before torch is loaded; a test that asks for threads still gets them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes depends on the machine, and no test is timed.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of the tests' own, in place of the user's."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder `shared` beside the checkout, with real images and label lists."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the reference data in {SHARED}, which is not there")
    return SHARED


collect_ignore = ["soak/mutants.py"]  # a script of `nox -s mutants`; its library is in the extra `dev` alone
