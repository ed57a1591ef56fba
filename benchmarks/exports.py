"""Time to export a network as a functional graph: our rewriting, against PyTorch's `run_decompositions`.

In: torchvision's networks. Out: a table, and ``RESULTS.md`` if asked for. Both ways run in turns in one process, so
that what else the machine does disturbs both alike.
"""

import time
from statistics import median

from benchmarks.common import machine, parser, write_section

NETWORKS = ("resnet18", "resnet50", "vgg16", "densenet121", "efficientnet_b0", "mobilenet_v3_large", "squeezenet1_1")


def main() -> None:
    """Export each network in both ways, over several rounds, and print the medians."""
    arguments = parser("exports", __doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    given = arguments.parse_args()
    lines = [
        machine(),
        "",
        f"Seconds from a module to its functional graph, medians of {given.rounds} turns each.",
        "",
        "| network | `run_decompositions`, s | rewritten, s | ratio |",
        "|---|---:|---:|---:|",
        *(_row(name, given.rounds) for name in NETWORKS),
    ]
    print("\n".join(lines))
    if given.write:
        write_section("Exports", "\n".join(lines))


def _row(name: str, rounds: int) -> str:
    import torch
    import torchvision

    from unitscope.graph.exporting import exporting
    from unitscope.graph.functionalize import functional
    from unitscope.graph.silence import silenced

    module = torchvision.models.get_model(name).eval()
    example = torch.zeros(2, 3, 224, 224)

    def seconds(*, rewritten: bool) -> float:
        started = time.perf_counter()
        with exporting(), silenced(), torch.no_grad():
            dynamic = ({0: torch.export.Dim("batch", max=1024)},)
            program = torch.export.export(module, (example,), dynamic_shapes=dynamic, strict=False)
            if rewritten:
                functional(program)
            else:
                program.run_decompositions({}).module()
        return time.perf_counter() - started

    seconds(rewritten=False), seconds(rewritten=True)  # fill PyTorch's caches
    turns = [(seconds(rewritten=False), seconds(rewritten=True)) for _ in range(rounds)]
    decomposed, ours = (median(column) for column in zip(*turns, strict=True))
    ratio = median(one / other for one, other in turns)
    return f"| {name} | {decomposed:.2f} | {ours:.2f} | {ratio:.1f} |"


if __name__ == "__main__":
    main()
