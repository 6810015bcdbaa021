"""What the model card of D-FINE-S reports of a phone: a token tensor that is an output and fans out.

On the host it is right in every runtime.
"""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, minimal
from cases.findings.pieces import card_tokens, per_channel, weights
from cases.graph import Graph


def token_fan_out(readers: int = 3, exposed: bool = True) -> Graph:
    """Tokens [1, N, 256], an output, read by heads."""
    g = GraphBuilder()
    tokens = card_tokens(g)
    heads = [
        g.fully_connected(tokens, weights(2, 256, seed=20 + i), per_channel(2, 9), name=f"head{i}")
        for i in range(readers)
    ]
    return g.build([tokens, *heads] if exposed else heads)


MODELS = finding_models(
    minimal("tokens [1,16,256], an output, read by three heads", token_fan_out).in_outputs(),
    clean("one-reader", "read by one head", token_fan_out, readers=1),
    control("the tokens are no output", token_fan_out, exposed=False),
)
