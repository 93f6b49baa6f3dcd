"""The problems of single columns, however many there are."""

from collections.abc import Callable
from functools import partial

from seqcast.config import DataConfig
from seqcast.errors import DataError, SeqcastError
from seqcast.reading.columns import read_covariates, read_numbers
from seqcast.reading.grouping import read_ids
from seqcast.reading.roles import find_roles
from seqcast.reading.rows_layout import one_row_per_time
from seqcast.reading.table import Table
from seqcast.reading.times import read_times


def column_problems(table: Table, config: DataConfig) -> list[DataError]:
    """Returns an error for each column that cannot be read in its role; none if the roles cannot be found."""
    try:
        table, config = one_row_per_time(table, config)
        roles = find_roles(table, config.model_copy(update={"static": ()}))
    except SeqcastError:
        return []
    schema = roles.schema
    static = (column for column in config.static if column in table.columns)
    probes: list[Callable[[], object]] = [partial(read_times, table, schema.time)]
    probes += [partial(read_ids, table, (column,)) for column in roles.id_columns]
    probes += [partial(read_numbers, table, column) for column in schema.target]
    probes += [partial(read_covariates, table, (column,)) for column in (*schema.known, *schema.past, *static)]
    found = []
    for probe in probes:
        try:
            probe()
        except DataError as error:
            found.append(error)
    return found
