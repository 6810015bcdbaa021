"""Vulkan drivers of this host: found, named, and selected one at a time; a broken one does no harm."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.cache import shader_cache
from runner.host import vulkan
from runner.host.vulkan import Adapter, adapter_key, adapters, driver_environment


@pytest.mark.gpu
def test_adapters_have_distinct_keys_and_full_descriptions(gpu_name: str):
    found = adapters()
    keys = [adapter.key for adapter in found]
    assert len(set(keys)) == len(keys)
    assert gpu_name.removeprefix("gpu:") in keys
    assert found == sorted(found, key=lambda adapter: adapter.rank)
    for adapter in found:
        assert adapter.device
        assert adapter.driver
        assert Path(adapter.manifest).is_file()


@pytest.mark.parametrize(
    ("driver", "device", "key"),
    [
        ("llvmpipe Mesa 25.0.7 (LLVM 15.0.6)", "llvmpipe (LLVM 15.0.6, 256 bits)", "lavapipe"),
        ("SwiftShader driver 5.0.0", "SwiftShader Device (Subzero)", "swiftshader"),
        ("NVIDIA 550.90", "NVIDIA H200", "nvidia-h200"),
        ("radv Mesa 25", "AMD Radeon RX 7900 XT (RADV NAVI31)", "amd-radeon-rx-7900-xt-radv-navi31"),
        ("x", "***", "unnamed"),
    ],
)
def test_target_names_of_adapters(driver: str, device: str, key: str):
    assert adapter_key(driver, device) == key


def test_hardware_comes_before_software_and_lavapipe_before_the_other():
    def make(key: str, kind: str) -> Adapter:
        return Adapter(key, key, kind, "d", "1.3", "m", 1)

    order = [make("a", "discrete"), make("b", "integrated"), make("lavapipe", "cpu"), make("aaa", "cpu")]
    mixed = [order[i] for i in (2, 0, 3, 1)]
    assert sorted(mixed, key=lambda adapter: adapter.rank) == order


def test_exactly_one_driver_is_visible_and_layers_of_the_user_are_not():
    base = {"VK_ICD_FILENAMES": "/other.json", "VK_INSTANCE_LAYERS": "VK_LAYER_x", "HOME": "/h"}
    made = driver_environment(base, Path("/d/icd.json"), threads=3)
    assert made["VK_DRIVER_FILES"] == "/d/icd.json"
    assert made["LP_NUM_THREADS"] == "3"
    assert made["XDG_RUNTIME_DIR"]
    assert made["HOME"] == "/h"
    assert not {"VK_ICD_FILENAMES", "VK_INSTANCE_LAYERS"} & set(made)
    assert driver_environment({"XDG_RUNTIME_DIR": "/run/u"}, Path("/i"))["XDG_RUNTIME_DIR"] == "/run/u"


def test_shaders_compiled_for_another_width_are_not_found():
    """Mesa's key does not hold the width (measured on 25.0.7): one folder per width, and none shared with others."""
    plain = driver_environment({}, Path("/i"))
    wide = driver_environment({"LP_NATIVE_VECTOR_WIDTH": "256"}, Path("/i"))
    assert (plain["LP_NATIVE_VECTOR_WIDTH"], wide["LP_NATIVE_VECTOR_WIDTH"]) == ("128", "256")
    assert Path(plain["MESA_SHADER_CACHE_DIR"]) == shader_cache() / "128"
    assert Path(wide["MESA_SHADER_CACHE_DIR"]) == shader_cache() / "256"
    assert driver_environment({"MESA_SHADER_CACHE_DIR": "/mine"}, Path("/i"))["MESA_SHADER_CACHE_DIR"] == "/mine"


def test_a_driver_that_cannot_be_loaded_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))
    (tmp_path / "libbroken.so").write_bytes(b"no library")
    manifest = tmp_path / "broken icd.json"
    manifest.write_text(
        json.dumps({"ICD": {"library_path": "./libbroken.so", "api_version": "1.3.0"}}), encoding="utf-8"
    )
    nonsense = tmp_path / "nonsense.json"
    nonsense.write_text("[1", encoding="utf-8")
    monkeypatch.setenv("VK_DRIVER_FILES", f"{manifest}:{nonsense}:{tmp_path / 'absent.json'}")
    assert adapters() == []


def test_the_stamp_follows_the_drivers_library(tmp_path: Path):
    library = tmp_path / "libvk.so"
    library.write_bytes(b"one")
    manifest = tmp_path / "icd.json"
    manifest.write_text(json.dumps({"ICD": {"library_path": "./libvk.so"}}), encoding="utf-8")
    before = vulkan.stamp(manifest)
    assert vulkan.stamp(manifest) == before
    library.write_bytes(b"another")
    assert vulkan.stamp(manifest) != before
