"""A layout's functions are its own neighbours, whatever else in this process bears the name of their module."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import models.dfine
from repro.layouts.named_functions import call, named_function
from repro.layouts.reader import read_layout
from repro.layouts.reference import ReferenceSource
from repro.layouts.walk import prepare
from runner.errors import BadInput, NothingRan
from runner.run import Precision
from tests.repro.layouts import two_graphs

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "two_graphs"
DFINE = Path(models.dfine.__file__).parent


def write(folder: Path, **files: str) -> Path:
    """Python files in a folder, by module path with `__` for the dots; returns a layout in it (never read here)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / (name.replace("__", "/").replace("/init", "/__init__") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / "split.toml"


@pytest.fixture
def repository(tmp_path):
    (tmp_path / ".git").mkdir()
    return tmp_path


def test_two_layouts_with_a_module_of_one_name_get_their_own_each(tmp_path):
    shipped = write(tmp_path / "shipped", build="def which(): return 'shipped'")
    control = write(tmp_path / "control", build="def which(): return 'control'")
    assert [call(layout, "build:which") for layout in (shipped, control, shipped)] == ["shipped", "control", "shipped"]


def test_what_their_modules_import_beside_them_is_their_own_too(tmp_path):
    text = "import helper\ndef which():\n    from late import WORD\n    return helper.WORD + WORD"
    one = write(tmp_path / "one", build=text, helper="WORD = 'a'", late="WORD = '1'")
    two = write(tmp_path / "two", build=text, helper="WORD = 'b'", late="WORD = '2'")
    assert (call(one, "build:which"), call(two, "build:which")) == ("a1", "b2")
    assert "helper" not in sys.modules


def test_one_file_is_one_module_for_every_layout_that_names_it(repository):
    write(repository, build="COUNT = []\ndef count():\n    COUNT.append(1)\n    return len(COUNT)")
    counts = [call(write(repository / name), "build:count") for name in ("a", "b")]
    assert counts == [1, 2]


@pytest.mark.parametrize(
    "statement",
    [
        "from . import factors\nHALF = factors.HALF",
        "from .factors import HALF",
        "from pack.factors import HALF",
        "from pack import factors\nHALF = factors.HALF",
        "import pack.factors\nHALF = pack.factors.HALF",
        "import pack.factors as f\nHALF = f.HALF",
        "from pack.factors import *",
        "from ..factors import HALF",
    ],
)
@pytest.mark.parametrize("kind", ["package", "plain folder"])
def test_modules_of_a_package_beside_the_layout_import_each_other(tmp_path, statement, kind):
    files = {
        "pack__post": f"{statement}\ndef half(): return HALF",
        "pack__factors": "HALF = 0.5",
        "factors": "HALF = 0.5",
    }
    layout = write(tmp_path, **files, **({"pack__init": ""} if kind == "package" else {}))
    assert call(layout, "pack.post:half") == 0.5


@pytest.mark.parametrize("name", ["models", "cases", "runner", "repro"])
@pytest.mark.parametrize("kind", ["package", "plain folder", "module"])
def test_a_name_of_our_own_packages_is_theirs_beside_their_layout(tmp_path, name, kind):
    text = f"from {name}.factors import HALF\nimport {name}.factors\ndef half(): return HALF + {name}.factors.HALF"
    if kind == "module":
        layout = write(tmp_path, **{name: "def half(): return 1.0"})
        assert call(layout, f"{name}:half") == 1.0
        return
    files = {f"{name}__post": text, f"{name}__factors": "HALF = 0.5"}
    layout = write(tmp_path, **files, **({f"{name}__init": ""} if kind == "package" else {}))
    assert call(layout, f"{name}.post:half") == 1.0


def test_their_modules_may_use_ours_where_they_have_none_of_that_name(tmp_path):
    text = "from cases.builder import GraphBuilder\nfrom cases.toy import WORD\ndef both(): return GraphBuilder, WORD"
    layout = write(tmp_path, build=text, cases__init="", cases__toy="WORD = 'theirs'")
    from cases.builder import GraphBuilder

    assert call(layout, "build:both") == (GraphBuilder, "theirs")


def test_the_nearest_folder_up_to_the_repositorys_root_has_the_function(repository):
    write(repository, near="def which(): return 'root'", models__far="def which(): return 'root'")
    layout = write(repository / "a" / "b", near="def which(): return 'beside'")
    write(repository / "a", models__init="")
    assert call(layout, "near:which") == "beside"
    assert call(layout, "models.far:which") == "root"


def test_a_module_beside_the_layout_finds_the_models_of_its_repository(repository):
    write(repository, models__init="", models__encoder="WORD = 'theirs'", tools="WORD = 'tools'")
    text = "from models.encoder import WORD\nimport tools\ndef word(): return WORD, tools.WORD"
    assert call(write(repository / "layouts", build=text), "build:word") == ("theirs", "tools")


def test_a_stray_file_in_the_root_does_not_stand_for_pythons_own(repository):
    write(repository, colorsys="raise RuntimeError('stray')")
    text = "import colorsys\ndef hue(): return colorsys.rgb_to_hsv(1, 0, 0)[0]"
    assert call(write(repository / "layouts", build=text), "build:hue") == 0.0


def test_nothing_is_taken_from_above_the_repository(tmp_path):
    write(tmp_path, outside="def which(): return 'outside'")
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    layout = write(tmp_path / "repository" / "layouts")
    with pytest.raises(BadInput, match=r"no module 'outside' beside it or above it up to '.*/repository', and none is"):
        call(layout, "outside:which")


def test_outside_a_repository_the_current_folder_is_as_far_as_it_goes(tmp_path, monkeypatch):
    write(tmp_path, above="def which(): return 'above'")
    layout = write(tmp_path / "layouts")
    with pytest.raises(BadInput, match=r"no module 'above' beside it, and none is installed"):
        call(layout, "above:which")
    monkeypatch.chdir(tmp_path)
    assert call(Path("layouts/split.toml"), "above:which") == "above"


def test_what_lies_nowhere_near_is_imported_by_name(tmp_path):
    assert call(write(tmp_path), "json:loads", "[1]") == [1]


def test_our_own_layouts_find_our_own_modules_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, models__init="", models__dfine__split="")
    from models.dfine.split import naive_host

    assert named_function(DFINE / "shipped.toml", "models.dfine.split:naive_host") is naive_host
    assert named_function(tmp_path / "elsewhere.toml", "models.dfine.postprocess:decode").__module__ == (
        "models.dfine.postprocess"
    )


WRONG = [
    ("absent:f", {}, r"'absent:f': no module 'absent' beside it, and none is installed"),
    ("models.absent:f", {"models__init": ""}, r"no module 'models.absent' beside it, and none is installed"),
    ("post:f", {"post": "g = 1"}, r"module 'post' \(.*/post\.py\) has no function 'f'"),
    ("post:f", {"post": "f = 1"}, r"module 'post' \(.*/post\.py\) has no function 'f'"),
    ("post:f", {"post": "raise ValueError('two\\nlines')"}, r"'post:f' cannot be imported \(ValueError: two lines\)$"),
    ("post:f", {"post": "import absent_too"}, r"'post:f' cannot be imported \(No module named 'absent_too'\)$"),
    ("p.post:f", {"p__post": "from . import gone"}, r"cannot be imported \(cannot import name 'gone' from 'p' "),
    ("p.post:f", {"p__post": "from .gone import x"}, r"cannot be imported \(No module named 'p.gone'\)$"),
    ("post:f", {"post": "def f(:"}, r"'post:f' cannot be imported \(SyntaxError: .*post\.py, line 1\)\)$"),
    ("post:f", {"post": "exit(0)"}, r"'post:f' cannot be imported \(SystemExit: 0\)$"),
    ("post:f", {"post": "def f(): exit(0)"}, r"'post:f' failed: SystemExit: 0$"),
    ("post:f", {"post": "def f(): 1 / 0"}, r"'post:f' failed: ZeroDivisionError: division by zero$"),
    (
        "post:f",
        {"post": "def f(): import absent_too"},
        r"'post:f' needs absent_too, which cannot be imported here; install it",
    ),
]


@pytest.mark.parametrize(("name", "files", "says"), WRONG)
def test_what_goes_wrong_is_one_line(tmp_path, name, files, says):
    layout = write(tmp_path, **files)
    with pytest.raises(BadInput, match=says) as raised:
        call(layout, name)
    line = str(raised.value)
    assert line.startswith(f"layout '{layout}': ")
    assert "\n" not in line
    assert "beside_" not in line


@pytest.mark.parametrize("source", ["import torch\ndef f(): pass", "def f():\n    import torch.nn"])
def test_without_the_converter_nothing_is_gated_and_the_command_that_brings_it_is_named(tmp_path, monkeypatch, source):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(NothingRan, match=r"'post:f' needs torch.*, which is not installed.* pip install ") as raised:
        call(write(tmp_path, post=source), "post:f")
    assert raised.value.exit_code == 3


def layouts_with_builders(folder: Path) -> tuple[Path, Path]:
    """The worked example, its encoders built by a `build:encoder` of each layout's own folder: shipped and control."""
    shipped, control = folder / "shipped", folder / "control"
    for place, layout, encoder in ((shipped, "split", "encoder"), (control, "naive", "naive_encoder")):
        write(place, build=f"def encoder(precision): return {str(EXAMPLE / encoder) + '.tflite'!r}")
        text = (EXAMPLE / f"{layout}.toml").read_text(encoding="utf-8")
        text = text.replace(f'file = "{encoder}.tflite"', 'builder = "build:encoder"')
        text = text.replace('layout = "naive.toml"', 'layout = "../control/naive.toml"')
        text = text.replace('control_of = "split.toml"', 'control_of = "../shipped/split.toml"')
        (place / f"{layout}.toml").write_text(text, encoding="utf-8")
        for file in ("head.tflite", "naive_head.tflite", "whole.tflite"):
            (place / file).write_bytes((EXAMPLE / file).read_bytes())
    return shipped / "split.toml", control / "naive.toml"


def test_a_control_is_made_by_its_own_builder(tmp_path):
    graphs = two_graphs.files()
    shipped, control = (
        prepare(read_layout(path), None, Precision.FP32, lambda text: None).models["encoder"].data
        for path in layouts_with_builders(tmp_path)
    )
    assert shipped == graphs["encoder.tflite"]
    assert control == graphs["naive_encoder.tflite"]


def test_references_that_are_kept_are_not_handed_to_another_layouts(tmp_path, monkeypatch):
    """Both name `right:chain` with one key; what is kept of the one must not answer for the other."""
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))
    values = []
    for factor in (1.0, 2.0):
        folder = tmp_path / f"times {factor:.0f}"
        write(folder, right=f"def chain(values): return {{'y': values['x'] * {factor}}}\ndef key(): return 'same'")
        for file in EXAMPLE.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        path = folder / "split.toml"
        named = 'chain = "right:chain"\nkey = "right:key"'
        path.write_text(path.read_text(encoding="utf-8").replace('chain = "whole.tflite"', named), encoding="utf-8")
        source = ReferenceSource(read_layout(path), None)
        values.append(float(source.chain({"x": np.ones(1, np.float32)}, dict)["y"][0]))
    assert values == [1.0, 2.0]
