"""Sessions: one export for all runs, the same results as the module, and several threads."""

import logging
import sys
import threading
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import unitscope
from tests.scanning.conftest import PHI, Planted, folder
from unitscope.engine.session import Session
from unitscope.errors import LayerError, NetworkError, UnitscopeError
from unitscope.graph.silence import silenced
from unitscope.images import open_images

__all__ = ["folder"]


class Residual(nn.Module):
    """Blocks whose sums are fused in place, and a norm to fold."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.first, self.second = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.relu, self.head = nn.ReLU(), nn.Linear(8, 5)

    def forward(self, x):
        x = self.relu(self.norm(self.stem(x)))
        x = self.relu(self.second(self.relu(self.first(x))) + x)
        return self.head(x.mean((2, 3)))


class Branching(Residual):
    """Branches for dark images, so it can't be exported."""

    def forward(self, x):
        return super().forward(x) if float(x.detach().mean()) > -100 else x.mean((2, 3))


class Features(nn.Module):
    """A module that returns maps and no logits."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 4, 3), nn.ReLU()

    def forward(self, x):
        return self.relu(self.conv(x))


SIZES = []


@torch.library.custom_op("unitscope_tests::needs_memory", mutates_args=())
def needs_memory(x: torch.Tensor, fitting: int) -> torch.Tensor:
    """Return a copy; raise PyTorch's out-of-memory error if there are more images than fit."""
    SIZES.append(len(x))
    if len(x) > fitting:
        raise torch.OutOfMemoryError("none left")
    return x.clone()


@needs_memory.register_fake
def _(x, fitting):
    return torch.empty_like(x)


class ShortOfMemory(nn.Module):
    """Runs out of memory above a number of images."""

    def __init__(self, fitting):
        super().__init__()
        self.fitting, self.conv, self.relu, self.head = fitting, nn.Conv2d(3, 3, 1), nn.ReLU(), nn.Linear(3, 2)

    def forward(self, x):
        return self.head(needs_memory(self.relu(self.conv(x)), self.fitting).mean((2, 3)))


def calibrated(kind):
    torch.manual_seed(3)
    module = kind().eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 2)
            part.bias.data.normal_()
    return unitscope.load(module, preprocess=PHI)


@pytest.fixture(params=[Residual, Branching])
def session(request):
    return Session(calibrated(request.param))


@pytest.fixture
def images():
    return torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def by_hooks(session, images):
    """Logits and the output of each ReLU call, image by image, by plain hooks."""
    module, outputs = session.network.module, []
    handle = module.relu.register_forward_hook(lambda _, __, output: outputs.append(output.clone()))
    with torch.no_grad():
        logits = [module(session.network.preprocessing.normalize(image[None])) for image in images]
    handle.remove()
    calls = [torch.cat(outputs[number :: len(outputs) // len(images)]) for number in range(len(outputs) // len(images))]
    return torch.cat(logits), calls


def test_logits_responses_and_maps_equal_the_modules_own(session, images):
    layers = session.layers.activations
    logits, maps = by_hooks(session, images)
    assert len(layers) == len(maps) == 3
    found = session.run(images, responses=layers, maps=layers)
    np.testing.assert_allclose(found.logits, logits, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.responses, torch.cat([map_.mean((2, 3)) for map_ in maps], 1), atol=1e-5)
    for given, expected in zip(found.maps, maps, strict=True):
        torch.testing.assert_close(given, expected, rtol=1e-4, atol=1e-5)


def test_maps_of_values_that_a_fused_sum_overwrites_are_copies(images):
    session = Session(calibrated(Residual))
    first = session.layers.activations[0]
    together = session.run(images, maps=session.layers.activations).maps[0]
    torch.testing.assert_close(together, session.run(images, maps=[first]).maps[0], rtol=0, atol=0)
    assert any(
        "_convolution_pointwise_.binary" in str(node.target) for node in session._graphs.fast().module.graph.nodes
    )


def test_layers_inside_a_fused_convolution_can_be_read_too(images):
    session = Session(calibrated(Residual))
    module, layer = session.network.module, session.layers.find("stem")
    assert not session._graphs.fast().has([layer])
    with torch.no_grad():
        expected = module.stem(session.network.preprocessing.normalize(images))
    torch.testing.assert_close(session.run(images, maps=[layer]).maps[0], expected, rtol=1e-4, atol=1e-5)


def test_masked_units_are_removed_from_maps_responses_and_logits(session, images):
    layers = session.layers.activations
    mask = torch.ones(layers[0].units)
    mask[[1, 6]] = 0
    found = session.run(images, responses=layers, maps=layers[:1], masks={layers[0]: mask})
    split = session.split(layers[0])
    with session.inference():
        x = session.network.preprocessing.normalize(images)
        halfway = split.prefix(x)
        expected = split.suffix(halfway.live, (mask == 0)[None, None].expand(1, 1, -1), torch.zeros(layers[0].units))[0]
    np.testing.assert_allclose(found.logits, expected.numpy(), rtol=1e-4, atol=1e-5)
    assert found.responses[:, [1, 6]].max() == found.maps[0][:, [1, 6]].abs().max() == 0
    assert found.responses[:, 0].max() > 0


def test_an_executor_equals_a_run(images):
    session = Session(calibrated(Residual))
    layers = session.layers.activations
    logits, responses = session.executor(layers, batch_size=5)(images)
    found = session.run(images, responses=layers)
    np.testing.assert_allclose(responses, found.responses, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(logits, found.logits, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("target", [2, "act:2:5"])
def test_gradients_equal_those_of_the_module(session, images, target):
    module, taken = session.network.module, []
    x = session.network.preprocessing.normalize(images).requires_grad_()
    handle = module.relu.register_forward_hook(lambda _, __, output: taken.append(output))
    logits = module(x)
    handle.remove()
    value = logits[:, 2] if target == 2 else taken[1].mean((2, 3))[:, 5]
    (expected,) = torch.autograd.grad(value.sum(), x)
    assert expected.abs().max() > 0
    torch.testing.assert_close(session.gradients(images, target), expected, rtol=1e-4, atol=1e-6)


def test_a_target_that_the_network_lacks_is_an_error(images):
    session = Session(unitscope.load(Features().eval(), preprocess=PHI))
    assert session.run(images).logits is None
    with pytest.raises(NetworkError, match="returns no logits, so it has no class 3"):
        session.gradients(images, 3)
    with pytest.raises(LayerError, match="no layer 'nosuch'"):
        session.gradients(images, "nosuch:1")
    with pytest.raises(NetworkError, match="has classes 0 to 4, so there is no class 5"):
        Session(calibrated(Residual)).gradients(images, 5)


def test_a_stream_gives_gradients_with_masks(folder):
    session, images = Session(calibrated(Residual), batch_size=4), open_images(folder).limit(6)
    layer = session.layers.activations[0]
    masks = {layer: torch.zeros(layer.units)}
    for batch, outputs in session.stream(images, gradients=2, masks=masks):
        assert outputs.gradients.abs().max() == 0
        assert session.gradients(batch.tensor(), 2).abs().max() > 0


def test_a_stream_keeps_the_order_and_skips_unreadable_images(folder):
    (folder / "red" / "00a.png").write_bytes(b"not an image")
    session = Session(unitscope.load(Planted(), preprocess=PHI), batch_size=7)
    images, layer = open_images(folder), session.layers.activations[0]
    rows, responses, errors = [], [], []
    for batch, outputs in session.stream(images, responses=[layer]):
        errors += [images.ids[picture.image] for picture in batch.pictures if picture.error]
        rows += [picture.image for picture in batch.good]
        responses += [] if outputs is None else [outputs.responses]
    assert errors == ["red/00a.png"]
    assert rows == [row for row in range(len(images)) if images.ids[row] != "red/00a.png"]
    alone = [session.run(batch.tensor(), responses=[layer]).responses for batch, _ in session.stream(images)]
    np.testing.assert_allclose(np.concatenate(responses), np.concatenate(alone), rtol=1e-5, atol=1e-6)


def test_a_batch_that_runs_out_of_memory_is_halved_until_it_fits(images):
    session = Session(unitscope.load(ShortOfMemory(1).eval(), preprocess=PHI), batch_size=5)
    layers = session.layers.activations
    SIZES.clear()
    found = session.run(images, responses=layers)
    assert SIZES == [5, 2, 1, 1, 1, 1, 1]
    assert session.batch_size == session.images_at_once(5) == 1
    with torch.no_grad():
        module, x = session.network.module, session.network.preprocessing.normalize(images)
        expected = module.relu(module.conv(x)).mean((2, 3))
    np.testing.assert_allclose(found.responses, expected, rtol=1e-5, atol=1e-6)


def test_an_image_that_does_not_fit_alone_is_an_error(images):
    session = Session(unitscope.load(ShortOfMemory(0).eval(), preprocess=PHI))
    with pytest.raises(UnitscopeError, match="out of memory with a single image"):
        session.run(images, responses=session.layers.activations)


def test_a_session_on_another_device_is_an_error_that_names_both(folder):
    session = Session(unitscope.load(Planted(), preprocess=PHI))
    assert Session.of(session, device="cpu") is session
    elsewhere = Session(unitscope.load(Planted().to("meta"), preprocess=PHI), device="cpu")
    assert Session.of(elsewhere, device="cpu") is elsewhere
    with pytest.raises(UnitscopeError, match=r"the session runs on 'cpu', not on 'meta'; use .*device='meta'"):
        unitscope.ablate(
            session,
            folder,
            unitscope.AblationGrid(["relu"], counts=[1]),
            options=unitscope.RunOptions(device="meta"),
        )


def test_the_network_is_unchanged(images):
    network = calibrated(Branching)
    network.module.train()
    session = Session(network)
    with torch.autocast("cpu", torch.bfloat16):
        found = session.run(images, responses=session.layers.activations)
    assert network.module.training
    assert not network.module.relu._forward_hooks
    exact = Session(calibrated(Branching))
    np.testing.assert_array_equal(found.responses, exact.run(images, responses=exact.layers.activations).responses)


def test_threads_get_the_same_numbers_as_one(images):
    session, together = Session(calibrated(Residual)), {}

    def ask(number):
        together[number] = session.run(images[number : number + 1], responses=session.layers.activations).responses

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(5)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    for number, found in together.items():
        alone = session.run(images[number : number + 1], responses=session.layers.activations).responses
        np.testing.assert_array_equal(found, alone)


def test_a_network_whose_weights_change_gives_new_results(images):
    session = Session(calibrated(Residual))
    before = session.run(images).logits
    with torch.no_grad():
        session.network.module.first.weight.mul_(3)
    expected, _ = by_hooks(session, images)
    assert not np.allclose(before, expected, atol=1e-3)
    np.testing.assert_allclose(session.run(images).logits, expected, rtol=1e-4, atol=1e-5)


def test_a_network_whose_weights_are_replaced_gives_new_results(images):
    session, other = Session(calibrated(Residual)), calibrated(Residual).module
    before, slope = session.run(images).logits, session.gradients(images, 1)
    with torch.no_grad():
        other.first.weight.mul_(3)
    session.network.module.load_state_dict(other.state_dict(), assign=True)
    expected, _ = by_hooks(session, images)
    assert not np.allclose(before, expected, atol=1e-3)
    np.testing.assert_allclose(session.run(images).logits, expected, rtol=1e-4, atol=1e-5)
    run = session.executor(session.layers.activations, engine="eager", precision="float32", batch_size=len(images))
    np.testing.assert_allclose(run(images)[0], expected, rtol=1e-4, atol=1e-5)
    session.network.module.head = nn.Linear(session.network.module.head.in_features, 2)
    assert session.gradients(images, 1).ne(slope).any()
    assert session.run(images).logits.shape == (len(images), 2)
    session.network.module.head = nn.Linear(session.network.module.head.in_features, 3)
    with torch.no_grad():
        x = session.network.preprocessing.normalize(images)
        assert session.differentiable(responses=session.layers.activations)(x)[0].shape == (len(images), 3)


def test_layers_can_be_named(images):
    session = Session(calibrated(Residual))
    layer = session.layers.find("act:2")
    found, named = session.run(images, responses=[layer]), session.run(images, responses=["act:2"], maps=["relu_1"])
    np.testing.assert_array_equal(found.responses, named.responses)
    assert named.maps[0].shape[1:] == layer.shape


def test_a_gradient_that_does_not_depend_on_the_image_is_zero(images):
    module = Residual().eval()
    torch.nn.init.zeros_(module.head.weight)
    found = Session(unitscope.load(module, preprocess=PHI)).gradients(images, np.int64(1))
    assert found.shape == (5, 3, 16, 16)
    assert found.abs().max() == 0


def test_gradients_work_inside_inference_mode(images):
    session = Session(calibrated(Residual))
    expected = session.gradients(images, 2)
    session.run(images)
    with torch.inference_mode():
        torch.testing.assert_close(session.gradients(images, 2), expected)


@pytest.mark.parametrize("shape", [(0, 3, 16, 16), (3, 16, 16)])
def test_images_of_another_shape_are_an_error(shape):
    with pytest.raises(UnitscopeError, match="prepared images have the shape"):
        Session(calibrated(Residual)).run(torch.zeros(shape, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("how", "message"),
    [({"batch_size": 0}, "batch_size must be at least 1"), ({"precision": "fp64"}, "no precision 'fp64'")],
)
def test_invalid_session_options_are_an_error(how, message):
    with pytest.raises(UnitscopeError, match=message):
        Session(calibrated(Residual), **how)


def test_responses_can_be_read_in_bf16(images):
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this processor has no bf16")
    session = Session(calibrated(Residual), precision="bf16")
    assert session.run(images, responses=["head"]).responses.dtype == np.float32
    assert session.executor([session.layers.find("head")], batch_size=5)(images)[1].dtype == np.float32


def test_sessions_of_several_threads_do_not_wait_for_each_other(images):
    sessions, done = [Session(calibrated(Residual)) for _ in range(4)], []

    def ask(session, first):
        for step in (first, 1 - first):
            done.append(session.run(images).logits if step else len(session.layers))

    pairs = [(session, first) for session in sessions for first in (0, 1)]
    threads = [threading.Thread(target=ask, args=pair, daemon=True) for pair in pairs]
    [thread.start() for thread in threads]
    [thread.join(120) for thread in threads]
    assert len(done) == 2 * len(pairs)


def test_an_export_failure_is_reported_only_in_fallback_reason(capfd):
    assert "can't be exported" in Session(calibrated(Branching)).trace.fallback_reason
    assert capfd.readouterr() == ("", "")


def test_silencing_a_thread_keeps_the_logs_stderr_and_warnings_of_others(caplog, capsys):
    entered, leave = threading.Event(), threading.Event()

    def hold():
        with silenced():
            logging.getLogger("noisy").error("from the silent thread")
            warnings.warn("from the silent thread", UserWarning, stacklevel=1)
            sys.stderr.write("from the silent thread")
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert entered.wait(10)
    try:
        logging.getLogger("noisy").error("from another thread")
        sys.stderr.write("atlas at http://127.0.0.1\n")
        with pytest.warns(UserWarning, match="from another thread"):
            warnings.warn("from another thread", UserWarning, stacklevel=1)
    finally:
        leave.set()
        thread.join()
    assert [record.message for record in caplog.records] == ["from another thread"]
    assert capsys.readouterr().err == "atlas at http://127.0.0.1\n"
    logging.getLogger("noisy").error("afterwards")
    assert caplog.records[-1].message == "afterwards"
