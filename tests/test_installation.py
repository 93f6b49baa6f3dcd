import importlib.metadata
import os
from pathlib import Path

import pytest
import torch

from seqcast import installation
from seqcast.installation import diagnose, extras
from tests.running import done


def test_the_versions_are_those_that_are_installed(tmp_path: Path) -> None:
    facts = diagnose(tmp_path).facts
    assert facts["seqcast"] == importlib.metadata.version("seqcast")
    assert facts["torch"] == torch.__version__
    assert facts["scikit-learn"] == importlib.metadata.version("scikit-learn")


def test_a_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(library: str) -> str | None:
        return None if library == "optuna" else "9.1"

    monkeypatch.setattr(installation, "_version", version)
    found = extras()
    assert found["tune"] == "optuna not installed: pip install 'seqcast[tune]'"
    assert found["baselines"] == "statsforecast 9.1"
    assert "test" not in found


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/self").exists(), reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to_is_a_problem() -> None:
    (problem,) = diagnose(Path("/proc/self")).problems[-1:]
    assert problem.startswith("/proc/self: cannot be written to: ")


def test_little_disk_space_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "LOW_SPACE", 2**80)
    (problem,) = diagnose(tmp_path).problems
    assert problem.endswith("of disk space is free.")


def test_the_command_shows_the_facts_as_text_and_as_one_document(in_tmp_path: Path) -> None:
    assert f"torch                      {torch.__version__}" in done("doctor").out
    document = done("doctor", "--json").document()
    assert document["facts"]["working directory"] == str(Path.cwd())
    assert document["problems"] == []
