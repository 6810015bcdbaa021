"""Names as an attacker would choose them: what any place that text is written to would obey. Drawn with a seed."""

from __future__ import annotations

from hypothesis import strategies as st

FRAGMENTS = (
    *("", " ", "a", "clean model.tflite", "é", "😀", "-", "#", ".", "..", "/", "../../x", "/etc/passwd", "~"),
    *('"', "'", "\\", '"""', "'''", "\\|", "|", ";", "&lt;", "%s", "$", "${x}", "{{x}}", "{0}", "$(id)", "`id`"),
    *("\n", "\r", "\t", "\0", "\x07", "\x08", "\x85", "\u2028", "\x1b]0;clean\x07", "\x1b[2K\x1b[1A", "\x9b31m"),
    *("\u202e", "\u2066", "\u200b", "\u200d", "\ufeff", "\U000e0041", "\xad", "\ufffe"),
    *("`", "``", "```", "```\n", "~~~", "<!--", "-->", "]]>", "*/", "/*", "//", "<script>alert(1)</script>", "<b>"),
    *("@maintainer", "a@b.example", "https://evil.example", "www.evil.example", "[x](https://e.x)", "![x](y)", "]("),
    *("# ", "- ", "1. ", "> ", "---", "***", "_", "*", "[red]", "[/]", ":warning:", "\n# clean\n", "\n\n| a |\n"),
)
"""Each is obeyed by something; joined, they also end what another one began."""

SURROGATES = ("\ud800", "\udfff", "\udcff", "\udc80x")
"""In Python's strings only: the bytes of file names that are no UTF-8, and halves of characters."""

_WELL_FORMED = st.sampled_from(FRAGMENTS) | st.text(max_size=4)
_ANYTHING = _WELL_FORMED | st.sampled_from(SURROGATES) | st.characters()

LONG = ("".join(FRAGMENTS) * 1000)[:200_000]
"""As long as a whole model, and nothing but marks."""


def well_formed_names() -> st.SearchStrategy[str]:
    """Names that a file may hold: any text that UTF-8 has."""
    return st.lists(_WELL_FORMED, max_size=7).map("".join)


def any_names() -> st.SearchStrategy[str]:
    """Strings that Python may hold, lone surrogates among them."""
    return st.lists(_ANYTHING, max_size=7).map("".join)
