"""A picture of a graph as mermaid, which GitHub draws where an issue's text has it. Pure.

Key insight: mermaid has a syntax of its own inside its quotes, and draws HTML. So a text keeps only what mermaid takes
for text, and every other character is its number, `#35;`, which it shows as the character.
"""

from __future__ import annotations

import re

from repro.drawings.picture import NodeKind, Picture

_PLAIN = re.compile(r"[^A-Za-z0-9 .,:+*/=\-_'()\[\]]")
_SHAPES = {
    NodeKind.INPUT: ('(["', '"])'),
    NodeKind.OP: ('["', '"]'),
    NodeKind.OUTPUT: ('(["', '"])'),
    NodeKind.CUT: ('["', '"]'),
}
_CLASSES = (
    "    classDef input fill:#ddf4ff,stroke:#0969da,color:#0a3069",
    "    classDef op fill:#f6f8fa,stroke:#57606a,color:#1f2328",
    "    classDef output fill:#dafbe1,stroke:#1a7f37,color:#0f5323",
    "    classDef cut fill:none,stroke:none,color:#57606a",
    "    classDef wrong fill:#ffebe9,stroke:#cf222e,color:#82071e,stroke-width:2px",
    "    classDef culprit fill:#ffebe9,stroke:#cf222e,color:#82071e,stroke-width:3px,stroke-dasharray:6 3",
)


def mermaid_text(text: str) -> str:
    """A label's text: letters, digits and a few marks as they are, all else by number."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return _PLAIN.sub(lambda found: f"#{ord(found[0])};", shown)


def to_mermaid(picture: Picture) -> str:
    """Lines of a mermaid flowchart, without the fence around them and without a line end behind them."""
    lines = ["flowchart TD"]
    for node in picture.nodes:
        opening, closing = _SHAPES[node.kind]
        text = "<br>".join(map(mermaid_text, node.text))
        kind = "culprit" if node.culprit else "wrong" if node.wrong and node.kind is NodeKind.OUTPUT else str(node.kind)
        lines.append(f"    {node.id}{opening}{text}{closing}:::{kind}")
    for edge in picture.edges:
        lines.append(f"    {edge.source} --> {edge.target}")
    wrong = [str(number) for number, edge in enumerate(picture.edges) if edge.wrong]
    if wrong:
        lines.append(f"    linkStyle {','.join(wrong)} stroke:#cf222e,stroke-width:3px")
    used = {line.rpartition(":::")[2] for line in lines if ":::" in line}
    return "\n".join([*lines, *(one for one in _CLASSES if one.split()[1] in used)])
