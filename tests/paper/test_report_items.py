import pytest

from unitscope.errors import LayerError
from unitscope.paper.report_items import Missing, attempt


def test_a_missing_item_has_a_reason():
    def fail():
        raise LayerError("no layer 'a'. Name another.")

    assert attempt("Figure 1", fail) == Missing("Figure 1", "no layer 'a'. Name another")
    assert attempt("Figure 1", lambda: 3) == 3


def test_other_exceptions_are_raised():
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        attempt("Figure 1", lambda: 1 / 0)
