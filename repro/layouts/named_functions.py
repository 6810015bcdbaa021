"""Functions that a layout names as `module:function`: the layout's own neighbours first, then what is installed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from repro import own_packages
from repro.layouts.neighbours import find_beside, load, search_folders, with_plain_names
from runner.errors import BadInput, NothingRan, ReproError
from runner.installation import converter_install, is_of_converter


def named_function(layout: Path, name: str) -> Callable[..., Any]:
    """The function `module:function`. Raises BadInput where there is none."""
    module_name, _, function_name = name.partition(":")
    module = _module(layout, name)
    function = getattr(module, function_name, None)
    if not callable(function):
        raise BadInput(
            f"layout '{layout}': module '{module_name}' ({module.__file__}) has no function '{function_name}'"
        )
    return function


def home(layout: Path, name: str) -> str:
    """The folder beside or above the layout that a function comes from; empty for one that is imported by name."""
    return str(find_beside(layout.parent, name.partition(":")[0]) or "")


def call(layout: Path, name: str, *arguments: Any, **keywords: Any) -> Any:
    """Call a named function; what it raises becomes one line that names it, unless it is already one."""
    function = named_function(layout, name)
    try:
        return function(*arguments, **keywords)
    except ReproError:
        raise
    except ImportError as error:
        raise _lacking(layout, name, error) from error
    except (Exception, SystemExit) as error:
        raise BadInput(f"layout '{layout}': '{name}' failed: {type(error).__name__}: {_one_line(error)}") from error


def _module(layout: Path, name: str) -> ModuleType:
    module_name = name.partition(":")[0]
    folder = find_beside(layout.parent, module_name)
    try:
        return _by_name(module_name) if folder is None else load(folder, module_name)
    except ReproError:
        raise
    except ImportError as error:
        if is_of_converter(error):
            raise _lacking(layout, name, error) from error
        if folder is None and _lacks(module_name, error):
            looked = search_folders(layout.parent)
            upwards = f" or above it up to '{looked[-1]}'" if len(looked) > 1 else ""
            raise BadInput(
                f"layout '{layout}': '{name}': no module '{module_name}' beside it{upwards}, and none is installed"
            ) from error
        raise BadInput(f"layout '{layout}': '{name}' cannot be imported ({_one_line(error)})") from error
    except (Exception, SystemExit) as error:
        raise BadInput(
            f"layout '{layout}': '{name}' cannot be imported ({type(error).__name__}: {_one_line(error)})"
        ) from error


def _lacking(layout: Path, name: str, error: ImportError) -> ReproError:
    """What to install. Only what is known to be missing here, and no mistake of the layout, is nothing to run with."""
    if is_of_converter(error):
        return NothingRan(
            f"layout '{layout}': '{name}' needs {error.name}, which is not installed, so nothing was gated; install it:"
            f" {converter_install()}"
        )
    missing = with_plain_names(error.name or _one_line(error))
    return BadInput(f"layout '{layout}': '{name}' needs {missing}, which cannot be imported here; install it")


def _by_name(module: str) -> ModuleType:
    top = module.partition(".")[0]
    if top in own_packages.NAMES:
        own_packages.claim(top)
    return importlib.import_module(module)


def _lacks(module: str, error: ImportError) -> bool:
    """Whether the module itself is what could not be found, not something that it imports."""
    return isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}.")


def _one_line(error: BaseException) -> str:
    return with_plain_names(" ".join(str(error).split()))
