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
from repro.commands.outputs import keep_apart
from repro.display.boxes_on_image import as_file, side_by_side
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
@click.argument("image", type=click.Path(path_type=Path))
@options.target
@click.option("--device", help="For --target adb: SERIAL or 'loopback'.")
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
    as_json: bool,
) -> None:
    """Find objects in IMAGE with D-FINE-S, by torch and by a target, and write both side by side as a PNG.

    The default weights are seeded, not trained: the boxes mean nothing, their agreement does. Exit 1 where the
    two disagree in number or class, 3 where neither sees anything.

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
    name = targets.resolve([target_name], device)[0]
    progress = Screen(stderr=True)
    with targets.open_target(name, runtime=runtime) as target, progress.status("torch") as status:
        expected = detect.by_torch(picture, settings)
        status.update(target.name)
        found = detect.by_graphs(picture, settings, _runner(target, Precision(precision)))
    match = match_by_box(expected, found)
    labels = coco_labels()
    panels = (
        (f"torch float64: {counted(len(expected), 'detection')}", expected),
        (f"{target.name} {precision}: {counted(len(found), 'detection')}", found),
    )
    drawn = side_by_side(picture, panels, lambda label: labels[label])
    write_atomically(out, as_file(drawn, out))
    same = sum(expected[i].label == found[j].label for i, j, _ in match.pairs)
    ious = [iou for _, _, iou in match.pairs]
    if as_json:
        for source, detections in (("torch", expected), (target.name, found)):
            for detection in detections:
                click.echo(dump(_record(source, detection, labels)))
    worst = f"IoU min {min(ious):.4f}, median {np.median(ious):.4f}" if ious else "no pair"
    console.print(
        f"{len(match.pairs)} of {len(expected)} matched, {same} with the same class, {len(match.extra)} extra; {worst}",
    )
    console.print(f"drawn into {out}")
    if not expected and not found:
        raise NothingRan(f"{image}: no score is above {threshold:g}, so nothing was compared; give a lower --threshold")
    ctx.exit(0 if same == len(expected) == len(found) else 1)


def _runner(target: Target, precision: Precision) -> detect.RunGraph:
    def run(name: str, model: bytes, feed: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        result = target.run(Job(model, (feed,), precision, name=name))
        if result.outcome is not Outcome.OK:
            raise GraphDidNotRun(f"{name} on {target.name}: {result.outcome}: {result.message}")
        return result.outputs[0]

    return run


def _record(source: str, detection: Detection, labels: tuple[str, ...]) -> dict[str, object]:
    return {"source": source, "name": labels[detection.label], **asdict(detection)}
