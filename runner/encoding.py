r"""A stranger's text, written so that it stays a text: one encoder per place that text is written to.

Key insight: tensor, op, signature, model and adapter names, log lines and what people write into TOML come from
strangers, and each place obeys other characters: a terminal ESC, markdown a backtick, Python a quote, XML no NUL at
all. So nobody escapes by hand: whoever writes names the place. For programs (literals, JSON, TOML, a shell) a text
comes back exactly as it was. For people (terminal, comments, markdown, HTML, XML) each character that cannot be
printed is its escape (`\x1b`, `\u202e`), so that a text takes one line, cannot turn or hide what stands beside it, and
two texts that differ look different unless one spells an escape; and it is short, but for logs in XML.

Lone surrogates, which are how Python holds the bytes of a file name that are no UTF-8, are in no encoding of text:
they are written as their escape, six characters, everywhere but in source code, which can say them.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

LINE = 2000
"""Characters of one line for people; the longest of our own sentences have some 600."""
NAME = 120
"""Characters of a name in a sentence, whose end must be read too."""
_FILE_NAME_BYTES = 200
"""Of the 255 that file systems take, which leaves room for what temporary files put around a name."""

_NOT_A_LABEL = re.compile(r"[^A-Za-z0-9 .,:+*/=\-_'()\[\]]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def escaped(character: str) -> str:
    r"""One character as Python and most others would write it: `\n`, `\x1b`, `\u202e`, `\U000e0001`."""
    return repr(character)[1:-1] if not character.isprintable() else f"\\{character}"


# --- for people ---------------------------------------------------------------------------------------------------


def printable(text: str) -> str:
    """The text on one line, without a character that a terminal, a viewer or an editor would obey."""
    return text if text.isprintable() else "".join(c if c.isprintable() else escaped(c) for c in text)


def one_line(text: str, limit: int = LINE) -> str:
    """The text for a terminal: printable, and at most `limit` long; a text that is cut says how long it was."""
    if len(text) <= limit and len(whole := printable(text)) <= limit:
        return whole
    note = f" [... {len(text):,} characters in all ...] "
    tail = (limit - len(note)) // 3
    # What is printable is never shorter, so that no more of the text than this can show.
    return printable(text[:limit])[: limit - len(note) - tail] + note + printable(text[-limit:])[-tail:]


def shown_name(text: str) -> str:
    """A name inside a sentence for people."""
    return one_line(text, NAME)


def html_text(text: str) -> str:
    """Text of a page, or an attribute's value in quotes."""
    return html.escape(one_line(text))


def xml_text(text: str) -> str:
    """Text of XML, whose writer escapes its own marks. Line ends and tabs stay: they are a log's."""
    return "".join(c if c.isprintable() or c in "\t\r\n" else escaped(c) for c in text)


# --- for programs -------------------------------------------------------------------------------------------------


def well_formed(text: str) -> str:
    r"""The text as UTF-8 can hold it: a lone surrogate becomes its escape, `\udcff`."""
    return _SURROGATE.sub(lambda found: escaped(found[0]), text)


def path_label(path: PurePath) -> str:
    """A file's own name, as text that can be kept: what a model is called after it was read."""
    return well_formed(path.name)


def json_text(value: Any, *, ascii_only: bool = True, **options: Any) -> str:
    """JSON that every parser reads. ascii_only: nothing but printable ASCII, which no terminal obeys.

    options: of `json.dumps`. Raises ValueError for NaN and infinity unless they are allowed, TypeError for what JSON
    cannot hold.
    """
    text = json.dumps(value, **{"ensure_ascii": False, "allow_nan": False, **options})
    text = _SURROGATE.sub(lambda found: rf"\{escaped(found[0])}", text)
    return re.sub(r"[^\n -~]+", lambda found: _utf_16_escapes(found[0]), text) if ascii_only else text


def sarif_message(text: str) -> str:
    """A message of SARIF for people, in which `[text](target)` would be a link and `{0}` a placeholder."""
    return one_line(text).replace("](", "] (").replace("{", "{{").replace("}", "}}")


def python_literal(text: str) -> str:
    """A string literal of Python in double quotes. Exact, also of lone surrogates."""
    return _literal(text, escaped)


def python_docstring(text: str) -> str:
    r"""Text inside a docstring of three double quotes."""
    return re.sub(r'"(?=""|$)', r"\"", one_line(text).replace("\\", r"\\"))


def kotlin_literal(text: str) -> str:
    """A string literal of Kotlin, where `$` would begin a template. Exact."""
    return _literal(text, lambda c: f"\\{c}" if c.isprintable() else _utf_16_escapes(c), special='"\\$')


def code_comment(text: str) -> str:
    """The rest of a line behind `#` or `//`. Not for a block comment."""
    return one_line(text)


def toml_literal(text: str) -> str:
    """A basic string of TOML."""
    return _literal(well_formed(text), lambda c: f"\\{c}" if c.isprintable() else f"\\U{ord(c):08x}")


def shell_command(words: Sequence[str]) -> str:
    """A command line for a POSIX shell in which every word is inert. A NUL, which no word can hold, is its escape."""
    return shlex.join(word.replace("\0", escaped("\0")) for word in words)


def url(text: str) -> str:
    """An address in which nothing can end a markdown link or an attribute."""
    return re.sub(r"&(?=#?\w+;)", "%26", quote(printable(text), safe="/:@!$&'*+,;=?#%~-._"))


def file_name(text: str) -> str:
    """The name of one file or folder: no path, not hidden, no wild bytes, not too long. A plain name stays as it is."""
    name = printable(text).replace("/", "--")
    name = f"_{name}" if not name or name.startswith((".", "-")) else name
    data = name.encode()
    if len(data) <= _FILE_NAME_BYTES:
        return name
    mark = hashlib.sha256(data).hexdigest()[:16]
    return f"{data[: _FILE_NAME_BYTES - len(mark) - 1].decode(errors='ignore')}-{mark}"


def is_inside(path: str) -> bool:
    """Whether a text can be the path of an archive's member as it is: relative, printable, and never up."""
    return len(path) <= LINE and all(part == file_name(part) for part in path.split("/"))


def _literal(text: str, escape: Callable[[str], str], special: str = '"\\') -> str:
    return '"' + "".join(c if c.isprintable() and c not in special else escape(c) for c in text) + '"'


def _utf_16_escapes(text: str) -> str:
    data = text.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[i : i + 2].hex()}" for i in range(0, len(data), 2))


# --- markdown -----------------------------------------------------------------------------------------------------

_HARMLESS = re.compile(r"[^\W_](?:[^\W_]|[ .,;:!?()'\"+=/%-]|(?<=[^\W_])(?:_+|@)(?=[^\W_])|[<>](?=[\d=]))*")
_ADDRESS = re.compile(r"://|www\.|@[\w-]+\.\w", re.IGNORECASE)
_CODE_SPAN = re.compile(r"(?<![`\\])(`+)(?!`)(?:.*?[^`])?\1(?!`)")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_MENTION = re.compile(r"(?<!\w)@[\w/@-]+")
_BLOCK = re.compile(r"(?=#|>|[-+*_=]+(?:\s|$)|~{3})|(\d+)(?=[.)](?:\s|$))")


def code_span(text: str, limit: int = NAME) -> str:
    """A name in markdown, as code: no mark, link, mention or tag in it works."""
    name = one_line(text, limit)
    fence = "`" * (_longest_run(name) + 1)
    pad = " " if name.strip(" ") and not {name[0], name[-1]}.isdisjoint("` ") else ""
    return f"{fence}{pad}{name}{pad}{fence}" if name else "(empty)"


def markdown_text(text: str) -> str:
    """A stranger's words in a markdown sentence: as they are where nothing in them is a mark, else as code."""
    tame = _HARMLESS.fullmatch(text.replace("~", "-", 1)) and not _ADDRESS.search(text) and not _BLOCK.match(text)
    return text if not text or (tame and len(text) <= LINE) else code_span(text, LINE)


def markdown_prose(text: str) -> str:
    """An author's sentences, which may hold code, emphasis and links: no tag, mention or block begins in them."""
    parts, end, text = [], 0, one_line(text)
    # Three backticks at the beginning are no code of a sentence but a block's fence.
    for span in () if text.startswith("```") else _CODE_SPAN.finditer(text):
        parts += [_inert(text[end : span.start()]), span[0]]
        end = span.end()
    said = "".join([*parts, _inert(text[end:])])
    return _BLOCK.sub(lambda found: f"{found[1] or ''}\\", said, count=1) if _BLOCK.match(said) else said


def markdown_cell(markdown: str) -> str:
    """Markdown inside a cell of a table, where a bar would end the cell."""
    return markdown.replace("|", r"\|")


def fenced(lines: Sequence[str], language: str = "") -> str:
    """Lines of code, or for people, as a block which nothing in them can end. Each is encoded already."""
    text = "\n".join(lines)
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def mermaid_text(text: str) -> str:
    """A label between quotes in mermaid, which draws HTML: all but letters, digits and a few marks goes by number."""
    label = _NOT_A_LABEL.sub(lambda found: f"#{ord(found[0])};", one_line(text))
    # Two dollars would begin a formula and \n a new line, by number too: a joiner that takes no room is put between.
    return re.sub("(#36;(?=#36;)|#92;(?=n))", r"\1#8288;", label)


def _inert(text: str) -> str:
    """Prose between two code spans; a backtick that is left there would pair with one of a name's."""
    text = _TAG.sub(r"\\<", re.sub(r"\\*`", r"\\`", text))
    return _MENTION.sub(lambda found: f"`{found[0]}`", text)


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
