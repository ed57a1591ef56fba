"""Which output is the prediction, and what it is before a softmax or a sigmoid; exported and under hooks."""

from collections import namedtuple
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from unitscope.errors import NetworkError
from unitscope.graph import ExportedTrace, HookedTrace, trace
from unitscope.graph.split import split_at

FEATURES, CLASSES = 12, 4
Pair = namedtuple("Pair", ["features", "logits"])


@dataclass
class Answer:
    features: torch.Tensor
    logits: torch.Tensor


class Classifier(nn.Module):
    """Returns whatever ``end`` makes of its features and logits; with ``branching`` it can't be exported."""

    def __init__(self, end, columns, branching):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.relu, self.fc = nn.Conv2d(3, FEATURES, 3), nn.ReLU(), nn.Linear(FEATURES, columns)
        self.end, self.branching = end, branching

    def features(self, x):
        return self.relu(self.conv(x)).mean((2, 3))

    def forward(self, x):
        if self.branching and float(x.mean()) > 1e9:
            return x
        features = self.features(x)
        return self.end(features, self.fc(features))


def by_hand(features, logits):
    powers = logits.exp()
    return powers / powers.sum(1, keepdim=True)


def two_columns(features, logits):
    probability = torch.sigmoid(logits)
    return torch.cat([1 - probability, probability], 1)


ENDS = {
    "the only output": (lambda f, z: z, CLASSES, 0),
    "as wide as the class names, behind features": (lambda f, z: (f, z), CLASSES, CLASSES),
    "a key of a dict": (lambda f, z: {"features": f, "logits": z}, CLASSES, 0),
    "a key inside a list in a dict": (lambda f, z: {"all": [f, {"logits": z}]}, CLASSES, 0),
    "a field of a dataclass": (Answer, CLASSES, 0),
    "a field of a named tuple": (Pair, CLASSES, 0),
    "an attribute of a namespace": (lambda f, z: SimpleNamespace(features=f, logits=z), CLASSES, 0),
    "beside class numbers": (lambda f, z: (z.argmax(1), z), CLASSES, 0),
    "beside a map": (lambda f, z: (f[:, :, None], z), CLASSES, 0),
    "with sides of 1": (lambda f, z: z[:, :, None, None], CLASSES, CLASSES),
    "before a softmax": (lambda f, z: z.softmax(1), CLASSES, CLASSES),
    "before a module's softmax": (lambda f, z: nn.Softmax(-1)(z), CLASSES, 0),
    "before a softmax that is clipped": (lambda f, z: z.softmax(1).clamp(1e-7, 1.0), CLASSES, 0),
    "before the logarithm of a softmax": (lambda f, z: z.softmax(1).log(), CLASSES, 0),
    "before a log-softmax": (lambda f, z: F.log_softmax(z, 1), CLASSES, 0),
    "before a softmax written as a formula": (by_hand, CLASSES, 0),
    "before the probabilities of two classes": (two_columns, 1, 2),
    "before a softmax in percent": (lambda f, z: 100 * z.softmax(1), CLASSES, 0),
    "before the mean of two softmax": (lambda f, z: torch.stack([z.softmax(1)] * 2).mean(0), CLASSES, 0),
    "before a softmax in half precision": (lambda f, z: z.softmax(1).half().float(), CLASSES, 0),
}
SECOND = {
    "a column of a sigmoid": lambda f, z: torch.sigmoid(z)[:, 0],
    "a part of a sigmoid": lambda f, z: torch.sigmoid(z).chunk(1, 1)[0],
    "a sigmoid turned": lambda f, z: torch.sigmoid(z).transpose(0, 1)[0],
    "a sigmoid in half precision and back": lambda f, z: torch.special.expit(z).half().float(),
    "a column of a softmax": lambda f, z: torch.cat([torch.zeros_like(z), z], 1).softmax(1)[:, 1],
    "a logit": lambda f, z: z,
    "a logit without its axis": lambda f, z: z.squeeze(1),
    "a sigmoid": lambda f, z: torch.sigmoid(z),
    "a sigmoid without its axis": lambda f, z: z.sigmoid().flatten(),
    "a sigmoid in place": lambda f, z: z.sigmoid_(),
}
both_ways = pytest.mark.parametrize("branching", [False, True], ids=["exported", "hooked"])


@torch.no_grad()
def logits_and_truth(end, columns, classes, branching):
    """Return the logits of the trace and those of the network's last layer, for one image under hooks and for three."""
    module = Classifier(end, columns, branching).eval()
    found = trace(module, (8, 8), name="net", classes=classes)
    assert isinstance(found, HookedTrace if branching else ExportedTrace)
    images = torch.randn(1 if branching else 3, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    logits, _ = found.tapped(responses=[found.layers.activations[0]])(images)
    return found, logits, module.fc(module.features(images))


@both_ways
@pytest.mark.parametrize("name", ENDS)
def test_logits_are(name, branching):
    end, columns, classes = ENDS[name]
    found, logits, wanted = logits_and_truth(end, columns, classes, branching)
    if wanted.shape[1] == 1:
        wanted = torch.cat([torch.zeros_like(wanted), wanted], 1)
    torch.testing.assert_close(logits.softmax(1), wanted.softmax(1), rtol=0, atol=5e-4 if "half" in name else 1e-5)
    assert found.head.squashing == "softmax"
    assert not found.head.note


@both_ways
@pytest.mark.parametrize("name", SECOND)
def test_one_value_with_two_class_names_belongs_to_the_second_class(name, branching):
    _, logits, wanted = logits_and_truth(SECOND[name], 1, 2, branching)
    atol = 5e-4 if "half" in name else 1e-5
    torch.testing.assert_close(logits.softmax(1)[:, 1:], torch.sigmoid(wanted), rtol=0, atol=atol)


@both_ways
def test_sigmoids_of_several_classes_stay_independent(branching):
    found, logits, wanted = logits_and_truth(lambda f, z: torch.sigmoid(z), CLASSES, 0, branching)
    torch.testing.assert_close(logits, wanted)
    assert found.head.squashing == "sigmoid"


@both_ways
@pytest.mark.parametrize(
    ("end", "columns", "classes", "note"),
    [
        (lambda f, z: (f, z), CLASSES, 0, r"returns \[image, 12\] and \[image, 4\], and any of them may be its logits"),
        (lambda f, z: (z, 2 * z), CLASSES, CLASSES, r"any of them may be its logits; return it as 'logits'"),
        (lambda f, z: z, 1, 0, "returns one value for an image, so it has no predictions; give two class names"),
        (lambda f, z: 1 - torch.sigmoid(-z), 1, 2, "it may be a logit or a probability, as all that were tried are"),
        (lambda f, z: torch.softmax(z, 1), 1, 2, "returns one value for an image, so it has no predictions"),
        (lambda f, z: f[:, :, None], CLASSES, CLASSES, r"returns \[image, 12, 1\], and none of that"),
        (lambda f, z: None, CLASSES, 0, "it returns no tensor"),
        (lambda f, z: z[:, :, None, None], CLASSES, 0, r"is \[image, class\]; give its class names if they are logits"),
    ],
    ids=[
        "features and logits",
        "two of a kind",
        "one value",
        "a probability by hand",
        "a softmax of one value",
        "maps",
        "nothing",
        "sides of 1 without class names",
    ],
)
def test_an_output_that_may_be_something_else_is_no_prediction(end, columns, classes, note, branching):
    found, logits, _ = logits_and_truth(end, columns, classes, branching)
    assert logits is None
    assert note.replace("\\", "") in found.notes[-1]
    with pytest.raises(NetworkError, match=note):
        split_logits(found)


def split_logits(found):
    split = split_at(found, found.layers.activations[0])
    split.prefix(torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize(("end", "columns", "classes"), [(lambda f, z: z, 1, 2), (by_hand, CLASSES, 0)])
def test_what_makes_logits_of_an_output_is_no_layer(end, columns, classes):
    found, logits, _ = logits_and_truth(end, columns, classes, branching=False)
    own = {"conv", "relu", "mean", "fc"} | ({"div"} if end is by_hand else set())
    assert logits is not None
    assert {layer.name for layer in found.layers} == own


def masked(features, logits):
    probabilities = torch.sigmoid(logits)
    probabilities[:, 0] = 0
    return probabilities


@both_ways
def test_a_change_in_place_behind_a_sigmoid_counts(branching):
    _, logits, wanted = logits_and_truth(masked, CLASSES, 0, branching)
    assert (logits.argmax(1) == wanted[:, 1:].argmax(1) + 1).all()


@both_ways
@pytest.mark.parametrize("classes", [2, 7])
def test_another_number_of_class_names_than_outputs_is_refused(classes, branching):
    module = Classifier(lambda f, z: z, CLASSES, branching).eval()
    with pytest.raises(NetworkError, match=f"net returns 4 values for an image, but it has {classes} class names"):
        trace(module, (8, 8), name="net", classes=classes)


@both_ways
def test_the_module_returns_what_it_returned_before(branching):
    module = Classifier(lambda f, z: z.softmax(1), CLASSES, branching).eval()
    images = torch.ones(1, 3, 8, 8)
    before = module(images)
    trace(module, (8, 8), name="net")
    assert torch.equal(module(images), before)
