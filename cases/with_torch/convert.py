"""A case as the bytes of a .tflite: written directly, or through litert-torch and cached by content.

The cache key is made from the case's name, seed, shapes, the source of the module that builds it and
the converter's version, so that an unchanged case is found without importing torch.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from cases.case import Case, ModuleSource
from cases.tflite.write import write_tflite
from cases.with_torch.shipped import shipped_path
from runner import memory
from runner.cache import cache_root, is_whole_entry, make_folder, write_entry
from runner.errors import BadInput
from runner.installation import converter_install

CONVERTER = "litert-torch"


@functools.cache
def has_converter() -> bool:
    """Whether litert-torch is installed, and with it torch."""
    return importlib.util.find_spec("litert_torch") is not None


@functools.cache
def converter_version() -> str:
    """Version of litert-torch. Raises BadInput where it is not installed."""
    try:
        return version(CONVERTER)
    except PackageNotFoundError as error:
        raise BadInput(
            f"{CONVERTER} is not installed, and this case is not converted yet; install it: {converter_install()}"
        ) from error


@functools.cache
def _source(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


def module_key(case: Case) -> str:
    """Content key of a module case. Raises ValueError for a case that is a graph."""
    return hashlib.sha256("\n".join((*made_from(case), converter_version())).encode()).hexdigest()[:24]


def made_from(case: Case) -> tuple[str, ...]:
    """All that a conversion depends on but for the converter. Raises ValueError for a case that is a graph."""
    if case.module is None:
        raise ValueError(f"{case.name} is a graph, not a module")
    source = inspect.getsourcefile(inspect.unwrap(_plain(case.module)))
    return (case.name, str(case.seed), repr(case.module.input_shapes), _source(str(source)))


def _plain(module: ModuleSource) -> Callable[..., Any]:
    build = module.build
    return build.func if isinstance(build, functools.partial) else build


def converted_path(case: Case) -> Path:
    """Where the converted model of a module case is, or will be."""
    return cache_root() / "converted" / f"{case.name.replace('/', '--')}-{module_key(case)}.tflite"


def is_converted(case: Case) -> bool:
    """Whether its bytes are there already: it is a graph, in the cache, or came with the wheel."""
    return case.module is None or (has_converter() and is_whole_entry(converted_path(case))) or _shipped(case).is_file()


def _shipped(case: Case) -> Path:
    return shipped_path(case, made_from(case))


def model_bytes(case: Case) -> bytes:
    """The .tflite of a case; a module case is converted on first use (seconds) and then cached.

    Raises BadInput where the convert extra is missing, TooMuchMemory for a file that would not fit.
    """
    if case.file is not None:
        return memory.read_file(case.file)
    if case.graph is not None:
        return write_tflite(case.graph())
    if not has_converter() and _shipped(case).is_file():
        return _shipped(case).read_bytes()
    path = converted_path(case)
    if not is_whole_entry(path):
        convert_module(case, path)
    return path.read_bytes()


def convert_module(case: Case, path: Path) -> None:
    """Convert a module case with litert-torch (fp32) into `path`, atomically."""
    import torch

    assert case.module is not None
    _need_converter()
    module = case.module.build(case.seed).eval()
    _export(module, tuple(torch.zeros(shape) for shape in case.module.input_shapes), path)


def _need_converter() -> None:
    converter_version()
    if importlib.util.find_spec("litert_torch") is None:
        raise BadInput(f"{CONVERTER} is installed but cannot be imported; install it again: {converter_install()}")


def _export(module: Any, examples: tuple[Any, ...], path: Path) -> None:
    make_folder(path.parent)
    # Two processes may convert the same case at once: each has its own scratch files, and one result stays.
    scratch = path.with_suffix(f".{os.getpid()}.part.tflite")
    with _quiet(path.with_suffix(f".{os.getpid()}.log")):
        import litert_torch

        litert_torch.convert(module, examples).export(str(scratch))
    write_entry(path, scratch.read_bytes())
    scratch.unlink()


@contextmanager
def _quiet(log: Path) -> Iterator[None]:
    """Send what the converter (C++ and Python) prints to a log file that stays only if it fails."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    with log.open("wb") as file:
        try:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, number)
                os.close(copy)
    log.unlink()
