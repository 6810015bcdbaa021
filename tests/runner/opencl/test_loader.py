"""The loader library: what the device says of itself, what fills new memory, what programs are built with and kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.c_compiler import build_library
from runner.errors import BadInput
from runner.opencl.drivers import OpenClDriver
from runner.opencl.loader import NEUTRAL, LoaderSettings, presented_device

SOURCE = "__kernel void f(__global float *out) { out[get_global_id(0)] = GIVEN + get_global_id(0); }"
WITH_BARRIER = SOURCE.replace("{ ", "{ barrier(CLK_LOCAL_MEM_FENCE); ")


def seen(driver: OpenClDriver, settings: LoaderSettings, source: str = SOURCE, **variables: str) -> dict[str, Any]:
    """What a small OpenCL program sees under these settings."""
    environment = {**driver.environment(os.environ), **settings.environment(), **variables}
    script = Path(__file__).with_name("opencl_program.py")
    child = subprocess.run(
        [sys.executable, str(script), source], env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert child.returncode == 0, child.stderr
    told: dict[str, Any] = json.loads(child.stdout)
    return told


def test_a_cpu_is_a_gpu_of_no_vendor(pocl: OpenClDriver):
    told = seen(pocl, LoaderSettings())
    assert (told["name"], told["vendor"], told["version"]) == (NEUTRAL.name, NEUTRAL.vendor, NEUTRAL.version)
    assert told["compute_units"] == NEUTRAL.compute_units
    assert told["results"] == [1, 2, 3, 4]


def test_another_device_is_presented_with_its_vendors_words(pocl: OpenClDriver):
    told = seen(pocl, LoaderSettings(presented_device("Mali-G715")))
    assert (told["name"], told["vendor"], told["compute_units"]) == ("Mali-G715", "ARM", 7)
    assert "r38p1" in told["version"]


def test_another_loader_that_the_dynamic_linker_finds_first_is_not_taken(pocl: OpenClDriver, tmp_path: Path):
    source = tmp_path / "empty.c"
    source.write_text("int nothing;\n", encoding="utf-8")
    build_library("an empty OpenCL loader", [source], tmp_path / "libOpenCL.so.1", [])
    assert seen(pocl, LoaderSettings(), LD_LIBRARY_PATH=str(tmp_path))["results"] == [1, 2, 3, 4]


def test_a_real_gpus_own_words_are_left(pocl: OpenClDriver):
    told = seen(pocl, LoaderSettings(device=None))
    assert told["name"].startswith(pocl.device)
    assert told["vendor"] != NEUTRAL.vendor
    assert LoaderSettings(device=None).note == ""


@pytest.mark.parametrize("word", [0x7FC00000, 0, 0x11223344])
def test_new_memory_is_filled_to_its_last_byte(pocl: OpenClDriver, word: int):
    pattern = word.to_bytes(4, "little")
    told = seen(pocl, LoaderSettings(fill=word))
    assert told["untouched"] == (pattern * 4 + pattern[:1] * 2).hex()


def test_build_options_are_replaced_or_left(pocl: OpenClDriver):
    assert seen(pocl, LoaderSettings(build_options="-DGIVEN=5"))["results"] == [5, 6, 7, 8]
    assert seen(pocl, LoaderSettings(build_options=""))["built"] != 0
    assert seen(pocl, LoaderSettings())["options"] == ["-DGIVEN=1"]


def test_only_programs_with_a_barrier_are_built_with_more(pocl: OpenClDriver):
    more = {"REPRO_CL_BARRIER_OPTIONS": "-cl-opt-disable"}
    assert seen(pocl, LoaderSettings(), WITH_BARRIER, **more)["options"] == ["-DGIVEN=1", "-cl-opt-disable"]
    assert seen(pocl, LoaderSettings(), **more)["options"] == ["-DGIVEN=1"]


def test_the_source_of_each_program_is_kept_and_what_it_was_built_with(pocl: OpenClDriver, tmp_path: Path):
    seen(pocl, LoaderSettings(kernels=tmp_path))
    kept = {file.name: file.read_text(encoding="utf-8") for file in tmp_path.iterdir()}
    assert kept == {"program-0000.cl": SOURCE, "program-0000.options": "-DGIVEN=1\n"}


@pytest.mark.parametrize(
    ("name", "vendor", "version"),
    [
        ("Mali-G610 r0p0", "ARM", "v1.r38p1"),
        ("Adreno (TM) 740", "QUALCOMM", "Adreno(TM) 740"),
        ("PowerVR Rogue GE8320", "Imagination Technologies", "OpenCL 3.0"),
        ("Samsung Xclipse 940", "Samsung Electronics Co., Ltd.", "OpenCL 3.0"),
    ],
)
def test_a_name_brings_what_its_vendors_drivers_say(name: str, vendor: str, version: str):
    device = presented_device(name)
    assert (device.name, device.vendor) == (name, vendor)
    assert version in device.version


@pytest.mark.parametrize("name", ["", "Foo", "GeForce", "Mali\n"])
def test_what_no_device_is_called_is_refused(name: str):
    with pytest.raises(BadInput):
        presented_device(name)


def test_every_setting_that_changes_a_result_is_said(tmp_path: Path):
    assert LoaderSettings(kernels=tmp_path).note == ""
    all_of_them = LoaderSettings(presented_device("Mali-G610"), build_options="", fill=0x7FC00000)
    assert all_of_them.note == "named Mali-G610, not a Mali, built with '', new memory filled with 7FC00000"
    assert replace(all_of_them, device=NEUTRAL).note.startswith("built with ''")
