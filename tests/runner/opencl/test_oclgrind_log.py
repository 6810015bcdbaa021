"""Oclgrind's words as records: what, where, which work items; and what is not known is a record too."""

from __future__ import annotations

import pytest

from runner.opencl.oclgrind_log import Kind, api_messages, read_log

OUTSIDE = """
Invalid read of size 16 at global memory address 0x3000000000200
\tKernel: main_function
\tEntity: Global(0,0,1) Local(0,0,1) Group(0,0,0)
\t  %8 = load <4 x float>, <4 x float> addrspace(1)* %weights_offset.0, align 16, !dbg !89, !tbaa !85
\tAt line 37 (column 19) of input.cl:
\t  r_w0_h0_s0 += weights_cache[0] * src_w0_h0.x;
\t

"""
RACE = """
Read-write data race at global memory address 0x1000000001700
\tKernel: main_function
\t
\tFirst entity:  Global(0,0,1) Local(0,0,1) Group(0,0,0)
\t  %14 = load <4 x float>, <4 x float> addrspace(1)* %arrayidx95, align 16
\tAt line 77 (column 26) of input.cl:
\t  second_value = src[3];
\t
\tSecond entity: Global(2,0,0) Local(0,0,0) Group(2,0,0)
\t  store <4 x float> %20, <4 x float> addrspace(1)* %arrayidx170, align 16
\tAt line 113 (column 82) of input.cl:
\t  dst[3] = dst_val;
\t

"""


def test_an_access_outside_has_its_address_its_size_and_its_line():
    (message,) = read_log(OUTSIDE).messages
    assert (message.kind, message.address, message.size) == (Kind.OUTSIDE, 0x3000000000200, 16)
    assert message.kernel == "main_function"
    (place,) = message.places
    assert (place.item, place.line, place.column) == ((0, 0, 1), 37, 19)
    assert place.source == "r_w0_h0_s0 += weights_cache[0] * src_w0_h0.x;"


def test_a_race_has_both_of_its_work_items():
    (message,) = read_log(RACE).messages
    assert message.kind is Kind.READ_WRITE
    assert [(place.item, place.line) for place in message.places] == [((0, 0, 1), 77), ((2, 0, 0), 113)]
    assert read_log(RACE.replace("Read-write", "Write-write")).messages[0].kind is Kind.WRITE_WRITE


def test_messages_are_told_apart_in_their_order():
    kinds = [message.kind for message in read_log(OUTSIDE + RACE + OUTSIDE).messages]
    assert kinds == [Kind.OUTSIDE, Kind.READ_WRITE, Kind.OUTSIDE]


@pytest.mark.parametrize("words", ["Work-group divergence detected (barrier):", "Unaligned address on vload4", "?"])
def test_what_is_not_known_is_kept_in_its_own_words(words: str):
    (message,) = read_log(f"\n{words}\n\tKernel: f\n\t\n").messages
    assert (message.kind, message.words, message.kernel) == (Kind.OTHER, words, "f")
    assert message.address is None


def test_a_log_that_was_cut_says_so():
    cut = read_log(OUTSIDE + "\nOclgrind: 1000 errors generated - suppressing further errors\n\n")
    assert (len(cut.messages), cut.cut) == (1, True)
    assert not read_log(OUTSIDE).cut
    assert read_log("").messages == ()


def test_invalid_api_use_is_found_among_other_lines():
    printed = """INFO: something else
Oclgrind - OpenCL runtime error detected
\tFunction: clCreateBuffer
\tError:    CL_INVALID_BUFFER_SIZE
\tFor argument 'size'

INFO: more
"""
    (message,) = api_messages(printed)
    assert message.kind is Kind.API
    assert message.words == "Function: clCreateBuffer, Error: CL_INVALID_BUFFER_SIZE, For argument 'size'"
    assert api_messages("INFO: Oclgrind is here\n") == ()
