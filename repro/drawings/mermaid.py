"""A picture of a graph as mermaid, which GitHub draws where an issue's text has it. Pure.

Key insight: a box is known by a name of ours and drawn in a class that says its role; what a model's author wrote is
only ever a label.
"""

from __future__ import annotations

from repro.drawings.picture import Node, NodeKind, Picture
from runner.encoding import mermaid_text

_SHAPES = {
    NodeKind.INPUT: ('(["', '"])'),
    NodeKind.OP: ('["', '"]'),
    NodeKind.OUTPUT: ('(["', '"])'),
    NodeKind.CUT: ('["', '"]'),
}
_CLASSES = {
    "input": "fill:#ddf4ff,stroke:#0969da,color:#0a3069",
    "op": "fill:#f6f8fa,stroke:#57606a,color:#1f2328",
    "output": "fill:#dafbe1,stroke:#1a7f37,color:#0f5323",
    "cut": "fill:none,stroke:none,color:#57606a",
    "wrong": "fill:#ffebe9,stroke:#cf222e,color:#82071e,stroke-width:2px",
    "culprit": "fill:#ffebe9,stroke:#cf222e,color:#82071e,stroke-width:3px,stroke-dasharray:6 3",
}


def to_mermaid(picture: Picture) -> list[str]:
    """The lines of a flowchart, without the fence around them."""
    lines = ["flowchart TD"]
    for node in picture.nodes:
        opening, closing = _SHAPES[node.kind]
        text = "<br>".join(map(mermaid_text, node.text))
        lines.append(f"    {node.id}{opening}{text}{closing}:::{_class(node)}")
    for edge in picture.edges:
        lines.append(f"    {edge.source} --> {edge.target}")
    wrong = [str(number) for number, edge in enumerate(picture.edges) if edge.wrong]
    if wrong:
        lines.append(f"    linkStyle {','.join(wrong)} stroke:#cf222e,stroke-width:3px")
    used = {_class(node) for node in picture.nodes}
    return [*lines, *(f"    classDef {name} {style}" for name, style in _CLASSES.items() if name in used)]


def _class(node: Node) -> str:
    """Which style a box has: its kind's, unless something is wrong with it."""
    if node.culprit:
        return "culprit"
    return "wrong" if node.wrong and node.kind is NodeKind.OUTPUT else str(node.kind)
