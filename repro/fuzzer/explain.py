"""What explains a failure that the fuzzer met, so that only unexplained ones cost a reduction. Pure.

Key insight: a failure is known already where the lint predicted it for that very output, where the numbers decide it
(float16 cannot hold them), or, once it is reduced, where its role pattern is that of a finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from cases.graph import Graph
from repro.delegate.replay import replay
from repro.fuzzer.pattern import role_pattern
from repro.hazards.lint import RULES, Hazard
from repro.verdicts.right_by_chance import holds_one_input
from runner.run import FP16_MAX, FP16_SMALLEST, Feed

ONE_PASS_NORM = "norm-one-pass-variance"
"""The finding of a bug that values decide and structure does not, so that no rule of the lint can name it."""
FP16_RANGE = FP16_MAX / 2
"""Half of float16's largest number, so that a sum of rounded values stays inside as well."""


def explained_outputs(hazards: Sequence[Hazard]) -> dict[int, str]:
    """Output index -> the first rule that says it is wrong."""
    explained: dict[int, str] = {}
    for hazard in hazards:
        for index in hazard.affected:
            explained.setdefault(index, hazard.rule)
    return explained


def refusing_rule(hazards: Sequence[Hazard]) -> str:
    """The rule that says that the graph as a whole fails, or empty."""
    return next((h.rule for h in hazards if h.effect in ("refused", "void", "abort")), "")


def right_by_nature(rule: str, references: Sequence[np.ndarray], feeds: Sequence[Feed]) -> bool:
    """Whether a predicted output that came out right is no mistake of the rule.

    The rule's wrong values show for some inputs only, or the true output holds nothing but numbers of one
    graph input, which is what memory that nobody wrote may hold.

    references: the true output after each feed.
    """
    return RULES[rule].latent or holds_one_input(references, feeds)


def beyond_fp16(values: Iterable[np.ndarray]) -> bool:
    """Whether float16 cannot hold some of these: an infinity or a zero is right then, and no find."""
    for array in values:
        if array.dtype.kind != "f":
            continue
        sizes = np.abs(array[array != 0])
        # `not <=`, so that a NaN is beyond as well
        if sizes.size and (not sizes.max() <= FP16_RANGE or sizes.min() < FP16_SMALLEST):
            return True
    return False


def is_one_norm(graph: Graph) -> bool:
    """Whether the whole graph is one fused normalisation, whose variance cancels for some values of any such graph."""
    nodes = [node for node in replay(graph).graph.live() if node.kind != "CONSTANT"]
    return bool(nodes) and all(node.fused_by == "mean-stddev-norm" for node in nodes)


def known_bug(graph: Graph, output: str, signature: str, hazards: Sequence[Hazard], findings: Mapping[str, str]) -> str:
    """The rule or finding that a reduced failure belongs to, or empty for a new one.

    output: the failing output's name, empty where the graph as a whole fails. hazards: what the lint says of
    the graph. findings: role pattern -> slug.
    """
    predicted = explained_outputs(hazards).get(graph.outputs.index(output) if output else -1, "")
    if predicted:
        return predicted
    slug = findings.get(role_pattern(graph), "")
    if not slug and signature == "wrong" and is_one_norm(graph):
        return ONE_PASS_NORM
    return slug
