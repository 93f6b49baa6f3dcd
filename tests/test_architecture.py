"""What holds for the whole project; that imports point down the layers is checked by `lint-imports`."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import seqcast
from seqcast.samples import CO2, sample_path

TOP_LEVEL = {"seqcast", "tests", "sample_data", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE"}
TEST_COMMAND = "pip install -e '.[test]' && python -m pytest"
SOURCES = sorted(Path(seqcast.__file__).parent.rglob("*.py"))


def functions(source: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def num_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body, the docstring not counted."""
    first = function.body[0]
    has_docstring = ast.get_docstring(function, clean=False) is not None
    begin = first.end_lineno if has_docstring else first.lineno - 1
    return function.end_lineno - begin


def modules_after(arguments: list[str], folder: Path) -> set[str]:
    """The modules a fresh interpreter holds when the command has ended."""
    code = (
        "import json, sys\n"
        "from seqcast.cli.app import main\n"
        f"sys.argv = ['seqcast', *{arguments!r}]\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "print('\\nMODULES', json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.rpartition("\nMODULES ")[2]))


def test_the_top_level_holds_only_what_the_design_names(repository: Path) -> None:
    if not (repository / ".git").exists():
        pytest.skip("not a checkout, so what belongs to the project is not known")
    command = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True).stdout.splitlines()
    entries = {name.partition("/")[0] for name in listed}
    assert {entry for entry in entries if not entry.startswith(".")} == TOP_LEVEL


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(SOURCES[0].parent)))
def test_files_and_functions_stay_short_enough_to_read(source: Path) -> None:
    assert len(source.read_text(encoding="utf-8").splitlines()) <= 400
    assert {function.name: num_lines(function) for function in functions(source) if num_lines(function) > 50} == {}


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_what_answers_at_once_imports_no_heavy_library(option: str, tmp_path: Path) -> None:
    heavy = {"torch", "pandas", "sklearn", "pyarrow", "scipy", "joblib", "plotext"}
    assert modules_after([option], tmp_path) & heavy == set()


def test_listing_runs_imports_no_heavy_library_and_no_other_command(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    modules = modules_after(["runs"], tmp_path)
    assert modules & {"torch", "pandas", "sklearn", "filelock", "seqcast.cli.train", "seqcast.cli.predict"} == set()


def test_checking_data_does_without_torch(tmp_path: Path) -> None:
    assert "torch" not in modules_after(["check", str(sample_path(CO2))], tmp_path)


def test_the_readme_and_the_ci_run_the_same_test_command(repository: Path) -> None:
    assert TEST_COMMAND in (repository / "README.md").read_text(encoding="utf-8")
    lines = (repository / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert all(f"    {part}" in lines for part in TEST_COMMAND.split(" && "))


def map_of_the_readme(repository: Path) -> dict[str, str]:
    """Every path of the map in the README (a folder's ends in a slash) with its description."""
    text = (repository / "README.md").read_text(encoding="utf-8")
    lines = text.partition("```text\n")[2].partition("```")[0].splitlines()
    entries: dict[str, str] = {}
    folders: list[str] = []
    for line in lines:
        names, _, description = line.strip().partition("  ")
        del folders[(len(line) - len(line.lstrip())) // 2 :]
        entries |= {"".join([*folders, name]): description.strip() for name in names.split(", ")}
        if names.endswith("/"):
            folders.append(names)
    return entries


def test_the_map_in_the_readme_names_every_module_and_says_what_it_holds(repository: Path) -> None:
    package = repository / "seqcast"
    modules = {str(path.relative_to(package)) for path in package.rglob("*.py") if not path.name.startswith("__")}
    folders = {f"{parent}/" for module in modules for parent in Path(module).parents if parent.name}
    entries = map_of_the_readme(repository)
    assert set(entries) == modules | folders
    assert [path for path, description in entries.items() if not description] == []


def test_every_path_that_the_readme_mentions_exists(repository: Path) -> None:
    text = (repository / "README.md").read_text(encoding="utf-8")
    paths = re.findall(r"`([\w/]+\.(?:py|md))`", text)
    places = (repository, repository / "seqcast")
    assert paths
    assert [path for path in paths if not any((place / path).exists() for place in places)] == []


def test_the_readme_is_short_enough_to_read(repository: Path) -> None:
    assert (repository / "README.md").stat().st_size <= 12 * 1024


def test_the_version_lives_in_one_place(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "version" not in project
    assert re.fullmatch(r"\d+\.\d+\.\d+", seqcast.__version__)
