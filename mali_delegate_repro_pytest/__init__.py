"""The pytest plugin of mali-delegate-repro: models and layouts of a project as tests, and a fixture to check a model.

    [tool.pytest.ini_options]
    repro_models = ["models/*.tflite"]
    repro_layouts = ["layouts/*.toml"]

Key insight: this runs in the user's test process, whose `models`, `cases`, `runner` and even `repro` may be theirs, and
which a crash of a driver must not take along. So this package imports nothing of the project that it belongs to. It
asks the tool in a process of its own (`repro.for_pytest`), which stays open, and for layouts the `repro gate` command.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mali_delegate_repro_pytest.fixture import delegate
from mali_delegate_repro_pytest.items import LayoutFile, ModelFile
from mali_delegate_repro_pytest.settings import PRECISIONS, SETTINGS, read_settings

__all__ = ["delegate"]

_EVERYTHING = "mali_delegate_repro_runs_everything"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mali-delegate-repro")
    group.addoption(
        "--repro-target",
        action="append",
        help="Where models and layouts run (repeatable): gpu, gpu:lavapipe, cpu, adb, ... Over repro_targets.",
    )
    group.addoption("--repro-precision", choices=list(PRECISIONS), help="In which precision. Over repro_precision.")
    parser.addini(
        "repro_models", "Patterns of .tflite files, from the root of the project; each is a test.", "linelist"
    )
    parser.addini("repro_layouts", "Patterns of layouts for `repro gate`, from the root; each is a test.", "linelist")
    parser.addini(
        "repro_targets", "Where models and layouts run. Default: models on gpu, layouts as they say.", "linelist"
    )
    parser.addini("repro_precision", "fp32, fp16 or both. Default: fp32, layouts as `repro gate` does.", default="")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "repro: a model or a layout that is judged on the GPU delegate")
    settings = read_settings(config)
    config.stash[SETTINGS] = settings
    # Files too that lie outside of testpaths; here and not at collection, so that pytest-xdist's workers are told.
    if _runs_everything(config):
        folders = [Path(argument.partition("::")[0]).resolve() for argument in config.args]
        config.args += [str(path) for path in settings.files if not any(path.is_relative_to(f) for f in folders)]


def _runs_everything(config: pytest.Config) -> bool:
    """Whether the command line names nothing that is to run, in a worker of pytest-xdist that of its controller."""
    told: dict[str, Any] = getattr(config, "workerinput", {})
    return bool(told.get(_EVERYTHING, config.args_source is not pytest.Config.ArgsSource.ARGS))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """pytest-xdist begins a worker."""
    node.workerinput[_EVERYTHING] = _runs_everything(node.config)


def pytest_sessionstart(session: pytest.Session) -> None:
    settings = session.config.stash[SETTINGS]
    if settings.precision not in (None, *PRECISIONS):
        raise pytest.UsageError(f"repro_precision: '{settings.precision}' is none of {', '.join(PRECISIONS)}")
    # A pattern that matches nothing would be no test, and green.
    if settings.lost and _runs_everything(session.config):
        raise pytest.UsageError("; ".join(settings.lost))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config) -> None:
    """Each file was met, also where pytest enters its folder by itself. What --lf leaves out was met."""
    if not _runs_everything(config):
        return
    settings = config.stash[SETTINGS]
    for path in settings.files:
        if path not in settings.met:
            raise pytest.UsageError(f"{path} was not collected: pytest does not enter its folder; name it in testpaths")


def pytest_unconfigure(config: pytest.Config) -> None:
    if SETTINGS in config.stash:
        config.stash[SETTINGS].tool.close()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    settings = parent.config.stash[SETTINGS]
    path = file_path.resolve()
    kind = ModelFile if path in settings.models else LayoutFile if path in settings.layouts else None
    settings.met.add(path)
    # Below the session: below a folder with an __init__.py, pytest would import that before it runs a model.
    return None if kind is None else kind.from_parent(parent.session, path=file_path)
