"""Facts about this installation and this machine, for a report of a fault."""

import importlib.metadata
import os
import platform
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from seqcast.errors import UsageError
from seqcast.runtime import cpu_trains_in_bfloat16, resolve_runtime

LIBRARIES = ("torch", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "safetensors", "pydantic", "typer", "rich")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
"""Variables of the environment that decide what of the machine is used."""
DEVELOPMENT_EXTRA = "test"
LOW_SPACE = 2**30
"""Free bytes on the disk below which a warning is given."""


@dataclass(frozen=True)
class Diagnosis:
    """Facts by name, and problems in words."""

    facts: dict[str, str]
    problems: tuple[str, ...]


def diagnose(folder: Path) -> Diagnosis:
    """Returns versions, device, extras, and whether runs can be written below `folder`."""
    facts = {**_versions(), **_machine()}
    problems: list[str] = []
    try:
        facts["training"] = resolve_runtime("auto", "auto").describe()
    except UsageError as error:
        problems.append(str(error))
    facts |= {f"extra {name}": state for name, state in extras().items()}
    facts["working directory"] = str(folder)
    problems += _disk_problems(folder, facts)
    return Diagnosis(facts, tuple(problems))


def _versions() -> dict[str, str]:
    found = {name: _version(name) or "not installed" for name in ("seqcast", *LIBRARIES)}
    return {**found, "Python": f"{platform.python_version()}, {sys.executable}"}


def _version(library: str) -> str | None:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def _machine() -> dict[str, str]:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    variables = [f"{name}={os.environ[name]}" for name in THREAD_VARIABLES if name in os.environ]
    facts = {
        "system": platform.platform(),
        "processor": f"{_processor()}, cores usable: {usable}",
        "bfloat16 on the processor": "yes" if cpu_trains_in_bfloat16() else "no",
        "GPUs": ", ".join(gpus) or "none",
        "CUDA of torch": torch.version.cuda or "none",
    }
    if variables:
        facts["environment"] = ", ".join(variables)
    return facts


def _processor() -> str:
    """Returns the name of the processor; Linux tells it in a file alone."""
    try:
        described = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        described = ""
    named = re.search(r"^model name\s*:\s*(.+)$", described, re.MULTILINE)
    return named[1] if named else platform.processor() or platform.machine()


def extras() -> dict[str, str]:
    """Returns the state of each extra that users may install: its libraries with their versions, or what is missing."""
    requirements = importlib.metadata.requires("seqcast") or ()
    libraries: dict[str, list[str]] = {}
    for requirement in requirements:
        extra = re.search(r"""extra\s*==\s*['"]([\w-]+)['"]""", requirement)
        library = re.match(r"[\w.-]+", requirement)
        if extra and library and extra[1] != DEVELOPMENT_EXTRA:
            libraries.setdefault(extra[1], []).append(library[0])
    return {extra: _state(extra, names) for extra, names in libraries.items()}


def _state(extra: str, libraries: list[str]) -> str:
    versions = {library: _version(library) for library in libraries}
    missing = [library for library, version in versions.items() if version is None]
    if missing:
        return f"{', '.join(missing)} not installed: pip install 'seqcast[{extra}]'"
    return ", ".join(f"{library} {version}" for library, version in versions.items())


def _disk_problems(folder: Path, facts: dict[str, str]) -> list[str]:
    """Adds the free space to `facts`; returns what prevents a run from being written."""
    problems = []
    free = shutil.disk_usage(folder).free
    facts["free disk space"] = f"{free / 2**30:.1f} GiB"
    if free < LOW_SPACE:
        problems.append(f"{folder}: less than {LOW_SPACE / 2**30:.0f} GiB of disk space is free.")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        problems.append(f"{folder}: cannot be written to: {error.strerror}.")
    return problems
