import pytest

from unitscope.errors import LayerError
from unitscope.units import Layer, LayerTable, Unit, UnitIndex


@pytest.fixture
def table():
    return LayerTable(
        (
            Layer(0, "conv1", "convolution", 4, (4, 8, 8)),
            Layer(1, "relu", "activation", 4, (4, 8, 8), aliases=("act:1", "conv1_relu")),
            Layer(2, "layer1.0.relu", "activation", 6, (6, 4, 4), aliases=("act:2",)),
            Layer(3, "layer1.0.relu_1", "activation", 2, (2, 4, 4), aliases=("act:3", "out")),
            Layer(4, "fc", "linear", 10, (10,)),
        ),
        "toy",
    )


@pytest.mark.parametrize("text", ["layer4.2.relu_2:68", "act:46:68", "fc:0"])
def test_a_unit_is_read_as_it_is_written(text):
    unit = Unit.parse(text)
    assert str(unit) == text
    assert unit == Unit(*text.rsplit(":", 1)[:1], int(text.rsplit(":", 1)[1]))


@pytest.mark.parametrize("text", ["", "fc", ":3", "fc:", "fc:x", "fc:-1", "fc:1.5", "fc: 1", "fc:²"])
def test_a_unit_needs_an_integer_after_the_last_colon(text):
    with pytest.raises(LayerError, match=r"is not a unit; write LAYER:UNIT"):
        Unit.parse(text)


def test_a_unit_below_zero_is_an_error(table):
    with pytest.raises(LayerError, match="layer 'relu' has units 0 to 3, so there is no unit -1"):
        table.unit(Unit("relu", -1))


@pytest.mark.parametrize("address", ["layer1.0.relu_1", "act:3", "out", "act:-1"])
def test_a_layer_has_many_addresses(table, address):
    assert table.find(address) is table[3]


def test_a_name_takes_precedence_over_the_alias_of_another_layer():
    table = LayerTable((Layer(0, "a", "norm", 1, (1,), aliases=("b",)), Layer(1, "b", "norm", 1, (1,))), "toy")
    assert table.find("b") is table[1]


def test_an_unknown_layer_is_an_error_with_the_nearest_matches(table):
    with pytest.raises(
        LayerError, match=r"no layer 'layer1\.0\.rel'; closest: 'layer1\.0\.relu', .*`unitscope layers toy`"
    ):
        table.find("layer1.0.rel")


def test_an_unknown_layer_without_near_names_is_an_error_without_matches(table):
    with pytest.raises(LayerError, match=r"no layer 'zzzzzz'\. List them with `unitscope layers toy`"):
        table.find("zzzzzz")


@pytest.mark.parametrize("address", ["act:0", "act:4", "act:-4"])
def test_an_activation_out_of_range_is_an_error_with_the_range(table, address):
    with pytest.raises(LayerError, match=f"no layer '{address}': toy has activation calls 1 to 3"):
        table.find(address)


@pytest.mark.parametrize(
    ("patterns", "indices"),
    [
        (["act:*"], [1, 2, 3]),
        (["fc", "conv1"], [0, 4]),
        (["layer1.*", "act:3", "out"], [2, 3]),
        (["*"], range(5)),
        ([], []),
    ],
)
def test_patterns_give_each_layer_once_in_the_order_of_the_network(table, patterns, indices):
    assert [layer.index for layer in table.match(patterns)] == list(indices)


def test_a_pattern_without_a_match_is_an_error_with_the_nearest_matches(table):
    with pytest.raises(LayerError, match=r"no layer 'layer1\.0\.rely\*'; closest: 'layer1\.0\.relu'"):
        table.match(["act:*", "layer1.0.rely*"])


def test_a_unit_is_found_by_any_address_of_its_layer(table):
    assert table.unit("act:3:1") == table.unit(Unit("out", 1)) == (table[3], 1)


def test_a_unit_out_of_range_is_an_error_with_the_range(table):
    with pytest.raises(LayerError, match=r"layer 'layer1\.0\.relu_1' has units 0 to 1, so there is no unit 2"):
        table.unit("out:2")


def test_a_layer_error_is_a_lookup_error(table):
    with pytest.raises(LookupError, match="no layer 'nope'"):
        table.find("nope")


def test_the_table_is_a_sequence_with_activations(table):
    assert len(table) == 5
    assert list(table) == list(table.layers)
    assert [layer.name for layer in table.activations] == ["relu", "layer1.0.relu", "layer1.0.relu_1"]


@pytest.mark.parametrize(
    ("aliases", "shown"),
    [
        (("act:13", "conv5_3", "block5_conv3"), "features.42 (conv5_3, act:13)"),
        (("act:13",), "features.42 (act:13)"),
        (("pool5",), "features.42 (pool5)"),
        ((), "features.42"),
    ],
)
def test_a_layer_is_shown_with_all_names_that_the_user_may_use(aliases, shown):
    assert Layer(4, "features.42", "activation", 8, (8, 3, 3), aliases=aliases).display_name == shown


def test_a_layer_round_trips_through_plain_values(table):
    assert [Layer.from_dict(layer.to_dict()) for layer in table] == list(table)


def test_units_of_layers_are_adjacent(table):
    index = UnitIndex(table.activations)
    assert len(index) == 12
    assert index.starts == (0, 4, 10, 12)
    flat = [index.flat(layer, channel) for layer in table.activations for channel in range(layer.units)]
    assert flat == list(range(12))
    assert [index.span(layer) for layer in table.activations] == [slice(0, 4), slice(4, 10), slice(10, 12)]


def test_an_index_of_no_layers_is_empty():
    assert len(UnitIndex(())) == 0
