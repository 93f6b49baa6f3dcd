"""The bundled sample files."""

from pathlib import Path

from seqcast.errors import UsageError

PLANTED = "planted_hourly.csv"
"""An artificial hourly panel with planted lags, used by `demo`."""
PLANTED_FUTURE = "planted_hourly_future.csv"
"""The known covariate of that panel for the next 48 hours."""
CO2 = "co2_weekly.csv"
"""A real weekly series with missing weeks."""

SAMPLES = (PLANTED, PLANTED_FUTURE, CO2)


def sample_path(name: str) -> Path:
    """The path of a sample file, in an installed package as in a checkout.

    Raises:
        UsageError: There is no sample of that name.
    """
    package = Path(__file__).resolve().parent
    # A wheel contains the samples; an editable install has them beside the package.
    for folder in (package / "sample_data", package.parent / "sample_data"):
        if name in SAMPLES and (folder / name).is_file():
            return folder / name
    raise UsageError(f"there is no sample {name!r}.", hint=f"The samples are {', '.join(SAMPLES)}.")
