"""The layer behind `@<name>`, called as Vulkan's loader calls it, over a made-up driver beneath it."""

from __future__ import annotations

import ctypes
import struct
from dataclasses import dataclass

import pytest

from runner.errors import TargetUnavailable
from runner.host.presented_name import layer_folder

NVIDIA, MESA, GOOGLE = 0x10DE, 0x10005, 0x1AE0
DRIVER_PROPERTIES, VULKAN_1_2_PROPERTIES, ANOTHER_STRUCTURE = 1000196000, 52, 1000094000

Proc = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)
CreateInstance = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
Properties2 = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


@dataclass(frozen=True)
class Shown:
    """What an application is told through the layer."""

    vendor: int
    device: bytes
    driver: bytes


def _text(raw: bytes) -> bytes:
    return raw.split(b"\0")[0]


def _negotiated(layer: ctypes.CDLL) -> int:
    """The layer's own vkGetInstanceProcAddr."""
    asked = ctypes.create_string_buffer(48)
    struct.pack_into("=i4xQI4x", asked, 0, 0, 0, 2)
    assert layer.vkNegotiateLoaderLayerInterfaceVersion(asked) == 0
    return int(struct.unpack_from("=Q", asked, 24)[0])


def _shown(vendor: int, chained: int = DRIVER_PROPERTIES) -> Shown:
    """Ask for the properties of a device `made-up` of `vendor`; its driver calls itself `NVIDIA`."""
    try:
        layer = ctypes.CDLL(str(layer_folder() / "libvk_name_layer.so"))
    except TargetUnavailable as absent:
        pytest.skip(str(absent))

    @Properties2
    def driver_properties(_physical: int, asked: int) -> None:
        ctypes.memmove(asked + 16, struct.pack("=IIIIi256s", 0, 0, vendor, 0, 2, b"made-up"), 276)

    @CreateInstance
    def create(_info: int, _allocator: int, _instance: int) -> int:
        return 0

    functions = {b"vkCreateInstance": create, b"vkGetPhysicalDeviceProperties2": driver_properties}

    @Proc
    def driver_proc(_instance: int, name: bytes) -> int:
        found = functions.get(name)
        return ctypes.cast(found, ctypes.c_void_p).value or 0 if found else 0

    proc = Proc(_negotiated(layer))
    link = struct.pack("=QQQ", 0, ctypes.cast(driver_proc, ctypes.c_void_p).value, 0)
    link_buffer = ctypes.create_string_buffer(link, len(link))
    chain = ctypes.create_string_buffer(struct.pack("=i4xQi4xQ", 47, 0, 0, ctypes.addressof(link_buffer)), 32)
    info = ctypes.create_string_buffer(struct.pack("=i4xQ", 1, ctypes.addressof(chain)), 16)
    instance = ctypes.c_void_p(1)
    own_create = CreateInstance(proc(None, b"vkCreateInstance"))
    assert own_create(ctypes.addressof(info), None, ctypes.addressof(instance)) == 0

    driver = ctypes.create_string_buffer(struct.pack("=i4xQi256s256s", chained, 0, 4, b"NVIDIA", b"580.1"), 600)
    properties = ctypes.create_string_buffer(16 + 1024)
    struct.pack_into("=i4xQ", properties, 0, 1000059001, ctypes.addressof(driver))
    Properties2(proc(None, b"vkGetPhysicalDeviceProperties2"))(1, ctypes.addressof(properties))
    _, _, vendor_shown, _, _, name = struct.unpack_from("=IIIIi256s", properties, 16)
    return Shown(vendor_shown, _text(name), _text(driver.raw[20:276]) + _text(driver.raw[276:532]))


@pytest.mark.parametrize("chained", [DRIVER_PROPERTIES, VULKAN_1_2_PROPERTIES])
def test_of_hardware_nothing_is_left_that_names_another_vendor(monkeypatch: pytest.MonkeyPatch, chained: int):
    monkeypatch.setenv("REPRO_ADAPTER_NAME", "Samsung Xclipse 940")
    assert _shown(NVIDIA, chained) == Shown(0, b"Samsung Xclipse 940", b"")


@pytest.mark.parametrize("vendor", [MESA, GOOGLE])
def test_a_software_driver_keeps_its_own_words(monkeypatch: pytest.MonkeyPatch, vendor: int):
    monkeypatch.setenv("REPRO_ADAPTER_NAME", "Mali-G610")
    assert _shown(vendor) == Shown(vendor, b"Mali-G610", b"NVIDIA580.1")


def test_other_structures_of_the_chain_are_not_touched(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REPRO_ADAPTER_NAME", "Mali-G610")
    assert _shown(NVIDIA, ANOTHER_STRUCTURE) == Shown(0, b"Mali-G610", b"NVIDIA580.1")


def test_without_a_name_the_hardware_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("REPRO_ADAPTER_NAME", raising=False)
    assert _shown(NVIDIA) == Shown(NVIDIA, b"made-up", b"NVIDIA580.1")
