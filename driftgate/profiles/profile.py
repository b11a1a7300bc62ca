"""The profile of a month: its columns, which add up where they were counted alike."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from driftgate.profiles.columns import CategoryColumn, Column, NumberColumn
from driftgate.profiles.grid import CategoryGrid, Grid, NumberGrid


@dataclass(frozen=True)
class Profile:
    """A month, or a part of one.

    Attributes:
        rows: of the month.
        columns: what was counted, by name.
        unmeasured: columns that could not be counted: the type that was found, or nothing where there is no column.
        grid: digest of the grid; empty where the profile is exact.
    """

    rows: int
    columns: Mapping[str, Column]
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    grid: str = ""

    @property
    def exact(self) -> bool:
        """Whether every distinct value is counted by itself."""
        return not self.grid

    def on(self, grid: Grid) -> "Profile":
        """The same profile counted on a grid; a column that the grid does not have is left out.

        Raises:
            ValueError: it is counted on another grid.
        """
        if self.grid and self.grid != grid.digest:
            raise ValueError("counts on one grid cannot be turned into counts on another")
        columns = {
            name: _column_on(column, grid.columns[name])
            for name, column in self.columns.items()
            if name in grid.columns
        }
        return Profile(self.rows, columns, self.unmeasured, grid.digest)

    def __add__(self, other: "Profile") -> "Profile":
        """The profile of two parts of a month together.

        Raises:
            ValueError: they were counted on different grids, or have different columns.
        """
        same = self.grid == other.grid and self.columns.keys() == other.columns.keys()
        if not same or dict(self.unmeasured) != dict(other.unmeasured):
            raise ValueError("only profiles of the same columns on the same grid add up")
        columns = {name: _sum(column, other.columns[name]) for name, column in self.columns.items()}
        return Profile(self.rows + other.rows, columns, self.unmeasured, self.grid)


def _column_on(column: Column, grid: NumberGrid | CategoryGrid) -> Column:
    if isinstance(column, NumberColumn) and isinstance(grid, NumberGrid):
        return column.on(grid)
    if isinstance(column, CategoryColumn) and isinstance(grid, CategoryGrid):
        return column.on(grid)
    raise ValueError("numbers are counted on a grid of numbers, categories on a grid of categories")


def _sum(one: Column, other: Column) -> Column:
    if isinstance(one, NumberColumn) and isinstance(other, NumberColumn):
        return one + other
    if isinstance(one, CategoryColumn) and isinstance(other, CategoryColumn):
        return one + other
    raise ValueError("numbers and categories do not add up")
