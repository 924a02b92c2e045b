"""The profile of a site: settings of jobs in the user's configuration folder, for every submission there."""

from __future__ import annotations

from pathlib import Path

from ....plan.documents import read_document
from ....plan.job_settings import Layer, job_settings


def profile_path() -> Path:
    """The file of the profile."""
    import platformdirs

    return platformdirs.user_config_path("pmll-bench") / "slurm.yaml"


def read_profile() -> Layer:
    """The settings of the profile; none if there is none. Raises `ConfigError` if it cannot be read."""
    path = profile_path()
    if not path.exists():
        return ()
    return job_settings(read_document(path, "Slurm profile", "partition: gpu"))


def write_profile(text: str) -> bool:
    """Write a first profile; return whether it was written. One that exists is kept."""
    path = profile_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True
