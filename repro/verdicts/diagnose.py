"""For a wrong output: what does it hold instead? Pure, and only ever asked about outputs that failed.

Key insight: a name for the garbage must cover nearly the whole tensor in every run that failed, or it is a
coincidence; what covers part of it is said, with its share, but names nothing. Explanations are tried
from the most to the least specific: unwritten, not finite, one constant, the previous run's values, the very
bits of a tensor of the graph, that tensor rounded, then arrangements of the right values (permuted,
shifted, transposed, one row for all), then affine in something, then where the damage is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cases.graph import Graph
from repro.verdicts.deviations import as_rows
from repro.verdicts.dot import dot
from repro.verdicts.float16_range import first_beyond_float16
from repro.verdicts.misplaced_values import misplacement_of
from repro.verdicts.thresholds import Thresholds
from runner.run import Feed, Precision, unwritten_mask
from runner.webgpu_log import RefusedCommand

SAMPLE = 4096  # elements looked at before a candidate is compared in full
PART_SHARE = 0.25  # smallest part of a tensor worth naming in words


@dataclass(frozen=True)
class Evidence:
    """What is known about one output.

    outputs[k][i] and references[k][i] as in a Run; graph may be missing. has_emulation: whether an emulation of the
    precision stays finite.
    """

    index: int
    names: tuple[str, ...]
    feeds: tuple[Feed, ...]
    references: Sequence[Sequence[np.ndarray]]
    outputs: Sequence[Sequence[np.ndarray]]
    precision: Precision
    graph: Graph | None = None
    has_emulation: bool = True
    _values: dict[int, Mapping[str, np.ndarray]] = field(default_factory=dict)

    def actual(self, k: int) -> np.ndarray:
        return np.asarray(self.outputs[k][self.index])

    def reference(self, k: int) -> np.ndarray:
        return np.asarray(self.references[k][self.index])

    def intermediates(self, k: int) -> Mapping[str, np.ndarray]:
        """Values of the graph's intermediates after feed k in float64; empty where an op is unknown to us."""
        if k not in self._values:
            self._values[k] = self._evaluate(k)
        return self._values[k]

    def values_of(self, k: int, wanted: Sequence[str]) -> Mapping[str, np.ndarray]:
        """Float64 values of some tensors after feed k; empty where the evaluator does not know an op."""
        from cases.evaluation.evaluate import evaluate_run, unsupported

        if self.graph is None or unsupported(self.graph) or not self.feeds[k]:
            return {}
        values = evaluate_run(self.graph, self.feeds, k, keep=tuple(wanted))
        return {name: values[name] for name in wanted}

    def _evaluate(self, k: int) -> Mapping[str, np.ndarray]:
        from cases.evaluation.evaluate import evaluate_run, unsupported

        graph = self.graph
        if graph is None or unsupported(graph) or not self.feeds[k]:
            return {}
        wanted = self.reference(k).size
        keep = [
            n for n, t in graph.tensors.items()
            if not t.is_constant and n in graph.producers and int(np.prod(t.shape)) == wanted
        ]  # fmt: skip
        if len(keep) * wanted > 200_000_000:
            # Looking at everything would take more memory than it is worth: the last producers are the likeliest.
            keep = keep[-(200_000_000 // wanted) :]
        values = evaluate_run(graph, self.feeds, k, keep=tuple(keep))
        return {n: values[n] for n in keep if n != self.names[self.index]}


@dataclass(frozen=True)
class Diagnosis:
    """What a wrong output holds.

    signature: as in `repro.verdicts.verdict.Verdict`. holds: words for the user. share: how much of the tensor is
    explained, 0 to 1.
    """

    signature: str = ""
    holds: str = ""
    share: float = 0.0


@dataclass(frozen=True)
class Candidate:
    """A tensor that the output may hold. label: as the user reads it; name: as the signature says it."""

    label: str
    name: str
    values: np.ndarray
    exact: bool


def diagnose(
    evidence: Evidence, failed: Sequence[int], thresholds: Thresholds, refused: RefusedCommand | None = None
) -> Diagnosis:
    """Explain the failing runs `failed` (indices of feeds) of one output.

    The signature is what holds of every failing run; where they differ, the output holds what memory held:
    `unwritten` if any run shows the sentinel, else `stale`. refused: the command that WebGPU refused in these runs.
    Where it was to compile a shader, the signature is `uncompiled` whatever is held, since memory decides that.
    """
    held = _held_in_all(evidence, failed, thresholds)
    if refused is None:
        return _traced_to_range(evidence, failed[0], held)
    what = "a shader did not compile" if refused.compiling else "WebGPU refused a command"
    holds = f"{held.holds or 'values that equal nothing known'}; {what} ({refused.words})"
    return Diagnosis("uncompiled" if refused.compiling else held.signature, holds, held.share)


def _traced_to_range(evidence: Evidence, k: int, held: Diagnosis) -> Diagnosis:
    """What is held, with the tensor that left float16's range before it; values made of it are not an earlier run's."""
    if evidence.has_emulation or evidence.precision is not Precision.FP16 or evidence.graph is None:
        return held
    beyond = first_beyond_float16(evidence.graph, evidence.feeds[k], [evidence.names[evidence.index]])
    if beyond is None:
        return held
    holds = f"{held.holds or 'values that equal nothing known'}; {beyond.words}"
    return Diagnosis("wrong" if held.signature == "stale" else held.signature, holds, held.share)


def _held_in_all(evidence: Evidence, failed: Sequence[int], thresholds: Thresholds) -> Diagnosis:
    found = [_one_run(evidence, k, thresholds["explained"]) for k in failed]
    same = {d.signature for d in found}
    if len(same) == 1:
        return found[0]
    for signature in ("unwritten", "nonfinite"):
        for diagnosis in found:
            if diagnosis.signature == signature:
                return diagnosis
    if any(d.signature == "stale" or d.signature.startswith("alias(") for d in found):
        parts = list(dict.fromkeys(d.holds for d in found if d.holds))
        return Diagnosis("stale", ", then ".join(parts), max(d.share for d in found))
    return next(d for d in found if d.signature == "wrong")


def _one_run(evidence: Evidence, k: int, explained: float) -> Diagnosis:
    actual, reference = evidence.actual(k), evidence.reference(k)
    if actual.size == 0 or actual.shape != reference.shape or actual.dtype.kind != reference.dtype.kind:
        return Diagnosis("wrong", "", 0.0)
    plain = _unwritten(actual) or _not_finite(actual, reference) or _constant(actual, reference)
    if plain:
        return plain
    operand = _operand(evidence, k, explained)
    if operand:
        return operand
    earlier = _earlier_run(evidence, k, explained)
    best: Diagnosis | None = None
    for diagnosis in _aliases(evidence, k):
        if best is None or diagnosis.share > best.share + 1e-9:
            best = diagnosis
        if best.share >= 1.0:
            break
    if best and best.share >= explained:
        # The same bits in two runs with different inputs do not follow the inputs, whatever they equal.
        return earlier if earlier and best.share < 1.0 else best
    if earlier:
        return earlier
    other = misplacement_of(actual, reference, evidence.precision)
    if other:
        return Diagnosis("wrong", *other)
    affine = _affine(evidence, k)
    if affine:
        return affine
    if best and best.share >= PART_SHARE:
        return Diagnosis("wrong", best.holds, best.share)
    return Diagnosis("wrong", _where(actual, reference, evidence.precision), 0.0)


def _unwritten(actual: np.ndarray) -> Diagnosis | None:
    count = int(unwritten_mask(actual).sum())
    if not count:
        return None
    whole = "nothing wrote it" if count == actual.size else "nothing wrote a part of it"
    return Diagnosis("unwritten", f"{whole} (the sentinel survives, {count}/{actual.size})", count / actual.size)


def _not_finite(actual: np.ndarray, reference: np.ndarray) -> Diagnosis | None:
    if actual.dtype.kind != "f":
        return None
    finite = np.isfinite(actual)
    if finite.all() or not np.isfinite(reference).all():
        return None
    nan = int(np.isnan(actual).sum())
    infinite = int((~finite).sum()) - nan
    words = [f"{n} {what}" for n, what in ((nan, "NaN"), (infinite, "infinities")) if n]
    return Diagnosis("nonfinite", f"{' and '.join(words)} of {actual.size} elements", (nan + infinite) / actual.size)


def _constant(actual: np.ndarray, reference: np.ndarray) -> Diagnosis | None:
    if actual.size < 2 or not (actual == actual.flat[0]).all():
        return None
    value = actual.flat[0]
    what = "zeros" if value == 0 else f"one constant ({value:.6g})"
    return Diagnosis("constant", f"{what} ({actual.size}/{actual.size})", 1.0)


def _operand(evidence: Evidence, k: int, explained: float) -> Diagnosis | None:
    """Is it the right operation on a misread operand: one row, channel or element of it in the place of all?"""
    graph = evidence.graph
    name = evidence.names[evidence.index]
    op = graph.producers.get(name) if graph is not None else None
    function = _ELEMENTWISE.get(op.kind) if op is not None else None
    if op is None or function is None or op.attrs.get("fused_activation_function", "NONE") not in ("NONE", "RELU"):
        return None
    values = evidence.values_of(k, op.inputs)
    if len(values) != len(set(op.inputs)):
        return None
    actual, reference = evidence.actual(k), evidence.reference(k)
    for position, operand in enumerate(op.inputs):
        for words, variant in _operand_variants(values[operand]):
            operands = [values[n] for n in op.inputs]
            operands[position] = variant
            with np.errstate(all="ignore"):
                made = function(operands[0], operands[1])
                if op.attrs.get("fused_activation_function") == "RELU":
                    made = np.maximum(made, 0)
            if (
                made.size != actual.size
                or _close_share(made.reshape(actual.shape), reference, evidence.precision) > 0.5
            ):
                continue
            share = _close_share(actual, made.reshape(actual.shape), evidence.precision)
            if share >= explained:
                count = round(share * actual.size)
                return Diagnosis(
                    "wrong", f"{op.kind} with {words} of operand {position} '{operand}' ({count}/{actual.size})", share
                )
    return None


_ELEMENTWISE: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "ADD": np.add,
    "SUB": np.subtract,
    "MUL": np.multiply,
    "DIV": np.divide,
    "MAXIMUM": np.maximum,
    "MINIMUM": np.minimum,
    "SQUARED_DIFFERENCE": lambda a, b: np.square(a - b),
}


def _operand_variants(values: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Wrong readings of an operand, each with its words."""
    if values.ndim > 1 and values.size > values.shape[-1]:
        rows = as_rows(values)
        yield "row 0 in the place of all", np.broadcast_to(rows[:1], rows.shape).reshape(values.shape)
        if values.shape[-1] > 1:
            yield "channel 0 in the place of all", np.broadcast_to(rows[:, :1], rows.shape).reshape(values.shape)
    if values.size > 1:
        yield "element 0 in the place of all", np.full(values.shape, values.flat[0])


def _earlier_run(evidence: Evidence, k: int, explained: float) -> Diagnosis | None:
    """Is this what an earlier run left, or what an earlier input should have given?"""
    actual = evidence.actual(k)
    for j in range(k - 1, -1, -1):
        if j >= len(evidence.outputs) or not _moved(evidence.reference(j), evidence.reference(k), evidence.precision):
            continue
        share = float(np.mean(np.asarray(evidence.outputs[j][evidence.index]) == actual))
        rounded = _close_share(actual, evidence.reference(j), evidence.precision)
        if max(share, rounded) >= explained:
            how = "bit-exact" if share >= rounded else "rounded"
            count = round(max(share, rounded) * actual.size)
            which = "the previous run's values" if j == k - 1 else f"run {j + 1}'s values"
            if (
                _close_share(np.asarray(evidence.outputs[j][evidence.index]), evidence.reference(j), evidence.precision)
                < explained
            ):
                # That run was wrong as well: the output does not follow the inputs at all.
                which = "the same values whatever the input"
            return Diagnosis("stale", f"{which} ({how}, {count}/{actual.size})", max(share, rounded))
    return None


def _moved(earlier: np.ndarray, now: np.ndarray, precision: Precision) -> bool:
    """Whether two references differ in so many elements that holding one of them tells it from the other.

    Integers that are a step apart do not: kernels round to either.
    """
    if now.dtype.kind in "iu":
        return float(np.mean(np.abs(earlier.astype(np.int64) - now.astype(np.int64)) > 1)) >= PART_SHARE
    return 1 - _close_share(earlier, now, precision) >= PART_SHARE


def _candidates(evidence: Evidence, k: int) -> Iterator[Candidate]:
    """Tensors of the graph, likeliest first: inputs, other outputs, intermediates, constants."""
    graph = evidence.graph
    for i, array in enumerate(evidence.feeds[k]):
        name = graph.inputs[i] if graph is not None and i < len(graph.inputs) else f"input_{i}"
        yield Candidate(f"input {i} '{name}'", name, np.asarray(array), True)
    for i, array in enumerate(evidence.references[k]):
        if i != evidence.index:
            name = evidence.names[i] if i < len(evidence.names) else f"output_{i}"
            yield Candidate(f"output {i} '{name}'", name, np.asarray(array), False)
    for name, array in evidence.intermediates(k).items():
        if name not in evidence.names:
            yield Candidate(f"intermediate '{name}'", name, array, False)
    if graph is not None:
        for name, tensor in graph.tensors.items():
            if tensor.data is not None and tensor.data.size > 1:
                yield Candidate(f"constant '{name}'", name, np.asarray(tensor.data), True)


def _aliases(evidence: Evidence, k: int) -> Iterator[Diagnosis]:
    """What share of the output each tensor of the graph explains; tensors that are also the right answer do not."""
    actual, reference = evidence.actual(k).ravel(), evidence.reference(k).ravel()
    if actual.dtype.kind not in "fiu":
        return
    picks = np.unique(np.linspace(0, actual.size - 1, min(SAMPLE, actual.size)).astype(int))
    wrong = ~_close(actual[picks], reference[picks], evidence.precision)
    if not wrong.any():
        wrong = np.ones(picks.size, dtype=bool)
    for candidate in _candidates(evidence, k):
        if candidate.values.dtype.kind != actual.dtype.kind or candidate.values.size < 2:
            continue
        held = _laid_out(candidate.values.ravel(), actual.size)
        sampled = _close(actual[picks], held[picks], evidence.precision)
        if (sampled & wrong).mean() < PART_SHARE / 2:
            continue
        if _close(held[picks], reference[picks], evidence.precision)[wrong].mean() > 0.5:
            continue
        yield _held(actual, held, candidate, evidence.precision)


def _laid_out(values: np.ndarray, size: int) -> np.ndarray:
    """The first `size` values in memory order; NaN (equal to nothing) where the tensor is shorter."""
    if values.size >= size:
        return values[:size]
    return np.concatenate([values.astype(np.float64), np.full(size - values.size, np.nan)])


def _held(actual: np.ndarray, held: np.ndarray, candidate: Candidate, precision: Precision) -> Diagnosis:
    """How much of `actual` the candidate explains, and how exactly."""
    signature = f"alias({candidate.name})"
    equal = actual == (held if candidate.exact else held.astype(actual.dtype))
    half = _half_equal(actual, held)
    close = _close(actual, held, precision)
    counts = {"bit-exact": int(equal.sum()), "fp16-equal": int(half.sum()), "equal within rounding": int(close.sum())}
    # The more exact word wins unless it explains less.
    how = max(counts, key=lambda word: (counts[word], -list(counts).index(word)))
    return Diagnosis(signature, f"{candidate.label} ({how}, {counts[how]}/{actual.size})", counts[how] / actual.size)


def _half_equal(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(x.astype(np.float16) == y.astype(np.float16))


def _close(x: np.ndarray, y: np.ndarray, precision: Precision) -> np.ndarray:
    """Equal as far as the arithmetic of an intermediate can tell: a few roundings of the value and of the tensor."""
    ulp = 2.0**-9 if precision is Precision.FP16 else 2.0**-17
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        finite = np.abs(y[np.isfinite(y)])
        scale = float(np.median(finite)) if finite.size else 0.0
        return np.asarray(np.abs(x - y) <= 4 * ulp * (np.abs(y) + scale))


def _close_share(x: np.ndarray, y: np.ndarray, precision: Precision) -> float:
    return float(_close(x, y, precision).mean()) if x.shape == y.shape else 0.0


def _affine(evidence: Evidence, k: int) -> Diagnosis | None:
    """Is the output a * t + b of some tensor, the right answer first?"""
    actual = evidence.actual(k).astype(np.float64).ravel()
    reference = Candidate("the right values", "", evidence.reference(k), False)
    for candidate in (reference, *_candidates(evidence, k)):
        values = candidate.values
        if values.size != actual.size or values.dtype.kind != "f":
            continue
        fitted = _fit(values.astype(np.float64).ravel(), actual, evidence.precision)
        if fitted is not None:
            gain, offset = fitted
            return Diagnosis(
                "wrong", f"{candidate.label}{_affine_words(gain, offset, values)} ({actual.size}/{actual.size})", 1.0
            )
    return None


def _affine_words(gain: float, offset: float, values: np.ndarray) -> str:
    scale = float(np.abs(values).max()) * abs(gain)
    parts = f" x {gain:.4g}" if abs(gain - 1) > 1e-6 else ""
    if abs(offset) > 1e-6 * scale or not parts:
        parts += f" {'+' if offset >= 0 else '-'} {abs(offset):.4g}"
    return parts


def _fit(x: np.ndarray, y: np.ndarray, precision: Precision) -> tuple[float, float] | None:
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    peak = float(np.abs(x).max())
    if x.size < 8 or peak == 0:
        return None
    mean_x, mean_y = x.mean(), y.mean()
    centred_x, centred_y = (x - mean_x) / peak, y - mean_y
    square = dot(centred_x, centred_x)
    if square == 0:
        return None
    slope = dot(centred_x, centred_y) / square
    residual = float(np.sqrt(np.mean((centred_y - slope * centred_x) ** 2)))
    ulp = 2.0**-10 if precision is Precision.FP16 else 2.0**-20
    if slope == 0 or residual > 8 * ulp * float(np.std(y)):
        return None
    gain = slope / peak
    return gain, float(mean_y - gain * mean_x)


def _where(actual: np.ndarray, reference: np.ndarray, precision: Precision) -> str:
    """Nothing known of the values: say where the damage is, if it is not everywhere."""
    wrong = as_rows(~_close(actual, reference, precision))
    count = int(wrong.sum())
    if count == 0 or count > 0.9 * wrong.size:
        return ""
    rows, channels = wrong.any(axis=1), wrong.any(axis=0)
    places = []
    if 0 < rows.sum() <= 0.5 * rows.size:
        places.append(f"{int(rows.sum())}/{rows.size} rows from row {int(rows.argmax())}")
    if 0 < channels.sum() <= 0.5 * channels.size:
        places.append(f"{int(channels.sum())}/{channels.size} channels from channel {int(channels.argmax())}")
    return f"wrong values in {' and '.join(places)} ({count}/{wrong.size})" if places else ""
