"""Exports and runs of graphs in several threads."""

import threading

from unitscope.graph.exporting import exporting, running


def test_threads_that_run_and_then_export_do_not_wait_for_each_other():
    both, order = threading.Barrier(2), []

    def work():
        with running():
            both.wait(30)
            with exporting():
                order.append("export")
            order.append("run")

    threads = [threading.Thread(target=work, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(order) == ["export", "export", "run", "run"]


def test_an_export_waits_for_running_graphs_and_blocks_new_ones():
    entered, leave, order = threading.Event(), threading.Event(), []

    def run():
        with running():
            entered.set()
            leave.wait(30)
            order.append("run")

    def export():
        with exporting():
            order.append("export")

    first, second = threading.Thread(target=run, daemon=True), threading.Thread(target=export, daemon=True)
    first.start()
    assert entered.wait(30)
    second.start()
    second.join(0.2)
    assert order == []
    leave.set()
    second.join(60)
    assert order == ["run", "export"]
