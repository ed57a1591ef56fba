"""The public API changes only on purpose."""

from tests.public_names import KEPT, public_names


def test_public_names_and_parameters_equal_the_stored_list():
    kept = KEPT.read_text("utf-8").splitlines()
    output = "if it is on purpose, renew the list with `python -m tests.public_names`"
    assert public_names() == kept, output
