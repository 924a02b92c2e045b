"""The project's checks; `nox -l` lists them. All but `minimums` run in the environment of nox itself."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2024.10"
nox.options.sessions = ["lint", "types", "tests", "docs", "wheel"]

ROOT = Path(__file__).parent
PIP = (sys.executable, "-m", "pip")
SLURM = ("munge", "slurmctld", "slurmd", "slurm-client", "slurmdbd", "mariadb-server")


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """Run the commit hooks on all files (style, spelling, workflow files) and check the import contracts."""
    session.run("pre-commit", "run", "--all-files", external=True)
    session.run("lint-imports", "--no-cache", external=True)


@nox.session(venv_backend="none")
def types(session: nox.Session) -> None:
    """Type-check packages and tests in mypy's strict mode."""
    session.run(sys.executable, "-m", "mypy")


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """Run the tests and doctests and measure coverage. Arguments after `--` go to pytest, in place of coverage."""
    session.run(sys.executable, "-m", "pytest", "-n", "2", *(session.posargs or ["--cov"]))


@nox.session(venv_backend="none")
def docs(session: nox.Session) -> None:
    """Build the site into `site`, with the board of the committed results. A dead link or anchor is an error."""
    site = session.posargs[0] if session.posargs else "site"
    with tempfile.TemporaryDirectory() as doctrees:
        strict = ("-q", "--fail-on-warning", "--keep-going", "--fresh-env", "--doctree-dir", doctrees)
        session.run(sys.executable, "-m", "sphinx", *strict, "--conf-dir", "docs", ".", site)
    if Path("results", "board").is_dir():
        build = ("board", "build", "--root", "results/board", "--out", str(Path(site, "board")))
        session.run(sys.executable, "-m", "pmll_bench", *build)
    remote = r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"(?:https?:)?//"
    if loaded := [str(page) for page in Path(site).rglob("*.html") if re.search(remote, page.read_text("utf-8"))]:
        session.error(f"pages that load something from elsewhere: {', '.join(loaded)}")


@nox.session(venv_backend="none")
def wheel(session: nox.Session) -> None:
    """Build the wheel, install it outside the checkout, and from there run the smoke track and build its board."""
    with tempfile.TemporaryDirectory() as name:
        away = Path(name).resolve()
        site = away / "site"
        session.run(*PIP, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(away), str(ROOT))
        (built,) = away.glob("*.whl")
        session.run(*PIP, "install", "--quiet", "--no-deps", "--target", str(site), str(built))
        only_wheel = {"PYTHONPATH": str(site), "PMLL_STORE": str(away / "runs")}
        with session.chdir(away):
            command = str(site / "bin" / "pmll-bench")
            version = session.run(command, "--version", env=only_wheel, external=True, silent=True)
            if str(site) not in str(version):
                session.error(f"the checkout was used instead of the wheel: {version}")
            smoke = ("run", "--track", "smoke", "--ratios", "0.5", "--subset", "100")
            session.run(command, *smoke, env=only_wheel, external=True)
            session.run(command, "board", "build", "--out", str(away / "board"), env=only_wheel, external=True)


@nox.session(venv_backend="none")
def slurm(session: nox.Session) -> None:
    """Test the Slurm launcher on a real Slurm, installed with apt where it is missing. Needs root."""
    if os.geteuid() != 0:
        session.skip("starting Slurm needs root")
    programs = ("slurmctld", "slurmdbd", "mariadbd")
    if not all(map(shutil.which, programs)) and shutil.which("apt-get") is not None:
        commands = ("update", "-qq"), ("install", "--yes", "-qq", "--no-install-recommends", *SLURM)
        for command in commands:
            quiet = {"DEBIAN_FRONTEND": "noninteractive"}
            session.run("apt-get", *command, env=quiet, external=True, success_codes=(0, 100))
    if shutil.which("slurmctld") is None:
        session.skip(f"Slurm is not installed (Debian packages: {', '.join(SLURM)})")
    several = ("-n", "10", "--dist", "loadfile")  # most of the time, jobs are waited for
    patient = ("--timeout", "1200")  # ten clusters start at once: on a slow machine, submitting took five minutes
    session.run(sys.executable, "-m", "pytest", *several, *patient, "-m", "slurm", "tests/slurm", *session.posargs)


@nox.session(venv_backend="none")
def checks(session: nox.Session) -> None:
    """Run `pmll-bench check --full` for every method, or for those named after `--`, in each of its regimes."""
    from pmll_methods import registry

    failed = []
    for name in session.posargs or registry.names():
        for regime in registry.find(name).card.regimes:
            try:
                session.run(sys.executable, "-m", "pmll_bench", "check", name, "--full", "--regime", regime)
            except CommandFailed:
                failed.append(f"{name} in {regime}")
    if failed:
        session.error(f"failed: {', '.join(failed)}")


@nox.session(venv_backend="none")
def overfit(session: nox.Session) -> None:
    """Overfitting check: does every method fit 64 fully labelled scenes? Arguments after `--` go to the script."""
    session.run(sys.executable, "tests/soak/overfit.py", *session.posargs)


@nox.session(venv_backend="none")
def rounding(session: nox.Session) -> None:
    """Compare the smoke track's numbers across CPU instruction sets. Arguments after `--` go to the script."""
    session.run(sys.executable, "tests/soak/rounding.py", *session.posargs)


@nox.session(venv_backend="none")
def simulated_truth(session: nox.Session) -> None:
    """Simulate methods of known difference: do intervals cover it, do tests keep their error? `-- --quick` is short."""
    session.run(sys.executable, "tests/soak/simulated_truth.py", *session.posargs)


@nox.session(venv_backend="none")
def simulated_board(session: nox.Session) -> None:
    """Simulate boards of 30 methods with known true ranks: how often do the shown ranks hold? `-- --quick` is short."""
    script = "tests/soak/simulated_board.py"
    session.run(sys.executable, script, *session.posargs, env={"PYTHONPATH": str(ROOT / "tests")})


@nox.session(venv_backend="none")
def kills(session: nox.Session) -> None:
    """Kill everything that works on a store, also inside writes: is anything lost? More with `-- --kills 200`."""
    many = session.posargs or ["--seconds", "60"]
    session.run(sys.executable, "tests/soak/random_kills.py", *many, env={"PYTHONPATH": str(ROOT / "tests")})


@nox.session(venv_backend="none")
def fuzz(session: nox.Session) -> None:
    """Change a package of results in every way and check it: does a check break, or a lie pass? `-- --minutes 5`."""
    session.run(
        sys.executable, "tests/soak/fuzz_packages.py", *session.posargs, env={"PYTHONPATH": str(ROOT / "tests")}
    )


@nox.session(venv_backend="none")
def mutants(session: nox.Session) -> None:
    """Make small wrong changes and list those that no test notices; arguments after `--` name files (all: hours)."""
    session.run(sys.executable, "tests/soak/mutants.py", *session.posargs)


@nox.session(python="3.11")
def minimums(session: nox.Session) -> None:
    """Run the tests with the lowest versions that pyproject.toml allows (downloads gigabytes; weekly in CI)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lowest = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    pins = Path(session.create_tmp()) / "minimums.txt"
    pins.write_text("\n".join(requirement.replace(">=", "==") for requirement in lowest))
    session.install("-e", ".[test]", "--constraint", str(pins))
    session.run("pytest", "-n", "2", *session.posargs)
