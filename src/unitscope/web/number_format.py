"""Numbers formatted for pages: few digits, powers of ten instead of an e, a real minus sign.

In: numbers. Out: text. ``number`` in page.js must format alike.
"""

import math

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_LOWEST, _HIGHEST = -4, 5  # powers of ten that are written out


def number(value: float | None, digits: int = 3) -> str:
    """Return a number to ``digits`` significant digits, such as 0.0123, −4, 1,234 or 3.1 × 10⁻⁵; a dash for none."""
    if value is None or not math.isfinite(value):
        return "–"
    if not value:
        return "0"
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    power = int(exponent)
    if _LOWEST <= power <= _HIGHEST:
        return _tidy(f"{value:,.{max(0, digits - 1 - power)}f}")
    return f"{_tidy(mantissa)} × 10{str(power).translate(_RAISED)}"


def share(value: float | None) -> str:
    """Return a fraction in per cent; a dash for none."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.1%}"


def _tidy(text: str) -> str:
    """Strip trailing zeros, and use a real minus sign."""
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")
