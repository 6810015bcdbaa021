"""OpenCL drivers: what they are called, and that a worker sees one of them and no other."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from runner.opencl.drivers import (
    OpenClDriver,
    computes_on_cpu,
    device_name,
    driver_name,
    is_of,
    is_opencl,
    opencl_drivers,
)
from runner.run import Precision


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("pthread-skylake-avx512-Intel(R) Xeon(R) Processor", "pthread"),
        ("cpu-haswell-AMD EPYC", "cpu"),
        ("Oclgrind Simulator", "Oclgrind Simulator"),
        ("llvmpipe (LLVM 19)", "llvmpipe (LLVM 19)"),
    ],
)
def test_a_devices_name_is_without_the_processor_that_it_found(said: str, name: str):
    assert device_name(said) == name


@pytest.mark.parametrize(
    ("key", "platform", "version", "name"),
    [
        (
            "pocl",
            "OpenCL 3.0 PoCL 3.1+debian  Linux, RELOC, LLVM 15.0.6, SLEEF",
            "3.1+debian",
            "PoCL 3.1 (LLVM 15.0.6)",
        ),
        ("pocl", "OpenCL 3.0 PoCL unheard of", "9.9", "PoCL 9.9"),
        ("oclgrind", "OpenCL 1.2 (Oclgrind 21.10)", "Oclgrind 21.10", "Oclgrind 21.10"),
        ("rusticl", "OpenCL 3.0 ", "25.0.7-2", "Rusticl Mesa 25.0.7-2"),
        ("opencl-nvidia", "OpenCL 3.0 CUDA 13.0.94", "580.159.04", "NVIDIA 580.159.04"),
    ],
)
def test_a_driver_is_called_by_name_and_version(key: str, platform: str, version: str, name: str):
    assert driver_name(key, platform, version) == name


def test_only_the_known_names_are_drivers_over_opencl():
    assert all(map(is_opencl, ("pocl", "oclgrind", "rusticl", "opencl-nvidia")))
    assert not any(map(is_opencl, ("lavapipe", "nvidia-h100", "")))


@pytest.mark.parametrize(("key", "word"), [("pocl", "PoCL"), ("oclgrind", "Oclgrind"), ("opencl-nvidia", "NVIDIA")])
def test_a_loader_that_shows_another_driver_than_was_asked_for_is_not_believed(key: str, word: str):
    said = {"platform": f"OpenCL 3.0 {word} 5.0", "device": f"the {word}", "version": "5.0", "extensions": ""}
    assert [is_of(other, said) for other in ("pocl", "oclgrind", "opencl-nvidia")].count(True) == 1
    assert is_of(key, said)


def test_the_drivers_of_a_gpu_do_not_compute_on_the_cpu():
    assert all(map(computes_on_cpu, ("pocl", "oclgrind", "rusticl")))
    assert not computes_on_cpu("opencl-nvidia")


def test_a_worker_sees_one_driver_whatever_the_environment_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path))
    library = tmp_path / "libdriver.so"
    library.write_bytes(b"")
    driver = OpenClDriver("oclgrind", "d", "v", library, (Precision.FP32,))
    made = driver.environment({"OCL_ICD_VENDORS": "/etc/all", "OCL_ICD_FILENAMES": "other.so", "A": "b"}, threads=3)
    files = list(Path(made["OCL_ICD_VENDORS"]).glob("*.icd"))
    assert [file.read_text(encoding="utf-8") for file in files] == [f"{library}\n"]
    assert "OCL_ICD_FILENAMES" not in made
    assert made["A"] == "b"
    assert made["OCLGRIND_NUM_THREADS"] == made["POCL_MAX_PTHREAD_COUNT"] == "3"


def test_a_stamp_changes_with_the_library(tmp_path: Path):
    library = tmp_path / "libdriver.so"
    library.write_bytes(b"1")
    driver = OpenClDriver("pocl", "d", "v", library, (Precision.FP32,))
    before = driver.stamp
    assert driver.stamp == before
    assert dataclasses.replace(driver, key="oclgrind").stamp != before
    library.write_bytes(b"other")
    assert driver.stamp != before


def test_the_installed_drivers_say_what_they_are(pocl: OpenClDriver):
    here = {driver.key: driver for driver in opencl_drivers()}
    assert here["pocl"] == pocl
    assert pocl.driver.startswith("PoCL ")
    assert pocl.precisions[0] is Precision.FP32
