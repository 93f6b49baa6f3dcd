"""Configuration files: config.toml of a run, and files written by hand."""

from pathlib import Path

from seqcast.config import Config, parse_config
from seqcast.errors import UsageError
from seqcast.run.untrusted.bounded_toml import LARGEST_TOML, parse_toml


def read_config(path: Path) -> Config:
    """Read a TOML file written by `Config.to_toml` or by hand.

    Raises:
        UsageError: The file is absent or not TOML, or a key or value in it is not allowed.
    """
    try:
        with path.open("rb") as file:
            values = parse_toml(file.read(LARGEST_TOML + 1))
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such configuration file.") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read as TOML: {error}.") from None
    return parse_config(values, str(path))
