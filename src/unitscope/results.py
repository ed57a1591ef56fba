"""`Result`: the frozen value that analyses and experiments return, which can be saved, loaded, tabulated and drawn.

In: plain values. Out: `Result`, the base class of all results.
Each result defines its values and tables in the module of its analysis.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from unitscope.errors import UnitscopeError
from unitscope.files import atomic_path
from unitscope.notebook import short_repr, tables_html
from unitscope.text import json_safe
from unitscope.units import Layer

if TYPE_CHECKING:
    import pandas as pd

Values = dict[str, Any]

_classes: "dict[str, type[Result]]" = {}


class Result(ABC):
    """A frozen result with a kind and a version.

    A subclass is a frozen dataclass of `unitscope.analyses`, or a sheet of `unitscope.display`, that sets ``kind`` and
    defines `values`, `from_values` and `tables`. It is registered under its kind when it is defined.
    """

    kind: ClassVar[str] = ""
    version: ClassVar[int] = 1

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__repr__" not in vars(cls):  # otherwise a dataclass makes one, with all arrays
            cls.__repr__ = short_repr  # type: ignore[method-assign, assignment]
        if not cls.kind:
            return
        other = _classes.setdefault(cls.kind, cls)
        if (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(
                f"{other.__module__}.{other.__qualname__} has the kind '{cls.kind}' already; choose another"
            )
        _classes[cls.kind] = cls

    @abstractmethod
    def values(self) -> Values:
        """Return the result as plain values, without kind and version."""

    @classmethod
    @abstractmethod
    def from_values(cls, values: Values) -> Self:
        """Return the result with these `values`; None stands for NaN."""

    @abstractmethod
    def tables(self) -> "dict[str, pd.DataFrame]":
        """Return the result as tables by title."""

    def summary(self) -> "dict[str, pd.DataFrame]":
        """Return the tables that a terminal shows: those of `tables`, or shorter ones if these are wide."""
        return self.tables()

    def to_dict(self) -> Values:
        """Return kind, version and values of the result as a dict that JSON can hold, with None for NaN."""
        return json_safe({"kind": self.kind, "version": self.version, **self.values()})  # type: ignore[no-any-return]

    @classmethod
    def from_dict(cls, values: Values) -> Self:
        """Return the result from the dict of `to_dict`.

        Raises:
            UnitscopeError: if the kind or the version differs, or values are missing or invalid.
        """
        kind, version = values.get("kind", cls.kind), values.get("version", cls.version)
        if kind != cls.kind:
            raise UnitscopeError(f"this result has kind '{kind}', not '{cls.kind}'; read it with load_result")
        if version != cls.version:
            raise UnitscopeError(
                f"this result has kind '{kind}' in version {version}, but this unitscope reads version {cls.version}; "
                "install the unitscope that wrote it, or make the result again"
            )
        try:
            return cls.from_values(values)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as problem:
            raise UnitscopeError(
                f"the values of this '{kind}' result are incomplete or invalid ({type(problem).__name__}: {problem}); "
                "make the result again"
            ) from None

    def save(self, path: str | Path) -> None:
        """Save the result as a JSON file, which `load_result` reads."""
        text = json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False) + "\n"
        with atomic_path(Path(path)) as temporary:
            temporary.write_text(text, "utf-8")

    def _repr_html_(self) -> str:
        return tables_html(self.tables())


def defined_classes() -> "Mapping[str, type[Result]]":
    """Return the classes of the results defined so far, by kind."""
    return _classes


def layer_table(layers: Iterable[Layer]) -> list[Values]:
    """Return layers as plain values, each once, for the key ``layer_table`` of a result."""
    return [layer.to_dict() for layer in dict.fromkeys(layers)]


def layers_by_name(values: Values, names: Iterable[str]) -> dict[str, Layer]:
    """Return the layers of a result by name; layers missing in its ``layer_table`` have only a name."""
    known = {each["name"]: Layer.from_dict(each) for each in values.get("layer_table", ())}
    return {name: known.get(name) or Layer(0, name, "", 0, ()) for name in names}


def columns_of(table: "pd.DataFrame") -> dict[str, list[Any]]:
    """Return a data frame as plain lists by column."""
    return {str(name): column.tolist() for name, column in table.items()}


def frame_of(columns: Mapping[str, Sequence[Any]]) -> "pd.DataFrame":
    """Return the data frame from the lists of `columns_of`; None in a column of numbers becomes NaN."""
    import pandas as pd

    return pd.DataFrame({name: _column(values) for name, values in columns.items()})


def _column(values: Sequence[Any]) -> Any:
    """Return values as floats if there are only numbers and None, which stands for NaN."""
    import numpy as np

    numbers = all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values)
    return np.asarray(values, np.float64) if numbers and None in values else list(values)
