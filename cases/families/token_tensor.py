"""The token tensor itself: `conv.flatten(2).transpose(1, 2)` to `[1, N, 256]`, through litert-torch.

With score head, box head, LayerNorm tail and valid mask, emitted together and apart, as the naive and
the shipped layout of D-FINE-S do (model-card.txt). Which of them the delegate breaks depends on what
the converter makes of them, so these are torch modules and not graphs.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from cases.case import Case, ModuleSource

if TYPE_CHECKING:
    import torch

FAMILY = "token-tensor"
WIDTH = 256
CLASSES = 80

# name -> (outputs in order, reason). The words of an output: see `_forward`.
PLANS: dict[str, tuple[tuple[str, ...], str]] = {
    "score": (("enc_class",), "score head alone"),
    "score-and-memory": (("enc_class", "memory_raw"), "score head and the raw tokens, which also feed it"),
    "score-and-memory-x2": (("enc_class", "memory_x2"), "the shipped layout: tokens emitted x2"),
    "memory-alone": (("memory_raw",), "the raw tokens as the only output"),
    "norm-and-score": (("enc_class", "output_memory"), "LayerNorm tail as output and into the score head"),
    "norm-x2-and-score": (("enc_class", "output_memory_x2"), "the same, emitted x2"),
    "norm-alone": (("output_memory",), "LayerNorm tail as the only output"),
    "norm-score-box": (("enc_class", "enc_coord", "output_memory"), "LayerNorm tail as output and into two heads"),
    "naive": (
        ("enc_class", "enc_coord", "output_memory", "memory_raw"),
        "the naive Graph A: all four together",
    ),
    "naive-x2": (
        ("enc_class", "enc_coord_x2", "output_memory_x2", "memory_x2"),
        "the naive Graph A, everything emitted x2: the anchors are still added wrongly",
    ),
    "box-and-memory": (("enc_coord", "memory_raw"), "box head and the raw tokens"),
    "naive-bare-box": (
        ("enc_class", "enc_box", "output_memory", "memory_raw"),
        "control: the naive Graph A with the anchors left to the host",
    ),
    "naive-bare-box-x2": (
        ("enc_class", "enc_box", "output_memory", "memory_x2"),
        "control: the naive Graph A with the anchors left to the host and the tokens emitted x2, which LiteRT up to "
        "2.1.3 needs where one MUL by the mask reads them",
    ),
    "norm-score-bare-box": (("enc_class", "enc_box", "output_memory"), "control: the anchors left to the host"),
    "bare-box-and-memory": (("enc_box", "memory_raw"), "control: the anchors left to the host"),
}
# The healthy twin of the plan it names: emitted x2, or without the constant that is added wrongly.
CONTROL_OF = {
    "naive-bare-box": "naive",
    "naive-bare-box-x2": "naive",
    "norm-score-bare-box": "norm-score-box",
    "bare-box-and-memory": "box-and-memory",
    "score-and-memory-x2": "score-and-memory",
    "norm-x2-and-score": "norm-and-score",
}
# Without the mask the tokens have no reader that loses them, and the plan it is a control of has another control.
MASKED_ONLY = ("naive-bare-box-x2",)
HAND_NORM = ("hand-norm-and-score", "hand-norm-x2-and-score", "hand-norm-fanout")


def build_tokens(outputs: tuple[str, ...], masked: bool, side: int, seed: int) -> torch.nn.Module:
    """Image [1, 3, side, side] -> tokens [1, side * side, 256] -> the outputs, in order."""
    import torch
    from torch import nn

    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(seed)
            self.conv = nn.Conv2d(3, WIDTH, 3, padding=1)
            self.linear = nn.Linear(WIDTH, WIDTH)
            self.norm = nn.LayerNorm(WIDTH)
            nn.init.uniform_(self.norm.weight, 0.5, 1.5)
            nn.init.uniform_(self.norm.bias, -0.5, 0.5)
            self.score = nn.Linear(WIDTH, CLASSES)
            self.box = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 4))
            mask = torch.ones(1, side * side, 1)
            mask[:, :side] = 0.0
            self.register_buffer("valid", mask)
            self.register_buffer("anchors", torch.randn(1, side * side, 4))

        def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
            memory = self.conv(image).flatten(2).transpose(1, 2)
            valid = memory * self.valid if masked else memory
            needs_norm = any(o.startswith(("output_memory", "enc_coord", "enc_box")) for o in outputs)
            tail = self.norm(self.linear(valid)) if needs_norm else memory
            made = {"enc_class": self.score(tail), "memory_raw": memory, "memory_x2": memory * 2.0}
            if needs_norm:
                box = self.box(tail)
                coord = box + self.anchors
                made["enc_box"] = box
                made |= {"output_memory": tail, "output_memory_x2": tail * 2.0}
                made |= {"enc_coord": coord, "enc_coord_x2": coord * 2.0}
            return tuple(made[name] for name in outputs)

    return Tokens()


def build_hand_norm(kind: str, tokens: int, seed: int) -> torch.nn.Module:
    """`(x - mean) * rsqrt(var + eps) * w + b` over [1, tokens, 256], feeding a Linear head."""
    import torch
    from torch import nn

    class HandNorm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(seed)
            self.weight = nn.Parameter(torch.empty(WIDTH).uniform_(0.5, 1.5))
            self.bias = nn.Parameter(torch.empty(WIDTH).uniform_(-0.5, 0.5))
            self.head = nn.Linear(WIDTH, CLASSES)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            centred = x - x.mean(-1, keepdim=True)
            variance = (centred * centred).mean(-1, keepdim=True)
            y = centred * torch.rsqrt(variance + 1e-5) * self.weight + self.bias
            if kind == "hand-norm-x2-and-score":
                return self.head(y), y * 2.0
            if kind == "hand-norm-fanout":
                return self.head(y), y, torch.tanh(y)
            return self.head(y), y

    return HandNorm()


def _tokens_case(name: str, masked: bool, side: int) -> Case:
    outputs, reason = PLANS[name]
    full = f"{FAMILY}/{name}{'-masked' if masked else ''}-n{side * side}"
    control = ""
    if name in CONTROL_OF:
        control = full.replace(f"/{name}", f"/{CONTROL_OF[name]}", 1)
    return Case(
        full,
        FAMILY,
        f"{reason}{', with the valid mask' if masked else ''}",
        module=ModuleSource(
            functools.partial(build_tokens, outputs, masked, side), ((1, 3, side, side),), tuple(outputs)
        ),
        control_of=control,
    )


def _hand_case(kind: str, tokens: int) -> Case:
    plain = f"{FAMILY}/{HAND_NORM[0]}-n{tokens}"
    reasons = {
        HAND_NORM[0]: "the card's symptom without a phone: a hand-written LayerNorm as output and into a head",
        HAND_NORM[1]: "control: emitted x2, as the shipped layout does",
        HAND_NORM[2]: "control: a second consumer",
    }
    outputs = {
        HAND_NORM[0]: ("enc_class", "output_memory"),
        HAND_NORM[1]: ("enc_class", "output_memory_x2"),
        HAND_NORM[2]: ("enc_class", "output_memory", "second"),
    }
    return Case(
        f"{FAMILY}/{kind}-n{tokens}",
        FAMILY,
        reasons[kind],
        module=ModuleSource(functools.partial(build_hand_norm, kind, tokens), ((1, tokens, WIDTH),), outputs[kind]),
        control_of="" if kind == HAND_NORM[0] else plain,
    )


def cases() -> list[Case]:
    """Every plan at N = 400, some with the valid mask, the naive and shipped ones at N = 2116 too."""
    found = [_tokens_case(name, masked=False, side=20) for name in PLANS if name not in MASKED_ONLY]
    masked = ["score-and-memory", "score-and-memory-x2", "norm-and-score", "norm-x2-and-score"]
    masked += ["naive", "naive-x2", *MASKED_ONLY]
    found += [_tokens_case(name, masked=True, side=20) for name in masked]
    found += [_tokens_case(name, masked=False, side=46) for name in ("score-and-memory", "score-and-memory-x2")]
    found += [_hand_case(kind, 400) for kind in HAND_NORM]
    return found
