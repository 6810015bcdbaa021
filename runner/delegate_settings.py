"""Settings of the delegate: which keys of LiteRT's `gpu_options` a target may carry, and how they stand in its name.

Key insight: a setting chooses other kernels, so a target with another setting is another target. It is therefore part
of the name, `gpu:lavapipe+buffers+convert_weights_on_gpu=true`, and with the name in every key, fingerprint and result.

The keys, their values and what they do: litert/c/options/litert_gpu_options.h and .cc, and litert/c/litert_common.h,
of google-ai-edge/LiteRT at commit f67457790c9c2ab67347d6fe53270e8d3df20868.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from runner.errors import BadInput

Value = int | bool


@dataclass(frozen=True)
class Setting:
    """One key. values: its numbers and what each stands for, or empty for a bool. does: in one phrase, from LiteRT."""

    key: str
    does: str
    values: Mapping[int, str] | None = None

    def parse(self, text: str) -> Value:
        """Raises BadInput for what is no value of it."""
        known = {"false": False, "true": True} if self.values is None else {str(n): n for n in self.values}
        if text not in known:
            raise BadInput(f"'{text}' is no value of the setting {self.key}; write {self.choices}")
        return known[text]

    @property
    def choices(self) -> str:
        """`true or false`, `1 (buffers) or 2 (textures)`."""
        if self.values is None:
            return "true or false"
        *some, last = (f"{number} ({word})" if word else str(number) for number, word in self.values.items())
        return f"{', '.join(some)} or {last}" if some else last


STORAGE, PRECISION = "buffer_storage_type", "precision"
BUFFERS, TEXTURES = 1, 2
"""Of STORAGE."""
FP32_SUMS = 3
"""LiteRtDelegatePrecision: values in fp16, sums in fp32."""
_COUNTS = dict.fromkeys((1, 2, 4, 8, 16, 32, 64), "")

SETTINGS: tuple[Setting, ...] = (
    Setting(STORAGE, "where tensors are kept on the GPU", {BUFFERS: "buffers", TEXTURES: "textures"}),
    Setting(PRECISION, "values in fp16 with sums in fp32; for fp16", {FP32_SUMS: "fp16 with fp32 sums"}),
    Setting("prefer_texture_weights", "weights in textures rather than in buffers"),
    Setting("convert_weights_on_gpu", "weights are brought into the kernels' order on the GPU; OpenCL and WebGPU"),
    Setting("wait_for_weights_conversion_complete", "waits until that is done"),
    Setting("enable_infinite_float_capping", "infinities become the largest finite values, in softmax and padding"),
    Setting("enable_constant_tensors_sharing", "subgraphs share constant tensors"),
    Setting("allow_src_quantized_fc_conv_ops", "quantises inputs of large layers to 8 bits; needs the sharing above"),
    Setting("external_tensors_mode", "the delegate's own layout for inputs and outputs; experimental"),
    Setting("hint_fully_delegated_to_single_delegate", "leaves allocations out that only other delegates would need"),
    Setting("hint_waiting_for_completion", "waits for the GPU after each run; meant for OpenCL on AMD and Mali"),
    Setting("disable_shader_optimization", "compiles shaders without optimising them; Vulkan"),
    Setting("kernel_batch_size", "kernels that are flushed together; OpenCL", _COUNTS),
    Setting("num_steps_of_command_buffer_preparations", "command buffers made in advance; WebGPU and Vulkan", _COUNTS),
    Setting("num_threads_to_compile", "threads that compile shaders; WebGPU", _COUNTS),
    Setting("num_threads_to_upload", "threads that upload; WebGPU", _COUNTS),
    Setting("wait_type", "how the end of a run is awaited", {1: "passive", 2: "active", 3: "not at all"}),
)
"""In the order in which they stand in a target's name."""

_BY_KEY = {setting.key: setting for setting in SETTINGS}
_SHORT = {"buffers": (STORAGE, 1), "textures": (STORAGE, 2)}
_NOT_SETTABLE = {
    "backend": "the target chooses the backend",
    "preferred_device_substr": "the target chooses the device",
    "benchmark_mode": "it is for times, and results are what is looked at here",
    "priority": "it is for times, and results are what is looked at here",
    "serialization_dir": "it names a folder",
    "model_cache_key": "it names files",
    "serialize_program_cache": "it needs a folder",
    "serialize_external_tensors": "it needs a folder",
    "cache_only_compiled_programs": "it needs a folder",
    "program_cache_fd": "it is a file of the process",
    "weight_cache_fd": "it is a file of the process",
    "shared_tensor_maps": "it is an address of the process",
    "external_tensor_patterns": "it names tensors of one model",
    "buffer_storage_tensor_patterns": "it names tensors of one model",
    "madvise_original_shared_tensors": "it decides about memory that nothing here shares",
    "use_metal_argument_buffers": "it is for Metal, which is not here",
    "enable_metal_residency_set": "it is for Metal, which is not here",
}
"""Keys of LiteRT's that a target does not take, and why."""


@dataclass(frozen=True)
class Settings:
    """Settings of one target, each once, in the order of SETTINGS. Empty: all is as the delegate chooses."""

    chosen: tuple[tuple[str, Value], ...] = ()

    @classmethod
    def parse(cls, words: Iterable[str]) -> Settings:
        """Words as `buffers` or `buffer_storage_type=1`. Raises BadInput for an unknown one, and for two of one key."""
        given: dict[str, Value] = {}
        for word in words:
            key, value = _SHORT[word] if word in _SHORT else _pair(word)
            if key in given and given[key] != value:
                raise BadInput(f"the setting {key} is given twice, and differently; give it once")
            given[key] = value
        return cls(tuple((setting.key, given[setting.key]) for setting in SETTINGS if setting.key in given))

    @functools.cached_property
    def gpu_options(self) -> dict[str, str | int | bool]:
        """As keys of LiteRT's `gpu_options`."""
        return dict(self.chosen)

    def with_others(self, others: Settings) -> Settings:
        """Both. Raises BadInput where they differ about a key."""
        return Settings.parse((*self.words, *others.words))

    @property
    def words(self) -> list[str]:
        """As they stand in a target's name."""
        short = {pair: word for word, pair in _SHORT.items()}
        return [short.get((key, value), f"{key}={str(value).lower()}") for key, value in self.chosen]

    def __bool__(self) -> bool:
        return bool(self.chosen)

    def __str__(self) -> str:
        """`+buffers`; empty without any."""
        return "".join(f"+{word}" for word in self.words)


NO_SETTINGS = Settings()


def _pair(word: str) -> tuple[str, Value]:
    key, equals, value = word.partition("=")
    if key in _NOT_SETTABLE:
        raise BadInput(f"'{key}' is no setting of a target: {_NOT_SETTABLE[key]}")
    known = list(_BY_KEY) if equals else [*_SHORT, *_BY_KEY]
    if key not in _BY_KEY:
        near = difflib.get_close_matches(key, known, 1)
        meant = f"did you mean '{near[0]}'" if near else f"settings are {', '.join([*_SHORT, *_BY_KEY])}"
        raise BadInput(f"there is no setting '{word}'; {meant}")
    if not equals:
        raise BadInput(f"the setting {key} has no value; write {key}=..., {_BY_KEY[key].choices}")
    return key, _BY_KEY[key].parse(value)
