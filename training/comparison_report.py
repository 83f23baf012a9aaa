"""The report of a comparison: Markdown with tables, pictures, and a CSV of every training.

Knows outcomes and files, nothing of how anything was trained.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from training import atomic, epochlog, plots, provenance
from training.job import Expectation
from training.tally import Line, Outcome, by_value, result_rows
from training.variation import in_words

SHOWN = 40
"""How many combinations are drawn; the tables have them all."""


def write(
    directory: Path,
    outcomes: Sequence[Sequence[Outcome]],
    lines: Sequence[Line],
    judged: tuple[Expectation, str],
    arguments: Sequence[str],
) -> Path:
    """Write the report into `directory`, which is replaced, and return its README.

    `lines` are of the outcomes that are runs, best first: at least one. `judged` are the metric that decides and the
    logged value that the curves show; `arguments` of the command line repeat the comparison.
    """
    every = [each for group in outcomes for each in group]
    with atomic.directory(directory) as beside:
        _draw(beside, lines, *judged)
        atomic.write_text(beside / "trainings.csv", _csv(every))
        failed = [each for each in every if each.run is None]
        atomic.write_text(beside / "README.md", _page(lines, failed, judged, arguments))
    return directory / "README.md"


def _draw(directory: Path, lines: Sequence[Line], goal: Expectation, monitor: str) -> None:
    shown = lines[:SHOWN]
    plots.bands(
        {in_words(line.chosen): [_curve(run.log, monitor) for run in line.runs] for line in shown},
        directory / "curves.png", f"{monitor}: mean and deviation over seeds", monitor,
    )  # fmt: skip
    plots.scatter_rows(
        {in_words(line.chosen): [run.metrics[goal.metric] for run in line.runs] for line in shown},
        directory / "scores.png", f"{goal.metric}, held out: each training, and the mean", goal.metric,
    )  # fmt: skip


def _curve(log: Path, monitor: str) -> list[float]:
    return [row[monitor] for row in epochlog.read(log)]


def _page(
    lines: Sequence[Line],
    failed: Sequence[Outcome],
    judged: tuple[Expectation, str],
    arguments: Sequence[str],
) -> str:
    (goal, monitor), first = judged, lines[0].runs[0]
    parts = [
        f"# {first.record.job}: {' by '.join(lines[0].chosen)}",
        f"    {provenance.command(arguments)}",
        _legend(goal),
        _data(lines),
        _table(*result_rows(lines, goal.metric)),
        f"![{monitor} by epoch](curves.png)\n\n![{goal.metric} of every training](scores.png)",
    ]
    if len(lines[0].chosen) > 1:
        parts += ["## Each value by itself", "Over all trainings that have it.", _values(lines, goal.metric)]
    parts += ["## All metrics", _metrics(lines)]
    if failed:
        parts += ["## Failed", "\n".join(_failure(each) for each in failed)]
    parts += ["## The other settings", _others(first.resolved, lines[0].chosen)]
    return "\n\n".join(parts) + "\n"


def _legend(goal: Expectation) -> str:
    better = "higher" if goal.at_least is not None else "lower"
    return (
        f"Best first by {goal.metric} on held-out data ({better} is better): mean ± sample standard deviation over "
        "trainings from different seeds. Seconds are of training and evaluation together."
    )


def _data(lines: Sequence[Line]) -> str:
    sizes: dict[str, None] = {}
    for line in lines:
        for data in (run.record.data for run in line.runs):
            if data is not None:
                sizes[f"{data.source}: {', '.join(f'{n} {part}' for part, n in data.sizes.items())}"] = None
    same = "Data, the same split for all" if len(sizes) == 1 else "Data (what is varied changes them)"
    return f"{same}: {'; '.join(sizes)}."


def _values(lines: Sequence[Line], metric: str) -> str:
    found = by_value(lines, metric)
    rows = ([key, text, str(each), str(each.count)] for (key, text), each in found.items())
    return _table(["setting", "value", metric, "trainings"], *rows)


def _metrics(lines: Sequence[Line]) -> str:
    # Settings may decide what is measured, so a line need not have them all.
    measured = [set.intersection(*(set(run.metrics) for run in line.runs)) for line in lines]
    names = sorted(set.union(*measured))
    rows = (
        [in_words(line.chosen), *(str(line.of(name)) if name in found else "-" for name in names)]
        for line, found in zip(lines, measured, strict=True)
    )
    return _table(["combination", *names], *rows)


def _failure(outcome: Outcome) -> str:
    return f"* {in_words(outcome.trial.chosen)} seed={outcome.trial.settings.seed}: {outcome.failure}"


def _others(resolved: Mapping[str, object], chosen: Collection[str]) -> str:
    return ", ".join(
        f"{key} {value}" for key, value in resolved.items() if key not in chosen and key != "seed"
    )


def _table(heads: Sequence[str], *rows: Sequence[str]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [heads, ["---"] * len(heads), *rows])


def _csv(outcomes: Sequence[Outcome]) -> str:
    """Return a row for each training: its varied settings, how it ended and its held-out metrics."""
    metrics = sorted({name for each in outcomes if each.run for name in each.run.metrics})
    keys = list(outcomes[0].trial.chosen)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*keys, "seed", "seconds", "parameters", *metrics, "failure", "training"])
    for each in outcomes:
        known = (
            [f"{each.run.record.seconds:.3f}", each.run.record.parameters]
            + [each.run.metrics[name] for name in metrics]
            if each.run
            else [""] * (2 + len(metrics))
        )
        writer.writerow(
            [
                *each.trial.chosen.values(),
                each.trial.settings.seed,
                *known,
                each.failure or "",
                each.trial.name,
            ]
        )
    return text.getvalue()
