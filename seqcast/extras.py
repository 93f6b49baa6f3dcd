"""Optional libraries, which an extra of the package installs."""

from importlib import import_module
from types import ModuleType

from seqcast.errors import UsageError


def import_extra(module: str, extra: str, asked_by: str) -> ModuleType:
    """Import a module that the option or command `asked_by` needs.

    Raises:
        UsageError: The module is not installed; the message says how to install it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        library = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != library:
            raise
        raise UsageError(
            f"{asked_by} needs {library}, which is not installed.", hint=f"Run `pip install 'seqcast[{extra}]'`."
        ) from None
