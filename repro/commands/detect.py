"""`repro detect`: what the split sees in a photograph, by torch and by a target, side by side."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
import numpy as np

from models.dfine import detect, weights
from models.dfine.architecture import SIZES, check_size
from models.dfine.labels import coco_labels
from models.dfine.postprocess import SCORE_THRESHOLD, Detection
from models.dfine.preprocess import open_image
from repro.commands import options
from repro.commands.file_path import FilePath
from repro.commands.outputs import keep_apart
from repro.display.boxes_on_image import Panel, as_file, compared_panel, side_by_side
from repro.display.console import Screen
from repro.display.json_lines import dump
from repro.layouts.detections import match_by_box
from repro.records.lines import counted
from runner import targets
from runner.cache import write_atomically
from runner.errors import NothingRan, ReproError
from runner.run import Job, Outcome, Precision
from runner.target import Target


class GraphDidNotRun(ReproError):
    """The target refused, crashed or hung on a graph."""


@click.command()
@click.argument("image", type=FilePath())
@options.target
@click.option("--device", help="For --target adb: SERIAL or 'loopback'.")
@options.adb_server
@options.runtime
@options.one_precision
@click.option("--size", type=int, default=SIZES[0], show_default=True, help="Side of the network's input.")
@click.option("--weights", "spec", default=weights.DEFAULT, show_default=True, help="seed:N, folder, file or hub id.")
@click.option(
    "--threshold",
    type=options.NumberRange(0, 1),
    default=SCORE_THRESHOLD,
    show_default=True,
    help="Lowest score shown.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("detections.png"), show_default=True, help="The PNG."
)
@click.option("--naive/--no-naive", "with_naive", default=True, show_default=True, help="The naive split, too.")
@click.option("--json", "as_json", is_flag=True, help="One object per detection on stdout.")
@options.memory
@click.pass_context
def command(
    ctx: click.Context,
    image: Path,
    target_name: str,
    device: str | None,
    runtime: str | None,
    precision: str,
    size: int,
    spec: str,
    threshold: float,
    out: Path,
    with_naive: bool,
    as_json: bool,
) -> None:
    """Find objects in IMAGE with D-FINE-S by the naive split, the shipped one, and torch, side by side as a picture.

    What a split lost of what torch sees is red. The default weights are seeded, not trained: the boxes mean nothing,
    their agreement does. Exit 1 where the shipped split disagrees with torch in number or class, whatever the naive
    one does, and 3 where neither sees anything.

    \b
    1. repro detect models/dfine/images/coffee.jpg
    2. repro detect photo.jpg --size 640 --weights ustc-community/dfine-small-coco --out out.png
    """
    keep_apart({"--out": out}, [image])
    picture = open_image(image)
    settings = detect.Settings(check_size(size), spec, precision, threshold)
    used = weights.resolve(spec)
    console = Screen(stderr=as_json, soft_wrap=True)
    console.print(f"D-FINE-S at {size}, {used.describe()}")
    name = targets.resolve_one(target_name, device)
    progress = Screen(stderr=True)
    with targets.open_target(name, runtime=runtime) as target, progress.status("torch") as status:

        def say(text: str) -> None:
            status.update(f"{target.name}: {text}")

        run = _runner(target, Precision(precision))
        expected = detect.by_torch(picture, settings)
        naive = detect.by_naive_graphs(picture, settings, run, say) if with_naive else None
        found = detect.by_graphs(picture, settings, run, say)
    match = match_by_box(expected, found)
    labels = coco_labels()
    where = f"{target.name} {precision}"
    panels = [
        compared_panel(f"shipped split on {where}", found, expected),
        Panel(("torch, float64: what is right", counted(len(expected), "detection")), expected),
    ]
    if naive is not None:
        panels.insert(0, compared_panel(f"naive split on {where}", naive, expected))
    drawn = side_by_side(picture, panels, lambda label: labels[label], _note(used))
    write_atomically(out, as_file(drawn, out))
    same = sum(expected[i].label == found[j].label for i, j, _ in match.pairs)
    ious = [iou for _, _, iou in match.pairs]
    if as_json:
        for source, detections in (("torch", expected), (target.name, found), (f"{target.name} naive", naive or ())):
            for detection in detections:
                click.echo(dump(_record(source, detection, labels)))
    worst = f"IoU min {min(ious):.4f}, median {np.median(ious):.4f}" if ious else "no pair"
    console.print(
        f"{len(match.pairs)} of {len(expected)} matched, {same} with the same class, {len(match.extra)} extra; {worst}",
    )
    for panel in panels[:-1]:
        console.print(": ".join(panel.heading))
    console.print(f"drawn into {out}")
    if not expected and not found:
        raise NothingRan(f"{image}: no score is above {threshold:g}, so nothing was compared; give a lower --threshold")
    ctx.exit(0 if same == len(expected) == len(found) else 1)


def _note(used: weights.Weights) -> str:
    """What the reader of the picture has to know of its boxes."""
    meaning = "the boxes mean nothing, only their agreement does" if used.kind == "seed" else "class and score"
    return f"D-FINE-S, {used.describe()}: {meaning}. Red: seen by torch and lost. Amber: not seen by torch."


def _runner(target: Target, precision: Precision) -> detect.RunGraph:
    def run(name: str, model: bytes, feed: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        result = target.run(Job(model, (feed,), precision, name=name))
        if result.outcome is not Outcome.OK:
            raise GraphDidNotRun(f"{name} on {target.name}: {result.outcome}: {result.message}")
        return result.outputs[0]

    return run


def _record(source: str, detection: Detection, labels: tuple[str, ...]) -> dict[str, object]:
    return {"source": source, "name": labels[detection.label], **asdict(detection)}
