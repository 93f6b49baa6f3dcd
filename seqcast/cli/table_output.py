"""A forecast or backtest table that a command writes to a file or to stdout."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from seqcast.cli.console import Screen
from seqcast.config import Format
from seqcast.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pandas as pd
    import pyarrow as pa

    from seqcast.output import Destination


@dataclass(frozen=True)
class TableOutput:
    """Where and how a table is written."""

    target: "Destination"
    file_format: Format
    excel_safe: bool = False
    """Whether ids that begin like a formula get an apostrophe."""
    is_folder: bool = False
    """Whether the target is a folder of part files."""

    @classmethod
    def from_options(
        cls, output: str | None, file_format: Format | None, *, excel_safe: bool = False, folders: bool = False
    ) -> "TableOutput":
        """The output that options ask for: stdout without `--output` or with `-`, else a file.

        With `folders` it may be a folder, one that is there or whose name ends in a slash; its parts are Parquet files
        by default.

        Raises:
            UsageError: The format is unknown, or `excel_safe` is asked for in a format other than CSV.
            SeqcastError: There is no place for the file.
        """
        from seqcast.output import output_format
        from seqcast.storage import require_place

        target: Destination = Path(output) if output is not None and output != "-" else "-"
        is_folder = folders and target != "-" and (str(output).endswith("/") or Path(target).is_dir())
        resolved = (file_format or "parquet") if is_folder else output_format(target, file_format)
        if excel_safe and resolved != "csv":
            raise UsageError(f"--excel-safe is for CSV, and this output is {resolved}.", hint="Drop one.")
        if target != "-" and not is_folder:
            require_place(target)
        return cls(target, resolved, excel_safe, is_folder)

    def write(self, screen: Screen, table: "pd.DataFrame | pa.Table") -> None:
        """Write one table, whose first column has the ids."""
        import pyarrow as pa

        if not isinstance(table, pa.Table):
            table = pa.Table.from_pandas(table, preserve_index=False)
        self.write_stream(screen, [table], table.column(0).unique().to_pylist())

    def write_stream(self, screen: Screen, tables: "Iterable[pa.Table]", ids: "Sequence[str]") -> None:
        """Write tables of the same columns, end to end, while they are made; `ids` are those of all of them."""
        from seqcast.output import without_formulas, write_tables

        num_rows = 0

        def finished() -> "Iterator[pa.Table]":
            nonlocal num_rows
            for table in tables:
                if num_rows == 0:
                    self._warn_of_formulas(screen, table.column_names, ids)
                num_rows += table.num_rows
                yield without_formulas(table) if self.excel_safe else table

        write_tables(finished(), self.target, self.file_format)
        self.tell(screen, num_rows)

    def _warn_of_formulas(self, screen: Screen, columns: "Iterable[str]", ids: "Iterable[str]") -> None:
        from seqcast.output import formula_notices

        if self.file_format == "csv" and not self.excel_safe:
            advice = "; --excel-safe writes them with an apostrophe in front"
            screen.notices([replace(notice, text=notice.text + advice) for notice in formula_notices(columns, ids)])

    def tell(self, screen: Screen, num_rows: int) -> None:
        if self.target != "-":
            screen.say(f"{num_rows:,} rows written to {self.target}")
