"""Widths of figures, as journals give them.

In: text such as ``85mm``, ``3.35in`` or ``single``. Out: a width in inches.
"""

import re

from unitscope.errors import UnitscopeError

COLUMNS = {"single": "85mm", "double": "170mm"}
SMALLEST, LARGEST = 60, 600  # millimetres
_INCHES = {"mm": 1 / 25.4, "cm": 1 / 2.54, "in": 1.0}


def inches(width: str) -> float:
    """Return a width in inches: a number with mm, cm or in, or ``single`` or ``double`` for a journal's columns.

    Raises:
        UnitscopeError: if the text is no width, or the width is below 60 mm or above 600 mm.
    """
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*(mm|cm|in)", COLUMNS.get(width.strip(), width.strip()))
    if match is None:
        raise UnitscopeError(f"'{width}' is not a width; write 85mm, 8.5cm, 3.35in, single (85mm) or double (170mm)")
    found = float(match[1]) * _INCHES[match[2]]
    if not SMALLEST <= round(found * 25.4, 6) <= LARGEST:
        raise UnitscopeError(f"a figure can't be '{width}' wide; give a width from {SMALLEST}mm to {LARGEST}mm")
    return found
