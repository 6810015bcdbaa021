"""What a float64 evaluation of a real network costs, against one run of it on the cpu (XNNPACK, one thread a core).

Three networks of public packages, where `python -m models.public.collect` has brought them; without them it says so.
"""

from __future__ import annotations

import time

import numpy as np

from cases.evaluation.evaluate import evaluate
from models.public.collect import PublicModel, listed
from repro.trials.load import load_subject
from runner.run import Job, Precision
from runner.target import Target
from runner.targets import open_target

NETWORKS = ("face_landmark-1055cb9d", "hand_landmark_full-8c026882", "palm_detection_full-2f25e740")
REPEATS = 5


def measure() -> dict[str, float]:
    """`evaluate_vs_cpu` is the geometric mean of the networks' ratios, each of medians measured in turns."""
    there = [model for model in listed() if model.name in NETWORKS and model.file.exists()]
    if len(there) < len(NETWORKS):
        print(f"{len(there)} of {len(NETWORKS)} networks are there: run `python -m models.public.collect` first")
        return {}
    with open_target("cpu") as cpu:
        ratios = [ratio(model, cpu) for model in there]
    found = float(np.exp(np.mean(np.log(ratios))))
    print(f"all three, geometric mean                                         {found:5.1f} runs on the cpu")
    return {"evaluate_vs_cpu": found}


def ratio(model: PublicModel, cpu: Target) -> float:
    subject = load_subject(model.file)
    feed = subject.feeds[0]
    evaluated, ran = [], []
    for _ in range(REPEATS):
        started = time.perf_counter()
        evaluate(subject.graph, feed)
        evaluated.append(time.perf_counter() - started)
        run = cpu.run(Job(subject.model, (feed, feed), Precision.FP32, model.name))
        ran.append(run.stages["repeat_run"])
    ours, theirs = float(np.median(evaluated)), float(np.median(ran))
    print(f"{model.name:34} {1e3 * ours:7.1f} ms  cpu {1e3 * theirs:6.1f} ms  {ours / theirs:5.1f} runs on the cpu")
    return ours / theirs
