"""What all tests share: the reference data beside the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

SHARED = Path(__file__).resolve().parents[2] / "shared"

# How long an example takes depends on the machine, and no test is timed.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder `shared` beside the checkout, with real pictures and label lists."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the reference data in {SHARED}, which is not there")
    return SHARED
