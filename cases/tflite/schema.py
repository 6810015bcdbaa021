"""The .tflite schema seen from the graph language: op kinds, their options, dtypes.

Key insight: every builtin's options are a flat record in the schema that ai-edge-litert ships, so
attributes are read and written by reflection over it, and no op needs code of its own here.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from ai_edge_litert import schema_py_generated as schema

OPERATOR_CODE: Mapping[str, int] = {k: v for k, v in vars(schema.BuiltinOperator).items() if k.isupper()}
OPERATOR_NAME: Mapping[int, str] = {v: k for k, v in OPERATOR_CODE.items()}
OPTIONS_CODE: Mapping[str, int] = {k: v for k, v in vars(schema.BuiltinOptions).items() if k[0].isupper()}
OPTIONS_NAME: Mapping[int, str] = {v: k for k, v in OPTIONS_CODE.items()}
OPTIONS_2_NAME: Mapping[int, str] = {v: k for k, v in vars(schema.BuiltinOptions2).items() if k[0].isupper()}
ACTIVATION_CODE: Mapping[str, int] = {k: v for k, v in vars(schema.ActivationFunctionType).items() if k.isupper()}
ACTIVATION_NAME: Mapping[int, str] = {v: k for k, v in ACTIVATION_CODE.items()}
PADDING_CODE: Mapping[str, int] = {k: v for k, v in vars(schema.Padding).items() if k.isupper()}
PADDING_NAME: Mapping[int, str] = {v: k for k, v in PADDING_CODE.items()}

DTYPE_CODE: Mapping[str, int] = {k.lower(): v for k, v in vars(schema.TensorType).items() if k.isupper()}
DTYPE_NAME: Mapping[int, str] = {v: k for k, v in DTYPE_CODE.items()}
NUMPY_DTYPES = frozenset(
    {
        *("float32", "float16", "float64", "bool", "complex64", "complex128"),
        *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    }
)
"""dtypes whose constants are plain numpy arrays; the others (string, int4, ...) keep their bytes in Tensor.raw."""

# Op kind -> options record, where the name does not follow from the kind.
_IRREGULAR = {
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "L2_POOL_2D": "Pool2DOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MINIMUM": "MaximumMinimumOptions",
    **dict.fromkeys(("SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"), "ReducerOptions"),
    **dict.fromkeys(("REDUCE_ANY", "REDUCE_ALL"), "ReducerOptions"),
}
_OPTIONS_BY_WORD = {name.lower(): name for name in OPTIONS_CODE}
# Builtins without a record, or with an empty one that a converter need not write: our operators carry none.
_NONE = frozenset(
    {
        *("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "LOGISTIC", "TANH", "ELU", "PRELU"),
        *("SQRT", "RSQRT", "SIN", "LOG", "FLOOR", "CEIL", "ROUND", "PADV2"),
    }
)


@functools.cache
def options_name(kind: str) -> str:
    """Name of the options record of an op kind, or "" where it has none."""
    if kind in _NONE:
        return ""
    # The schema capitalises as it likes (LSTMOptions, TopKV2Options), so the letters are compared without case.
    return _IRREGULAR.get(kind) or _OPTIONS_BY_WORD.get(kind.replace("_", "").lower() + "options", "")


@functools.cache
def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", lambda m: "_" + m.group(1).lower(), name)


@functools.cache
def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def options_to_attrs(options: Any) -> dict[str, Any]:
    """Attributes of an options record by snake_case names, defaults left out."""
    attrs: dict[str, Any] = {}
    defaults = vars(_default_options(type(options).__name__))
    for field, value in vars(options).items():
        if value is None or (field != "padding" and _same(value, defaults[field])):
            continue
        name = _snake(field)
        if field == "fusedActivationFunction":
            value = _word(ACTIVATION_NAME, value, "activation")
        elif field == "padding" and isinstance(value, int) and hasattr(options, "strideW"):
            value = _word(PADDING_NAME, value, "padding")
        elif hasattr(value, "tolist"):
            value = tuple(value.tolist())
        attrs[name] = value
    return attrs


def _word(words: Mapping[int, str], number: int, what: str) -> str:
    if number not in words:
        raise ValueError(f"{what} {number} is not in the schema")
    return words[number]


def attrs_to_options(kind: str, attrs: Mapping[str, Any]) -> tuple[int, Any]:
    """(BuiltinOptions code, options record) for an op. Raises KeyError for an attribute the record lacks."""
    name = options_name(kind)
    if not name:
        if attrs:
            raise KeyError(f"{kind} takes no attribute, got {sorted(attrs)}")
        return 0, None
    options = getattr(schema, name + "T")()
    fields = vars(options)
    for key, value in attrs.items():
        field = _camel(key)
        if field not in fields:
            raise KeyError(f"{kind} has no attribute {key!r}")
        if key == "fused_activation_function":
            value = ACTIVATION_CODE[value]
        elif key == "padding" and isinstance(value, str):
            value = PADDING_CODE[value]
        elif isinstance(value, tuple):
            value = list(value)
        setattr(options, field, value)
    return OPTIONS_CODE[name], options


@functools.cache
def _default_options(record: str) -> Any:
    return getattr(schema, record)()


def _same(left: Any, right: Any) -> bool:
    return type(left) is type(right) and left == right
