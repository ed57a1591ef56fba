import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import unitscope
from unitscope.engine import IMAGES_WORTH_COMPILING, choose_engine, choose_precision, make_executor, optimize_for_eager
from unitscope.engine.batch_sizes import largest_batch_size
from unitscope.errors import UnitscopeError
from unitscope.graph import trace
from unitscope.graph.split import split_at

COMPILER = any(shutil.which(name) for name in ("g++", "clang++", "c++"))
HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage").is_dir()
PHI = {"size": [16, 16], "mean": [127.5, 127.5, 127.5], "std": [127.5, 127.5, 127.5]}


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        x = self.conv(x)
        return (x if x.mean() > 0 else -x).mean((2, 3))


def small():
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 12, 3, stride=2),
        nn.BatchNorm2d(12),
        nn.SiLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(12, 5),
    )
    module(torch.randn(8, 3, 16, 16))
    return module.eval()


@pytest.fixture
def network():
    return unitscope.load(small(), preprocess=PHI)


@pytest.fixture
def traced(network):
    return trace(network.module, network.preprocessing.size, name="small")


@pytest.fixture
def batch():
    return torch.randint(0, 256, (6, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def hooked():
    return trace(Branching().eval(), (16, 16), name="branching")


def off(given, wanted):
    return np.max(np.abs(given - wanted).max(0) / np.abs(wanted).max(0))


def test_the_eager_runner_equals_the_module(network, traced, batch):
    run = make_executor(network, traced, traced.layers.activations, engine="eager", batch_size=6)
    logits, responses = run(batch)
    with torch.no_grad():
        x = (batch.float() - 127.5) / 127.5
        wanted = torch.cat([network.module[:3](x).mean((2, 3)), network.module[:6](x).mean((2, 3))], 1)
        np.testing.assert_allclose(logits, network.module(x).numpy(), rtol=1e-4, atol=1e-5)
    assert responses.dtype == np.float32
    assert responses.shape == (6, 20)
    assert off(responses, wanted.numpy()) < 1e-5


def test_a_partial_batch_equals_the_full_batch(network, traced, batch):
    run = make_executor(network, traced, traced.layers.activations, engine="eager", batch_size=6)
    logits, responses = run(batch)
    for count in (1, 4):
        some_logits, some = run(batch[:count])
        assert some.shape == (count, 20)
        np.testing.assert_allclose(some, responses[:count], rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(some_logits, logits[:count], rtol=1e-6, atol=1e-7)


def test_the_runner_leaves_the_network_as_found(network, traced, batch):
    before = {name: value.clone() for name, value in network.module.state_dict().items()}
    make_executor(network, traced, traced.layers.activations, engine="eager", batch_size=6)(batch)
    for name, value in network.module.state_dict().items():
        assert torch.equal(value, before[name])
        assert value.is_contiguous()


@pytest.mark.skipif(not COMPILER, reason="compiling needs a C++ compiler, and this machine has none")
@pytest.mark.filterwarnings("ignore")  # PyTorch's compiler warns of its own affairs
def test_both_engines_agree(network, traced, batch):
    answers = [
        make_executor(network, traced, traced.layers.activations, engine=engine, batch_size=6)(batch[:5])
        for engine in ("eager", "compile")
    ]
    (eager_logits, eager), (compiled_logits, compiled) = answers
    assert eager.std() > 1e-2
    assert off(compiled, eager) < 1e-4
    assert off(compiled_logits, eager_logits) < 1e-4


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("engine", ["eager", "compile"])
def test_nan_weights_give_nan_results(network, traced, batch, engine):
    with torch.no_grad():
        network.module[0].weight[3] = torch.nan
    layers = traced.layers.activations
    if engine == "compile" and not COMPILER:
        pytest.skip("compiling needs a C++ compiler, and this machine has none")
    logits, responses = make_executor(network, traced, layers, engine=engine, batch_size=6)(batch)
    assert np.isnan(responses[:, 3]).all()
    assert np.isnan(responses[:, 8:]).all()
    assert np.isnan(logits).all()
    assert not np.isnan(responses[:, :3]).any()


def test_openvino_refuses_nan_weights(network, traced):
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    with torch.no_grad():
        network.module[0].weight[3] = torch.nan
    with pytest.raises(UnitscopeError, match=r"weights of this network are NaN or infinite.*--engine eager"):
        make_executor(network, traced, traced.layers.activations, engine="openvino", batch_size=6)


@pytest.mark.skipif(not COMPILER, reason="compiling needs a C++ compiler, and this machine has none")
@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="convolutions are fused by oneDNN only")
@pytest.mark.filterwarnings("ignore")
def test_compiled_convolutions_are_fused_with_the_following_ops(network, traced, batch):
    from torch._inductor.utils import run_and_get_code

    layers = traced.layers.activations
    compiled = make_executor(network, traced, layers, engine="compile", batch_size=6)
    _, (code, *_) = run_and_get_code(compiled, batch)
    assert "_convolution_pointwise" in code
    assert "extern_kernels.convolution" not in code


class Residual(nn.Module):
    """Two blocks whose inputs are tapped, convolved and added to their outputs."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.first, self.second = (nn.Conv2d(16, 16, 3, padding=1) for _ in range(2))
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        x = self.stem(x).relu()
        for convolution in (self.first, self.second):
            x = (convolution(convolution(x).relu()) + x).relu()
        return self.head(x.mean((2, 3)))


@pytest.mark.skipif(not COMPILER, reason="compiling needs a C++ compiler, and this machine has none")
@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="convolutions are fused by oneDNN only")
@pytest.mark.filterwarnings("ignore")
def test_compiled_blocks_are_added_in_place_after_their_means_are_read(batch):
    from torch._inductor.utils import run_and_get_code

    network = unitscope.load(Residual().eval(), preprocess=PHI)
    traced = trace(network.module, network.preprocessing.size, name="residual")
    layers = traced.layers.activations
    (_, compiled), (code, *_) = run_and_get_code(
        make_executor(network, traced, layers, engine="compile", batch_size=6), batch
    )
    _, eager = make_executor(network, traced, layers, engine="eager", batch_size=6)(batch)
    assert code.count("_convolution_pointwise_.binary(") == 2
    assert eager.std() > 1e-2
    assert off(compiled, eager) < 1e-5


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="convolutions are fused by oneDNN only")
@pytest.mark.parametrize(("precision", "wanted"), [("float32", 5), ("bf16", 0)])
def test_eager_convolutions_are_fused_in_float32(batch, precision, wanted):
    if precision == "bf16" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this processor has no bf16")
    network = unitscope.load(Residual().eval(), preprocess=PHI)
    traced = trace(network.module, network.preprocessing.size, name="residual")
    run = make_executor(network, traced, traced.layers.activations, engine="eager", batch_size=6, precision=precision)
    run(batch)
    with torch.profiler.profile() as profile:
        _, responses = run(batch)
    calls = {event.key: event.count for event in profile.key_averages()}
    fused = sum(count for name, count in calls.items() if name.startswith("mkldnn::_convolution_pointwise"))
    assert fused == wanted
    assert ("aten::conv2d" in calls) == (wanted == 0)
    with torch.no_grad():
        x = (batch.float() - 127.5) / 127.5
        first = network.module.stem(x).relu().mean((2, 3)).numpy()
    assert off(responses[:, :16], first) < (1e-5 if precision == "float32" else 3e-2)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="convolutions are fused by oneDNN only")
def test_eager_optimization_of_split_graphs_keeps_the_values_between_them(batch):
    module = Residual().eval()
    traced = trace(module, (16, 16), name="residual")
    layer = traced.layers.activations[1]  # what it is added to crosses the cut too
    plain = split_at(traced, layer)
    before, after = (optimize_for_eager(half, torch.device("cpu")) for half in (plain.before, plain.after))
    fast = replace(plain, before=before, after=after)
    plain = split_at(traced, layer)
    nothing, removed = torch.zeros(2, 1, 1, 16, dtype=torch.bool)
    removed[:, :, 3] = True
    with torch.inference_mode():
        x = (batch.float() - 127.5) / 127.5
        halfway, wanted = fast.prefix(x), plain.prefix(x)
        kept = [value.clone() for value in halfway.live]
        for gone in (removed, nothing, removed):  # one variant, so that the suffix is given what is kept, no copies
            logits = fast.suffix(halfway.live, gone, torch.zeros(16))
            torch.testing.assert_close(logits, plain.suffix(wanted.live, gone, torch.zeros(16)))
        torch.testing.assert_close(fast.suffix(halfway.live, nothing, torch.zeros(16))[0], module(x))
        assert not torch.equal(logits[0], module(x))
    assert all(torch.equal(value, before) for value, before in zip(halfway.live, kept, strict=True))
    assert any("_convolution_pointwise_.binary" in str(node.target) for node in after.graph.nodes)
    assert len(halfway.live) == 2


class AddsItself(Residual):
    """Blocks that add a convolution's input to its output; another convolution reads the same input."""

    def forward(self, x):
        x = self.stem(x).relu()
        x = (self.first(x) + x).relu()
        x = self.second(self.first(x).relu()) + x + self.second(x)
        return self.head(x.relu().mean((2, 3)))


@pytest.mark.skipif(not COMPILER, reason="compiling needs a C++ compiler, and this machine has none")
@pytest.mark.filterwarnings("ignore")
def test_compiled_in_place_sums_overwrite_no_value_still_in_use(batch):
    network = unitscope.load(AddsItself().eval(), preprocess=PHI)
    traced = trace(network.module, network.preprocessing.size, name="adds-itself")
    (_, compiled), (_, eager) = (
        make_executor(network, traced, traced.layers.match(("*",)), engine=engine, batch_size=6)(batch)
        for engine in ("compile", "eager")
    )
    assert eager.std() > 1e-2
    assert off(compiled, eager) < 1e-4


def test_an_unknown_engine_is_an_error_that_lists_the_known_ones(traced):
    with pytest.raises(UnitscopeError, match="no engine 'fast'; choose one of auto, eager, compile"):
        choose_engine("fast", images=1, trace=traced)


def test_a_network_traced_with_hooks_cannot_be_compiled(hooked):
    with pytest.raises(UnitscopeError, match=r"nothing to compile: branching can't be exported.*--engine eager"):
        choose_engine("compile", images=1, trace=hooked)


def test_compiling_without_a_compiler_is_an_error(traced, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnitscopeError, match=r"needs a C\+\+ compiler"):
        choose_engine("compile", images=1, trace=traced)
    assert choose_engine("auto", images=IMAGES_WORTH_COMPILING["cpu"], trace=traced) == "eager"


def test_auto_compiles_only_long_runs_of_exported_networks(traced, hooked):
    for device, images in IMAGES_WORTH_COMPILING.items():
        assert choose_engine("auto", images=images - 1, trace=traced, device=device) == "eager"
        assert choose_engine("auto", images=images, trace=hooked, device=device) == "eager"
        found = choose_engine("auto", images=images, trace=traced, device=f"{device}:0")
        assert found == ("compile" if COMPILER else "eager")
    assert choose_engine("eager", images=10**6, trace=traced) == "eager"


def photograph_batch():
    """A smooth picture like a photograph; with noise most units of a random network would be equal."""
    random = np.random.default_rng(0)
    blocks = random.integers(0, 256, (4, 3, 7, 7), np.uint8)
    return torch.from_numpy(np.kron(blocks, np.ones((32, 32), np.uint8)))


@pytest.mark.parametrize("name", ["squeezenet1_0", "resnet18", "mobilenet_v3_small"])
def test_openvino_equals_eager(name):
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    network = unitscope.load(f"torchvision:{name}", weights="none")
    traced = trace(network.module, network.preprocessing.size, name=name)
    batch, layers = photograph_batch(), traced.layers.activations
    expected = make_executor(network, traced, layers, engine="eager", batch_size=4)(batch)
    found = make_executor(network, traced, layers, engine="openvino", batch_size=4)(batch)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-5 * np.abs(expected[1]).max())
    np.testing.assert_allclose(found[0], expected[0], atol=1e-4 * np.abs(expected[0]).max())


def test_openvino_takes_networks_without_logits_and_custom_preprocessing():
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    torch.manual_seed(1)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()

    def phi(image):
        return torch.from_numpy(np.array(image.resize((16, 16)))).permute(2, 0, 1).float() / 255

    network = unitscope.load(module, preprocess=phi)
    traced = trace(module, network.preprocessing.size, name="small")
    batch = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    logits, responses = make_executor(network, traced, traced.layers.activations, engine="openvino", batch_size=4)(
        batch
    )
    assert logits is None
    with torch.no_grad():
        np.testing.assert_allclose(responses, module(batch).mean((2, 3)).numpy(), atol=1e-5)


@pytest.mark.parametrize("engine", ["eager", "compile"])
def test_bf16_is_close_to_float32_but_not_equal(network, traced, batch, engine):
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this processor has no bf16")
    if engine == "compile" and not COMPILER:
        pytest.skip("no C++ compiler")
    layers = traced.layers.activations
    exact = make_executor(network, traced, layers, engine="eager", batch_size=6)(batch)
    coarse = make_executor(network, traced, layers, engine=engine, batch_size=6, precision="bf16")(batch)
    assert coarse[0].dtype == coarse[1].dtype == np.float32
    assert 0 < off(coarse[1], exact[1]) < 3e-2
    assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize(
    ("requested", "printed"),
    [
        ({"precision": "fp8"}, "no precision 'fp8'; choose one of float32, tf32, bf16"),
        ({"precision": "tf32"}, "tf32 is for NVIDIA GPUs, not for 'cpu'"),
        ({"precision": "bf16", "engine": "openvino"}, "openvino runs in float32 only"),
    ],
)
def test_unavailable_precisions_are_refused(requested, printed):
    with pytest.raises(UnitscopeError, match=printed):
        choose_precision(**{"engine": "eager", **requested})


def test_openvino_is_for_the_cpu(traced):
    with pytest.raises(UnitscopeError, match="openvino runs on the CPU only, not on 'cuda'"):
        choose_engine("openvino", images=5, trace=traced, device="cuda")


@pytest.mark.parametrize(
    ("free", "image", "count"),
    [(10**9, 10**6, 256), (10**9, 10**7, 32), (10**9, 10**9, 1), (6 * 2**30, 60 * 2**20, 32)],
)
def test_batches_fill_60_percent_of_the_free_memory(free, image, count):
    assert largest_batch_size(free, image) == count
    assert count == 1 or count * image <= 0.6 * free


@pytest.mark.skipif(not COMPILER, reason="compiling needs a C++ compiler, and this machine has none")
@pytest.mark.filterwarnings("ignore")
def test_more_networks_can_be_compiled_than_pytorchs_limit_for_one_function(network, traced, batch):
    torch.compiler.reset()
    layers = traced.layers.activations
    with torch._dynamo.config.patch(recompile_limit=2):  # its default is 8
        answers = [make_executor(network, traced, layers, engine="compile", batch_size=6)(batch)[1] for _ in range(3)]
    for answer in answers[1:]:
        np.testing.assert_array_equal(answer, answers[0])


@pytest.mark.skipif(not COMPILER, reason="compiling needs a C++ compiler, and this machine has none")
@pytest.mark.filterwarnings("ignore")
def test_a_short_last_batch_is_not_recompiled(network, traced, batch, monkeypatch):
    monkeypatch.setattr("unitscope.engine.inductor._MAX_COMPILED", 1)
    torch.compiler.reset()
    run = make_executor(network, traced, traced.layers.activations, engine="compile", batch_size=6)
    np.testing.assert_array_equal(run(batch)[1][:5], run(batch[:5])[1])


@pytest.mark.skipif(not COMPILER, reason="compiling needs a C++ compiler, and this machine has none")
@pytest.mark.filterwarnings("ignore")
def test_exceeding_the_compile_limit_is_an_error(network, traced, batch, monkeypatch):
    monkeypatch.setattr("unitscope.engine.inductor._MAX_COMPILED", 1)
    first, second = (
        make_executor(network, traced, traced.layers.activations, engine="compile", batch_size=6) for _ in range(2)
    )
    torch.compiler.reset()  # forget what other tests compiled
    first(batch)
    with pytest.raises(UnitscopeError, match="has already compiled 1 networks, the maximum"):
        second(batch)


class Bessel(nn.Module):
    """A module with an op that OpenVINO does not support."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 4, 3), nn.ReLU()

    def forward(self, x):
        return torch.special.bessel_j0(self.relu(self.conv(x))).mean((2, 3))


def test_an_op_unsupported_by_openvino_is_reported():
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    network = unitscope.load(Bessel().eval(), preprocess=PHI)
    traced = trace(network.module, network.preprocessing.size, name="bessel")
    with pytest.raises(UnitscopeError, match=r"^OpenVINO can't compile this network \(.*\); use --engine eager"):
        make_executor(network, traced, traced.layers.activations, engine="openvino", batch_size=2)


@pytest.mark.filterwarnings("ignore")
def test_a_broken_compiler_is_reported(network, traced, batch, tmp_path):
    from torch._inductor import config
    from torch._inductor.utils import fresh_cache

    broken = tmp_path / "g++"
    broken.write_text("#!/bin/sh\nexit 1\n", "utf-8")
    broken.chmod(0o755)
    torch.compiler.reset()
    with config.patch({"cpp.cxx": (None, str(broken))}), fresh_cache():
        compiled = make_executor(network, traced, traced.layers.activations, engine="compile", batch_size=6)
        with pytest.raises(UnitscopeError, match=r"^torch.compile can't compile this network .*; use --engine eager"):
            compiled(batch)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator is told only on Linux")
@pytest.mark.parametrize("keeps", [True, False])
def test_memory_freed_by_a_batch_is_kept_for_the_next(keeps):
    code = """
import resource, sys, torch
from unitscope.engine import tune_allocator
if sys.argv[1] == "True":
    tune_allocator()
page_faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):  # until the heap has grown, new pages come with some of them
    torch.ones(16_000_000)
before = page_faults()
for _ in range(3):
    torch.ones(16_000_000)
print(page_faults() - before)
"""
    done = subprocess.run([sys.executable, "-c", code, str(keeps)], capture_output=True, text=True, check=True)
    assert (int(done.stdout) < 50) == keeps  # a fault is a page of 4 KiB, or of 2 MiB where the system lends huge ones


@pytest.mark.skipif(not HUGE_PAGES, reason="this system has no huge pages")
def test_the_heap_uses_huge_pages_unless_memory_is_limited():
    code = """
import resource, sys
from unitscope.engine import tune_allocator
if len(sys.argv) > 1:
    resource.setrlimit(resource.RLIMIT_DATA, (1 << 40, resource.RLIM_INFINITY))
tune_allocator()
areas = open("/proc/self/smaps").read().split("[heap]")[1:]
print(any(" hg" in area.partition("VmFlags:")[2].partition("\\n")[0] for area in areas))
"""
    for counted, marked in (([], "True"), (["counted"], "False")):
        done = subprocess.run([sys.executable, "-c", code, *counted], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == marked
