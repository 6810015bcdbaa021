"""What a model is fed: what the user gives, or feeds that are made by what the graph says of its inputs.

Key insight: a question that a user asks about their own inputs is answered on these inputs alone. So nothing is mixed
in: each file is one feed, and the first feed comes again at the end, which tells whether equal inputs give equal bits.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cases.graph import Graph, Tensor
from cases.input_plan.planned import PlannedFeeds
from cases.input_plan.roles import planned_inputs
from cases.inputs import GivenFeeds, StandardFeeds
from repro.records.strict import near_one
from repro.trials.given_inputs import FORMS, GivenInputs
from repro.trials.input_words import Source, read_words, require_fit
from runner import memory
from runner.encoding import path_label
from runner.errors import BadInput
from runner.npz import Header, UnreadableArrays, read_arrays, read_headers
from runner.run import Feed

AnyInputs = str | Path | GivenInputs | Mapping[str, np.ndarray | str] | Sequence[np.ndarray] | Sequence[str | Path]
"""An .npz or several (one feed each); arrays, or words such as `uniform:0,1`, by input name; arrays in order."""


def feed_plan(graph: Graph, given: AnyInputs | None, seed: int) -> PlannedFeeds | GivenFeeds:
    """What a model is fed: only what was given; what was not is made, by what the graph says of it.

    Raises BadInput for what does not fit, and TooMuchMemory before anything that would not fit the limit is read.
    """
    plan = PlannedFeeds(StandardFeeds(seed, again=True), planned_inputs(graph))
    if given is None:
        return plan
    declared = [graph.tensors[name] for name in graph.inputs]
    if isinstance(given, str | Path):
        given = GivenInputs((Path(given),))
    elif isinstance(given, Sequence) and given and all(isinstance(one, str | Path) for one in given):
        given = GivenInputs(tuple(Path(str(one)) for one in given))
    elif isinstance(given, Sequence):
        if len(given) > len(declared):
            raise BadInput(f"inputs: {len(given)} arrays are given and the model has {len(declared)} inputs")
        given = {f"arr_{i}": np.asarray(array) for i, array in enumerate(given)}
    arrays: Mapping[str, np.ndarray] = {}
    if isinstance(given, GivenInputs):
        words = dict(_split_words(one, declared) for one in given.words)
        files, source = given.files, ", ".join(map(path_label, given.files))
    else:
        words = {_input_named(name, declared): one for name, one in given.items() if isinstance(one, str)}
        arrays = {name: np.asarray(one) for name, one in given.items() if not isinstance(one, str)}
        files, source = (), "given arrays" if arrays else ""
    planned = {one.name: one for one in plan.inputs}
    sources = {t.name: read_words(words[t.name], planned[t.name], t) for t in declared if t.name in words}
    others = [t for t in declared if t.name not in words]
    memory.require(len(files) * sum(math.prod(t.shape) * np.dtype(t.dtype).itemsize for t in others), "reading inputs")
    read = [feed_from_npz(path, declared, others) for path in files]
    read += [feed_from_arrays(arrays, declared, "inputs", others)] if arrays else []
    for tensor, of_feeds in zip(others, zip(*read, strict=True), strict=True) if read else ():
        sources[tensor.name] = Source(planned[tensor.name], of_feeds)
    said = [source] if source else []
    return _fed(plan, declared, sources, [*said, *(f"{name}={text}" for name, text in words.items())])


def _fed(
    plan: PlannedFeeds, declared: Sequence[Tensor], sources: Mapping[str, Source], said: Sequence[str]
) -> PlannedFeeds | GivenFeeds:
    """As many feeds as an input has files, then the first again; only drawn ones where no file was given."""
    planned = tuple(sources[one.name].planned if one.name in sources else one for one in plan.inputs)
    drawn = replace(plan, inputs=planned, is_asked_for=bool(sources))
    counts = {name: len(source.arrays) for name, source in sources.items() if source.arrays}
    several = {name: count for name, count in counts.items() if count > 1}
    if len(set(several.values())) > 1:
        words = ", ".join(f"{count} for '{name}'" for name, count in several.items())
        raise BadInput(f"inputs: {words}: give as many files for each input as there are to be feeds, or one for all")
    if not counts:
        return drawn
    made = drawn.make(declared) if len(counts) < len(declared) else ()
    feeds = []
    for k in range(max(counts.values())):
        rest = made[k % 3] if made else ()
        feed = [
            sources[t.name].arrays[k % counts[t.name]] if t.name in counts else rest[index]
            for index, t in enumerate(declared)
        ]
        feeds.append(tuple(feed))
    unsaid = len(declared) - len(sources)
    rest_words = [f"{unsaid} of {plan.standard.words}"] if unsaid else []
    return GivenFeeds((*feeds, feeds[0]), ", ".join([*said, *rest_words]))


def _split_words(given: str, declared: Sequence[Tensor]) -> tuple[str, str]:
    """The input's name and its words. The name may hold `=`: the longest input's name that fits is meant."""
    fits = [t.name for t in declared if given.startswith(f"{t.name}=")]
    if fits:
        name = max(fits, key=len)
        return name, given[len(name) + 1 :]
    name, is_named, words = given.partition("=")
    if not is_named:
        raise BadInput(f"--input '{given}': write NAME=WORDS, with words such as {FORMS}")
    return _input_named(name, declared), words


def _input_named(name: str, declared: Sequence[Tensor]) -> str:
    """The input of that name, or of that place (`0`, `arr_0`)."""
    names = [tensor.name for tensor in declared]
    place = name.removeprefix("arr_")
    if name not in names and place.isdecimal() and len(place) < 6 and int(place) < len(names):
        return names[int(place)]
    if name not in names:
        have = ", ".join(names[:5]) or "none"
        raise BadInput(f"no input is called '{name}'; the model has {have}; give one of these, or its place from 0")
    return name


def feed_from_npz(path: Path, declared: Sequence[Tensor], wanted: Sequence[Tensor] | None = None) -> Feed:
    """One feed from an .npz whose keys are input names (or arr_0, arr_1, ... in order).

    wanted: the inputs that are to be read, by default all. Raises BadInput for a file that is no .npz, a missing key, a
    wrong shape or a wrong dtype.
    """
    if not path.exists():
        raise BadInput(f"{path}: no such file; give an .npz with one array per input")
    if not zipfile.is_zipfile(path):
        raise BadInput(f"{path}: not an .npz file; write it with numpy.savez")
    try:
        keys = _fitting(read_headers(path), declared, str(path), wanted)
        arrays = read_arrays(path, names=list(keys.values()))
    except UnreadableArrays as error:
        raise BadInput(f"{path}: a damaged .npz ({error}); write it again with numpy.savez") from error
    return _feed(arrays, keys, declared)


def feed_from_arrays(
    arrays: Mapping[str, np.ndarray], declared: Sequence[Tensor], where: str, wanted: Sequence[Tensor] | None = None
) -> Feed:
    """One feed from arrays by input name (or arr_0, arr_1, ... in order). Raises BadInput as `feed_from_npz` does."""
    given = {name: np.asarray(array) for name, array in arrays.items()}
    return _feed(given, _fitting(given, declared, where, wanted), declared)


def _fitting(
    given: Mapping[str, np.ndarray | Header],
    declared: Sequence[Tensor],
    where: str,
    wanted: Sequence[Tensor] | None = None,
) -> dict[str, str]:
    """Input -> the key of its array. Raises BadInput where one is missing or does not fit, by what is said of it."""
    keys = {}
    for index, tensor in enumerate(declared):
        if wanted is not None and all(tensor is not one for one in wanted):
            continue
        key = tensor.name if tensor.name in given else f"arr_{index}"
        if key not in given:
            have = ", ".join(sorted(given)) or "nothing"
            near = near_one(tensor.name, given)
            raise BadInput(f"{where}: no array for input {index} '{tensor.name}' (it holds {have}); name it so{near}")
        require_fit(given[key].shape, given[key].dtype, tensor, f"{where}: '{key}'")
        keys[tensor.name] = key
    return keys


def _feed(arrays: Mapping[str, np.ndarray], keys: Mapping[str, str], declared: Sequence[Tensor]) -> Feed:
    # ascontiguousarray would turn a scalar into a vector
    return tuple(np.asarray(arrays[keys[t.name]], t.dtype, order="C") for t in declared if t.name in keys)
