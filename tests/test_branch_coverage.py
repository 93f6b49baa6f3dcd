"""`.ci/run` measures the branches that tests run in all processes of pytest, and requires enough of them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

FILES = {
    "pytest.ini": "[pytest]\n",
    "seqcast/__init__.py": "",
    "seqcast/never.py": "A = 1\nB = 2\n",
    "seqcast/sign.py": "def sign(x):\n    if x > 0:\n        return 1\n    return -1\n",
    "tests/test_sign.py": """
from seqcast.sign import sign

def test_plus():
    assert sign(3) == 1

def test_minus():
    assert sign(-3) == -1
""",
}
"""A small project of the same layout; each of two processes runs one branch, and nobody imports one module."""


def test_branches_run_in_all_processes_are_added_up_and_too_few_fail(repository: Path, tmp_path: Path) -> None:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    shutil.copy(repository / "tests" / "branch_coverage.py", tmp_path / "tests")
    command = [sys.executable, "-m", "pytest", "-p", "tests.branch_coverage", "-p", "xdist", "-n", "2", "tests"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment |= {"PYTHONPATH": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "2 passed" in ran.stdout, ran.stderr
    assert "The tests run 75.00 % of lines and branches; 95 % are required." in ran.stdout
    assert ran.returncode == 1
