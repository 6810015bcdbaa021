"""Custom ops and composites: their names and options, out of a file that was written and read; damage is said."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.drawn_ops.one_op import OneOp
from cases.evaluation.evaluate import evaluate
from cases.evaluation.handlers import unsupported
from cases.evaluation.named import name_of, options_of, pool_options_of, transpose_conv_options_of
from cases.graph import GraphError, Op
from cases.tflite.extras import OpExtras
from cases.tflite.read import read_tflite
from cases.tflite.write import write_tflite
from tests.cases.evaluation.named_ops import composite, custom, flexbuffer

X = np.ones((1, 2, 2, 4), np.float32)
OPTIONS = {"epsilon": 1e-5, "num_groups": 2, "reduction_axes": [3, 1], "causal": False}


def test_names_and_options_are_those_of_the_file():
    for op in (composite("odml.rms_norm", (X,), OPTIONS), custom("custom_call.RmsNorm", (X,), flexbuffer(OPTIONS))):
        (read,) = read_tflite(write_tflite(op.graph([X.shape]))).ops
        assert name_of(read) == name_of(op.graph([X.shape]).ops[0]) in ("odml.rms_norm", "custom_call.RmsNorm")
        options = options_of(read)
        assert options["epsilon"] == pytest.approx(1e-5)
        assert (options["num_groups"], list(options["reduction_axes"]), options["causal"]) == (2, [3, 1], False)


def test_an_op_without_options_has_none_and_a_plain_op_has_its_kind_for_a_name():
    assert options_of(Op("CUSTOM", ("x",), ("y",), raw=OpExtras(custom_code="Theirs"))) == {}
    assert name_of(Op("ADD", ("x", "x"), ("y",))) == "ADD"
    assert name_of(Op("STABLEHLO_COMPOSITE", ("x",), ("y",))) == ""


def test_structs_are_read_field_by_field():
    pool = custom("MaxUnpooling2D", (X,), struct.pack("<10i", 1, 3, 2, 5, 4, 0, 0, 0, 0, 0)).graph([X.shape]).ops[0]
    assert pool_options_of(pool) == {
        "padding": "SAME", "stride_w": 3, "stride_h": 2, "filter_width": 5, "filter_height": 4
    }  # fmt: skip
    spread = custom("Convolution2DTransposeBias", (X,), struct.pack("<3i", 2, 3, 2)).graph([X.shape]).ops[0]
    assert transpose_conv_options_of(spread) == {"padding": "VALID", "stride_w": 3, "stride_h": 2}
    with pytest.raises(GraphError, match="MaxUnpooling2D: 8 bytes of options, 24 are needed"):
        pool_options_of(Op("CUSTOM", (), (), raw=OpExtras(custom_code="MaxUnpooling2D", custom_options=b"\0" * 8)))
    with pytest.raises(GraphError, match="padding 7 is neither"):
        pool_options_of(
            Op("CUSTOM", (), (), raw=OpExtras(custom_code="M", custom_options=struct.pack("<6i", *[7] * 6)))
        )


@given(data=st.binary(min_size=1, max_size=60), cut=st.integers(0, 40))
def test_damaged_options_end_in_a_mapping_or_one_clear_line(data: bytes, cut: int):
    for damaged in (data, flexbuffer(OPTIONS)[:cut], flexbuffer(OPTIONS)[:cut] + data):
        op = Op("CUSTOM", ("x",), ("y",), raw=OpExtras(custom_code="Theirs", custom_options=damaged))
        try:
            said = "" if isinstance(options_of(op), dict) else "no mapping"
        except GraphError as error:
            said = str(error)
        assert said in ("", "Theirs: its options are no flexbuffer", "Theirs: its options are no map")


def test_an_unknown_name_is_named_and_so_is_what_its_name_does_not_tell():
    assert unsupported(custom("TheirOp", (X,), b"").graph([X.shape])) == ["CUSTOM TheirOp"]
    assert unsupported(composite("their.op", (X,), {}).graph([X.shape])) == ["STABLEHLO_COMPOSITE their.op"]
    assert unsupported(OneOp("CUSTOM", (X,)).graph([X.shape])) == ["CUSTOM"]
    undefined = custom("KeepIfMax2D", (X,), b"").graph([X.shape])
    assert unsupported(undefined) == ["CUSTOM KeepIfMax2D (no public source defines it)"]
    attention = composite("odml.scaled_dot_product_attention", (X, X, X), {}).graph([X.shape])
    (why,) = unsupported(attention)
    assert why.startswith("odml.scaled_dot_product_attention without a mask")
    with pytest.raises(GraphError, match="without a mask"):
        evaluate(attention, (X, X, X))
