"""Write the page of results: a Markdown table with a row and a small picture for each job.

Knows results and how a page looks, and nothing of how anything was measured.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from export.pictures import thumbnail
from export.results import Result
from service.bundle import Manifest

WIDTH = 240
MOST_BYTES = 20_000
LIBRARIES = ("tensorflow", "keras", "onnxruntime")

HEAD = """# Results

Written by `make results` on {date} from the newest `{profile}` versions in the model repository; do not edit. {trained} of
{count} jobs are trained: {seconds} of training, added up. This machine has {processors} processors; {libraries}.

* *held out*: what the run measured on data that it did not learn from, beside what is expected of the job.
* *parity*: the largest max |a-b| / (1 + |a|) between SavedModel and ONNX over all signatures and cases.
* *speed*: how many times as long TensorFlow takes as ONNX Runtime for the default signature on the same rows, in turns,
  medians; ONNX Runtime on one thread, TensorFlow on as many as it likes. Above 1, ONNX Runtime is faster.
* *variants*: those that were worth it when the version was exported, each with its share of the original's size and time;
  the version's model card has the others, and how like the original each answers.

"""


def write(results: Sequence[Result], page: Path, pictures: Path, profile: str) -> None:
    """Write `page`, and a picture for each trained job into `pictures`, in which no other of a job's is left."""
    for directory in (page.parent, pictures):
        directory.mkdir(parents=True, exist_ok=True)
    for result in results:
        target = pictures / f"{result.job}.png"
        if result.picture is None:
            target.unlink(missing_ok=True)
        else:
            target.write_bytes(thumbnail(result.picture, width=WIDTH, most_bytes=MOST_BYTES))
    place = Path(os.path.relpath(pictures, page.parent))
    page.write_text(text(results, place, profile), encoding="utf-8")


def text(results: Sequence[Result], pictures: Path, profile: str) -> str:
    """Return the page; `pictures` is where the small pictures lie, as seen from it."""
    manifests = [result.manifest for result in results if result.manifest is not None]
    head = HEAD.format(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        profile=profile,
        trained=len(manifests),
        count=len(results),
        seconds=_duration(sum(manifest.provenance.seconds for manifest in manifests)),
        processors=os.cpu_count(),
        libraries=_libraries(manifests),
    )
    rows = [
        (
            "job",
            "",
            "data",
            "parameters",
            "trained",
            "held out",
            "parity",
            "speed, 1 and 32 rows",
            "variants",
            "",
        ),
        ("---",) * 10,
        *(_row(result, pictures) for result in results),
    ]
    return head + "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def _row(result: Result, pictures: Path) -> tuple[str, ...]:
    name = f"`{result.job}`"
    if result.manifest is None:
        return name, f"{result.word}: {result.about}", *_cells(f"*{result.missing}*"), *("",) * 7
    made = result.manifest.provenance
    parities = [entry.max_relative for entry in result.manifest.parity.values()]
    return (
        name,
        *_cells(f"{result.word}: {result.about}", made.data),
        "" if made.parameters is None else f"{made.parameters:,}",
        _duration(made.seconds),
        _held_out(result, result.manifest),
        f"{max(parities):.1e}" if parities else "",
        ", ".join(f"{ratio:.1f}x" for ratio in result.speedups.values()),
        _variants(result.manifest),
        f"![{result.job}]({(pictures / result.job).as_posix()}.png)" if result.picture else "",
    )


def _held_out(result: Result, manifest: Manifest) -> str:
    """Return the metrics that have a bound, each with it; without any, all that there are."""
    parts = []
    for bound in result.expected:
        value = manifest.metrics.get(bound.metric)
        if value is not None:
            verdict = "" if bound.met_by(value) else ", **missed**"
            parts.append(f"{bound.metric} {value:.4g} ({bound}{verdict})")
    return "<br>".join(parts or (f"{name} {value:.4g}" for name, value in manifest.metrics.items()))


def _variants(manifest: Manifest) -> str:
    return "<br>".join(
        f"{name}.{kind}: {variant.size_ratio:.2f}, {variant.latency_ratio:.2f}"
        for name, signature in manifest.signatures.items()
        for kind, variant in signature.variants.items()
    )


def _libraries(manifests: Iterable[Manifest]) -> str:
    """Return the versions that the newest version was made with."""
    newest = max(manifests, key=lambda manifest: manifest.created, default=None)
    known = {} if newest is None else newest.provenance.libraries
    named = [f"{name} {known[name]}" for name in LIBRARIES if name in known]
    return ", ".join(named) or "no versions are known"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _cells(*texts: str) -> tuple[str, ...]:
    return tuple(text.replace("|", "\\|").replace("\n", " ") for text in texts)
