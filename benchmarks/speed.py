"""Milliseconds per image of plain forward passes, other tools and whole scans from files, each in its own process.

In: torchvision networks with random weights, real JPEG files. Out: a table, and with ``--write`` a section of
RESULTS.md. Tools (`benchmarks.peers`) that are not installed are skipped with a note.

The cases of a group (as many as fit into memory) run in turns of a few batches, over several rounds, and are compared
within each round. Each case is paused between its turns and has run its first batches before. So each timed batch
includes the decoding of one batch, and each turn of a scan the summary and the part of one shard.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks import peers
from benchmarks.common import THREADS, Silent, files, machine, parser, photographs, write_section
from benchmarks.turns import Case, started, tell

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from torch import Tensor

    from unitscope import Network
    from unitscope.scanning import Progress
    from unitscope.scanning.plan import Plan
    from unitscope.scanning.shard_worker import ShardResult

BATCH = 16
TURN = 8  # batches
SHARD = TURN * BATCH
WARM_UP = 3  # batches
FEW = 1  # rounds, where a case is slow
CASES = {
    "eager": "bare eager forward of prepared tensors, as users run it",
    "compiled": "bare forward, torch.compile with freezing, channels_last, memory kept",
    "tapped": "the same with the means of all activations, from uint8 tensors",
    "scan-eager": "unitscope scan from JPEG files, engine eager",
    "scan-compile": "the same, engine compile",
    "scan-openvino": "the same, engine openvino",
    "scan-bf16": "the same, engine compile, precision bf16",
    **peers.CASES,
}
GROUPS = (
    ("eager", "compiled", "tapped", "scan-eager", "scan-compile", "scan-openvino"),
    ("eager", "scan-compile", "scan-bf16", "loop", "hooks", "semanticlens"),
    ("eager", "scan-compile", "zennit-crp"),
)
RATIOS = (  # with the target for each network
    ("tapped", "compiled", {"resnet50": 1.05, "vgg16": 1.05}),
    ("scan-compile", "compiled", {"resnet50": 1.15}),
    ("scan-compile", "eager", {"resnet50": 0.55, "vgg16": 0.78}),
    ("scan-eager", "eager", {"resnet50": 0.65}),
    ("scan-openvino", "eager", {}),
    ("scan-openvino", "compiled", {}),
    ("scan-compile", "loop", {}),
    ("semanticlens", "scan-compile", {}),
    ("zennit-crp", "scan-compile", {}),
)
Rounds = list[dict[str, dict[str, float]]]  # each round's cases: wall, cpu (ms an image)
Group = tuple[Rounds, dict[str, dict[str, float]]]  # and further values of each case


def main() -> None:
    """Run all groups of cases and print medians and ratios."""
    arguments = parser("speed", __doc__)
    arguments.add_argument("--networks", nargs="+", default=["resnet50", "vgg16"], help="of torchvision")
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    given = arguments.parse_args()
    if given.case:
        _run_case(**given.case)
        return
    missing = {case: reason for case in given.cases if (reason := peers.missing(case))}
    cases = [case for case in given.cases if case not in missing]
    for case in CASES:
        if case not in cases:
            missing.setdefault(case, "not selected")
    for network in given.networks:
        groups = [_measure(network, group, given.rounds) for group in _groups(cases)]
        text = _table(network, groups) + "".join(f"\n\nNot run: `{case}` ({missing[case]})." for case in missing)
        if given.write:  # a table of some cases never replaces that of all cases
            some = "" if given.cases == list(CASES) else f", {' '.join(given.cases)}"
            write_section(f"Speed: {network}{some}", text)
        print(f"\n{network}\n\n{text}")


def _groups(wanted: list[str]) -> list[list[str]]:
    """Return the groups that contain a wanted case which no earlier group has."""
    groups: list[list[str]] = []
    for group in GROUPS:
        cases = [case for case in group if case in wanted]
        if set(cases) - {case for earlier in groups for case in earlier}:
            groups.append(cases)
    return groups


def _measure(network: str, cases: list[str], rounds: int) -> Group:
    rounds = min(rounds, FEW) if set(cases) & set(peers.SLOW) else rounds
    times: Rounds = []
    images = (WARM_UP + rounds * (TURN + 2) + peers.AHEAD) * BATCH
    with tempfile.TemporaryDirectory() as temporary:
        common = {"network": network, "images": images, "folder": str(photographs(Path(temporary)))}
        given = {case: {"case": case, **common} for case in cases}
        with started("benchmarks.speed", given, warm_up=WARM_UP) as running:
            for number in range(rounds):
                times.append({case: each.turn(TURN, BATCH) for case, each in running.items()})
                text = "  ".join(f"{case} {found['wall']:.1f}" for case, found in times[-1].items())
                print(f"{network} round {number + 1}  {text}", flush=True)
            return times, {case: _besides(each) for case, each in running.items()}


def _besides(case: Case) -> dict[str, float]:
    """Return further values of a case: its peak memory in MiB, and the time that it waited for data in ms per image."""
    # A wait of over a second includes time in which the case was paused.
    waits = [wait for wait in case.others if wait.get("data_wait", 1) < 1]
    images = sum(wait["images"] for wait in waits)
    return {"mib": case.peak_mib()} | (
        {"data_wait": 1000 * sum(wait["data_wait"] for wait in waits) / images} if waits else {}
    )


def _table(network: str, groups: list[Group]) -> str:
    lines = [
        machine(),
        "",
        f"Random weights, batches of {BATCH}, scans in shards of {SHARD}. Cases ran in turns of {TURN} batches, in "
        f"{' and '.join(str(len(rounds)) for rounds, _ in groups)} rounds; times are medians, and ratios are medians "
        "of the ratios in each round. CPU time, summed over threads, is less affected by other processes"
        + (f"; OMP_WAIT_POLICY={policy}." if (policy := os.environ.get("OMP_WAIT_POLICY")) else "."),
        "",
        "| case | what | ms an image | least–greatest | of `eager` | ms of processors | of `eager` | MiB | waiting |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    seen: set[str] = set()
    for rounds, besides in groups:
        for case in rounds[0]:
            if case not in seen:
                seen.add(case)
                lines.append(_row(case, rounds, besides[case]))
    lines += ["", "| ratio | on the clock | of processors' time | aim |", "|---|---:|---:|---:|"]
    for above, below, aims in RATIOS:
        for rounds, _ in groups:
            if above in rounds[0] and below in rounds[0]:
                wanted = f"≤ {aims[network]:.2f}" if network in aims else ""
                wall, cpu = (_ratio(rounds, above, below, key) for key in ("wall", "cpu"))
                lines.append(f"| `{above}` / `{below}` | {wall:.2f} | {cpu:.2f} | {wanted} |")
                break
    return "\n".join(lines)


def _row(case: str, rounds: Rounds, besides: dict[str, float]) -> str:
    wall = [each[case]["wall"] for each in rounds]
    of_eager = [f"{_ratio(rounds, case, 'eager', key):.2f}" if "eager" in rounds[0] else "" for key in ("wall", "cpu")]
    waiting = f"{100 * besides['data_wait'] / median(wall):.1f} %" if "data_wait" in besides else ""
    return (
        f"| `{case}` | {CASES[case]} | {median(wall):.1f} | {min(wall):.1f}–{max(wall):.1f} | {of_eager[0]} "
        f"| {median(each[case]['cpu'] for each in rounds):.1f} | {of_eager[1]} | {besides['mib']:,.0f} | {waiting} |"
    )


def _ratio(rounds: Rounds, above: str, below: str, key: str) -> float:
    return median(each[above][key] / each[below][key] for each in rounds)


def _run_case(case: str, network: str, images: int, folder: str) -> None:
    """Run one case in this process, for a number of images or until it is killed."""
    import torch

    from unitscope import load

    torch.set_num_threads(THREADS)
    loaded = load(f"torchvision:{network}", weights="none")
    sources = files(Path(folder))
    if case in peers.CASES:
        peers.run(case, loaded, sources, images=images, batch=BATCH)
    elif case.startswith("scan-"):
        _scan(loaded, sources, images, case.removeprefix("scan-"))
    else:
        _bare(case, loaded, sources)


def _bare(case: str, loaded: "Network", sources: list[Path]) -> None:
    import torch

    prepared = _prepared(loaded, sources)
    run = {"eager": _eager, "compiled": _compiled, "tapped": _tapped}[case](loaded, prepared)
    with torch.inference_mode():
        while True:
            run()
            tell()


def _prepared(network: "Network", sources: list[Path]) -> "Tensor":
    import torch

    from unitscope.images import decode

    return torch.stack([network.preprocessing.prepare(decode(path)) for path in sources[:BATCH]])


def _eager(network: "Network", prepared: "Tensor") -> Callable[[], Any]:
    x = network.preprocessing.normalize(prepared)
    return lambda: network.module(x)


def _compiled(network: "Network", prepared: "Tensor") -> Callable[[], Any]:
    import torch

    from unitscope.engine import tune_allocator

    tune_allocator()
    x = network.preprocessing.normalize(prepared).contiguous(memory_format=torch.channels_last)
    module = network.module.to(memory_format=torch.channels_last)
    torch._inductor.config.freezing = (
        True  # for the whole process, since as an option of torch.compile it does not freeze the weights
    )
    compiled = torch.compile(module, dynamic=False, fullgraph=True)
    return lambda: compiled(x)


def _tapped(network: "Network", prepared: "Tensor") -> Callable[[], Any]:
    from unitscope.engine import make_executor, tune_allocator
    from unitscope.graph import trace

    tune_allocator()
    traced = trace(network.module, network.preprocessing.size, name=network.reference)
    run = make_executor(network, traced, traced.layers.activations, engine="compile", batch_size=BATCH)
    return lambda: run(prepared)


def _scan(network: "Network", sources: list[Path], images: int, how: str) -> None:
    from unitscope.scanning import ScanOptions, scan

    chosen = {"engine": "compile", "precision": "bf16"} if how == "bf16" else {"engine": how}
    temporary = Path(tempfile.mkdtemp())  # this process is killed
    folder = peers.copies(sources, temporary / "images", images)
    options = ScanOptions(batch_size=BATCH, shard_size=SHARD, **chosen)
    scan(network, folder, temporary / "atlas", options=options, runner=_Telling(), progress=_EachBatch())


class _Telling:
    """Runs all shards in this process, and reports how long each waited for images."""

    def run(self, plan: "Plan", shards: "Sequence[int]", progress: "Progress") -> "Generator[ShardResult, None, None]":
        """See `unitscope.scanning.ScanRunner`."""
        from unitscope.scanning import InProcessRunner

        for done in InProcessRunner().run(plan, shards, progress):
            tell(data_wait=done.data_wait, images=SHARD)
            yield done


class _EachBatch(Silent):
    """Reports each batch."""

    def on_batch(self, images: int) -> None:
        """See `unitscope.scanning.Progress`."""
        tell()


if __name__ == "__main__":
    main()
