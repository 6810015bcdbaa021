"""Functions that a layout names as `module:function`, found beside the layout or on the import path."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.errors import BadInput, ReproError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def _first_on_path(folder: Path) -> Iterator[None]:
    entry = str(folder.resolve())
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        sys.path.remove(entry)


def named_function(layout: Path, name: str) -> Callable[..., Any]:
    """The function `module:function`. Raises BadInput where there is none."""
    module_name, _, function_name = name.partition(":")
    with _first_on_path(layout.parent):
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            raise BadInput(f"layout '{layout}': '{name}' cannot be imported ({error})") from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise BadInput(f"layout '{layout}': module '{module_name}' has no function '{function_name}'")
    return function


def call(layout: Path, name: str, *arguments: Any, **keywords: Any) -> Any:
    """Call a named function; what it raises becomes one line that names it, unless it is already one."""
    function = named_function(layout, name)
    try:
        return function(*arguments, **keywords)
    except ReproError:
        raise
    except ImportError as error:
        raise BadInput(
            f"layout '{layout}': '{name}' needs {error.name or error}; install mali-delegate-repro[convert]"
        ) from error
    except Exception as error:
        raise BadInput(f"layout '{layout}': '{name}' failed: {type(error).__name__}: {error}") from error
