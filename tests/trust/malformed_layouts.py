"""Layouts that are broken in one place each, drawn with a seed from a sound one. Every one of them is malformed.

Key insight: what may be wrong with a document does not depend on what it is about. So each kind of damage takes any
place of its sort (a table, a text, a number, a path), and a seed says which.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Document = dict[str, Any]
Place = tuple[Any, Any]
"""What holds a value, and its key or position there."""


def values(node: Any) -> Iterator[tuple[Any, Any, Any]]:
    """(container, key, value) of everything below a node, but not what is in `parameters`, which may be anything."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(pairs):
        if key != "parameters":
            yield node, key, value
            yield from values(value)


def place_of(document: Document, draw: random.Random, fits: Callable[[Any, Any], bool]) -> Place:
    return draw.choice([(holder, key) for holder, key, value in values(document) if fits(key, value)])


# --- kinds of damage: each changes the document, or the files beside it ----------------------------------


def another_type(document: Document, draw: random.Random, folder: Path) -> None:
    holder, key = place_of(document, draw, lambda key, value: isinstance(key, str) and key != "value")
    was = holder[key]
    others = [7.5, [[]], {"no": "such key"}, True] + ([3] if not isinstance(was, int) else ["3"])
    holder[key] = draw.choice(others)


def a_table_is_missing(document: Document, draw: random.Random, folder: Path) -> None:
    del document[draw.choice(["layout", "inputs", "graph", "thresholds", "control"])]


def a_needed_key_is_missing(document: Document, draw: random.Random, folder: Path) -> None:
    needed = ("name", "inputs", "outputs", "function", "reason", "value", "fp32")
    holder, key = place_of(document, draw, lambda key, value: key in needed)
    del holder[key]


def an_unknown_key(document: Document, draw: random.Random, folder: Path) -> None:
    tables = [value for _, key, value in values(document) if isinstance(value, dict) and key != "shapes"]
    draw.choice([document, *tables])[draw.choice(["nmae", "Value", "", "a.b", "\u202e"])] = "x"


def the_parts_form_a_circle(document: Document, draw: random.Random, folder: Path) -> None:
    parts = document["graph"] + document.get("host", [])
    first, second = draw.sample(parts, 2)
    first["inputs"], second["inputs"] = [*second["outputs"][:1]], [*first["outputs"][:1]]


def two_parts_give_one_tensor(document: Document, draw: random.Random, folder: Path) -> None:
    first, second = draw.sample(document["graph"] + document.get("host", []), 2)
    first["outputs"] = [*first["outputs"], second["outputs"][0]]


def two_parts_have_one_name(document: Document, draw: random.Random, folder: Path) -> None:
    first, second = draw.sample(document["graph"] + document.get("host", []), 2)
    first["name"] = second["name"]


def a_tensor_comes_from_nowhere(document: Document, draw: random.Random, folder: Path) -> None:
    part = draw.choice(document["graph"])
    part["inputs"] = [*part["inputs"], "from nowhere"]


def an_absurd_number(document: Document, draw: random.Random, folder: Path) -> None:
    """Of the sizes, the inputs and the thresholds; each is absurd where it is put."""
    absurd = {
        ("layout", "sizes"): [[0], [-1], [10**30 * -1], [1.5]],
        ("inputs", "count"): [0, -3, 10**9, 10**40],
        ("inputs", "seed"): [-1, -(10**30)],
    }
    (table, key), choices = draw.choice(list(absurd.items()))
    document[table][key] = draw.choice(choices)
    if key == "seed":
        draw_inputs(document)


def draw_inputs(document: Document) -> None:
    document["inputs"].pop("files", None)
    document["inputs"].pop("loader", None)
    document["inputs"].setdefault("shapes", {"image": [1, 160, 160, 3]})


def an_absurd_shape(document: Document, draw: random.Random, folder: Path) -> None:
    draw_inputs(document)
    shapes = document["inputs"]["shapes"]
    name = draw.choice(list(shapes))
    shapes[name] = draw.choice([[0], [-1, 3], [1 << 40, 1 << 40], [10**40], [1] * 65, [1 << 31, 2, 3], [2**63]])


def a_threshold_that_is_no_number(document: Document, draw: random.Random, folder: Path) -> None:
    limits = [limit for _, _, limit in values(document["thresholds"]) if isinstance(limit, dict) and "value" in limit]
    draw.choice(limits)["value"] = draw.choice([float("nan"), float("-inf"), float("inf"), "0.9", True, [0.9]])


def a_threshold_that_nothing_is_beyond(document: Document, draw: random.Random, folder: Path) -> None:
    limits = {
        key: limit for _, key, limit in values(document["thresholds"]) if isinstance(limit, dict) and "value" in limit
    }
    draw.choice(list(limits.values()))["value"] = draw.choice([-1, -1e300, -0.001])


def a_path_that_is_no_file(document: Document, draw: random.Random, folder: Path) -> None:
    """A folder, a loop of links, a NUL, nothing, a name that is too long, the whole disk."""
    (folder / "loop.tflite").symlink_to("loop.tflite")
    (folder / "folder.tflite").mkdir()
    wrong = draw.choice(
        ["folder.tflite", "loop.tflite", "a\0b.tflite", "absent.tflite", "x" * 5000 + ".tflite", "/", "", "../.."]
    )
    where = draw.choice(["file", "input", "control", "chain", "residual"])
    if where == "file":
        part = draw.choice(document["graph"])
        part.pop("builder", None)
        part["file"] = wrong
    elif where == "input":
        document["inputs"].pop("shapes", None)
        document["inputs"]["files"] = [wrong]
    elif where == "control":
        document["control"]["layout"] = wrong
    elif where == "chain":
        document.setdefault("reference", {})["chain"] = wrong if wrong.endswith(".tflite") else "absent.tflite"
    else:
        tensor = document["graph"][0]["outputs"][0]
        document["residual"] = [{"tensor": tensor, "subtract": f"{wrong}.npy", "reason": "drawn"}]


def a_file_outside_that_is_no_model(document: Document, draw: random.Random, folder: Path) -> None:
    part = draw.choice(document["graph"])
    part.pop("builder", None)
    part["file"] = draw.choice(["/etc/passwd", "../../../../etc/hostname", "/proc/self/status", "layout.toml"])
    for other in document["graph"]:  # so that this one is read, and nothing is built before
        other.pop("builder", None)
        other.setdefault("file", part["file"])
    draw_inputs(document)


def a_function_that_is_no_name(document: Document, draw: random.Random, folder: Path) -> None:
    wrong = draw.choice(["os.system", "os:system('id')", ":", "a:b:c", "../x:f", "a b:c", "\0:f", "x" * 9000, "é:"])
    document["graph"][0].pop("file", None)
    document["graph"][0]["builder"] = wrong


def no_toml(document: Document, draw: random.Random, folder: Path) -> None:
    """Marked for `written`: text that is no TOML."""
    document["\0text"] = draw.choice(["[", "a = ", "\x00", "[layout]\nname = 'a'\nname = 'b'", "x = [" * 5000, "{}"])


def no_utf8(document: Document, draw: random.Random, folder: Path) -> None:
    document["\0bytes"] = draw.choice([b"\xff\xfe[\x00", b"# \xe9\n", bytes(range(256)), b"\x80" * 2_000_000])


KINDS = (
    another_type,
    a_table_is_missing,
    a_needed_key_is_missing,
    an_unknown_key,
    the_parts_form_a_circle,
    two_parts_give_one_tensor,
    two_parts_have_one_name,
    a_tensor_comes_from_nowhere,
    an_absurd_number,
    an_absurd_shape,
    a_threshold_that_is_no_number,
    a_threshold_that_nothing_is_beyond,
    a_path_that_is_no_file,
    a_file_outside_that_is_no_model,
    a_function_that_is_no_name,
    no_toml,
    no_utf8,
)


def malformed(sound: Document, kind: Callable[[Document, random.Random, Path], None], seed: int, folder: Path) -> Path:
    """A copy of the sound document with one damage, written into the folder as layout.toml."""
    import tomlkit

    document = copy.deepcopy(sound)
    kind(document, random.Random(f"{kind.__name__} {seed}"), folder)
    path = folder / "layout.toml"
    if "\0bytes" in document:
        path.write_bytes(document["\0bytes"])
    else:
        path.write_text(document.get("\0text") or tomlkit.dumps(document), encoding="utf-8")
    return path
