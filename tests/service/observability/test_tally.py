from service.domain import ModelId, Timing
from service.observability.metrics import Metrics
from service.observability.tally import MAX_SIZES, Tally


def test_answers_and_runs_are_added_up() -> None:
    tally = Tally()
    tally.answer(0.5, Timing(queue_s=0.1, run_s=0.2))
    tally.answer(0.5, Timing(queue_s=0.2, run_s=0.2))
    assert (tally.answered.times, tally.answered.total_s) == (2, 1.0)
    assert tally.last_at_unix_s > 1e9
    tally.run(4, 0.25)
    tally.run(4, 0.25)
    tally.run(1, 0.5)
    assert (tally.rows, tally.runs) == (9, 3)
    assert {rows: (count.times, count.total_s) for rows, count in tally.by_rows.items()} == {
        4: (2, 0.5),
        1: (1, 0.5),
    }


def test_callers_cannot_make_it_grow_without_bound() -> None:
    tally = Tally()
    for rows in range(2 * MAX_SIZES):
        tally.run(rows, 0.1)
    assert len(tally.by_rows) == MAX_SIZES
    assert tally.runs == 2 * MAX_SIZES


def test_all_graphs_of_a_version_share_its_tally_and_failed_runs_do_not_count() -> None:
    metrics = Metrics()
    model = ModelId("m", 1)
    metrics.graph(model, "a").ran(2, 0.1, 0.0, "idle", failed=False)
    metrics.graph(model, "b").ran(3, 0.1, 0.0, "idle", failed=False)
    metrics.graph(model, "b").ran(3, 0.1, 0.0, "idle", failed=True)
    assert (metrics.version(model).tally.rows, metrics.version(model).tally.runs) == (5, 2)
