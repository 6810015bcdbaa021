"""The float64 torch reference of a case's outputs, cached by content so that torch is imported once.

A reference decides verdicts, so its key covers everything that made it: the case's model source, the
inputs' bytes, and the source of the lowering.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cases.case import Case
from cases.tflite.write import write_tflite
from cases.with_torch import convert
from runner.cache import cache_root, is_whole_entry, write_entry
from runner.errors import BadInput
from runner.installation import converter_install
from runner.npz import packed_groups, read_groups
from runner.run import Feed, Outputs
from runner.source_version import source_version

# Outputs larger than this are recomputed rather than kept: reading them would cost as much.
_LARGEST_CACHED = 64 << 20


@functools.cache
def has_torch() -> bool:
    """Whether torch is installed. It is not imported."""
    return importlib.util.find_spec("torch") is not None


@functools.lru_cache(maxsize=16)
def _cached(case: Case, key: str, path: Path) -> Outputs | None:
    return read_groups(path) if is_whole_entry(path) else None


def reference_key(case: Case, feeds: Sequence[Feed], model: bytes | None = None) -> str:
    """Content key over the model's source, the distinct feeds and the lowering's source.

    model: the graph's .tflite bytes, where the caller has written them already.
    """
    digest = hashlib.sha256()
    if case.module is not None:
        # Not the converter: torch may be there without it, and a module's values do not depend on it.
        digest.update("\n".join(convert.made_from(case)).encode())
    else:
        assert case.graph is not None
        digest.update(model if model is not None else write_tflite(case.graph()))
        digest.update(source_version("cases.with_torch.torch_module").encode())
    for feed in feeds:
        for array in feed:
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:24]


def reference_outputs(case: Case, feeds: Sequence[Feed], model: bytes | None = None) -> Outputs:
    """Per feed, per output (file order): float64 arrays (bool and integer outputs keep their dtype).

    A feed that occurs again (the same object) is computed once and shared.
    """
    distinct = list({id(feed): feed for feed in feeds}.values())
    key = reference_key(case, distinct, model)
    path = cache_root() / "references" / f"{key}.npz"
    known = _cached(case, key, path)
    if known is None:
        known = _compute(case, distinct)
        if sum(a.nbytes for outputs in known for a in outputs) <= _LARGEST_CACHED:
            write_entry(path, packed_groups(known))
            _cached.cache_clear()
    place = {id(feed): k for k, feed in enumerate(distinct)}
    return tuple(known[place[id(feed)]] for feed in feeds)


def _compute(case: Case, feeds: Sequence[Feed]) -> Outputs:
    try:
        import torch
    except ImportError as error:
        raise BadInput(
            f"{case.name}: its float64 reference needs torch, which is not installed; install it: {converter_install()}"
        ) from error

    from cases.with_torch.torch_module import GraphModule

    if case.module is not None:
        module = case.module.build(case.seed).eval().double()
    else:
        assert case.graph is not None
        module = GraphModule(case.graph(), torch.float64)
    found = []
    with torch.no_grad():
        for feed in feeds:
            values = [torch.from_numpy(a) for a in feed]
            outputs = module(*(v.double() if v.is_floating_point() else v for v in values))
            if isinstance(outputs, torch.Tensor):
                outputs = (outputs,)
            found.append(tuple(np.asarray(o.numpy(), order="C") for o in outputs))
    return tuple(found)
