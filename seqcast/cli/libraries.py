"""Settings of other libraries that hold for the whole process and are made before they are imported."""

import os
import sys


def set_environment() -> None:
    """Set what libraries read from the environment, where the user has not."""
    # Threads that spin while they wait make small networks 40 times slower where another program shares the cores.
    # The policy is read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Pydantic looks for plugins in the metadata of every installed package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def forgo_pandas() -> None:
    """Let pyarrow do without pandas, which it otherwise imports with the first array that it takes from Python.

    That would be a quarter of the time in which a command forecasts with an exported model. pyarrow works without
    pandas where it is not installed. It looks for it once, and again when it is asked for a data frame.
    """
    if "pandas" in sys.modules:
        return
    import pyarrow as pa

    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.array([0]).to_numpy()  # both halves of pyarrow look, that in Python and that in C++
    finally:
        sys.meta_path.remove(finder)


class _NoPandas:
    """An importer that says that pandas is not installed."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not wanted yet", name=name)
