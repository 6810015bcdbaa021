"""Every error a user can cause or mend has the documented exit code, and its message is what it says."""

from __future__ import annotations

import pytest
from hypothesis import example, given

from runner import errors
from runner.encoding import LINE
from runner.errors import BadInput, ReproError
from tests.hostile_names import LONG, any_names

CODES = {"ReproError": 1, "BadInput": 2, "NameClash": 2, "TargetUnavailable": 3, "NothingRan": 3, "DeviceFailed": 3}


def test_every_kind_has_its_exit_code():
    kinds = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}
    assert {name: kind.exit_code for name, kind in kinds.items()} == CODES
    assert all(issubclass(kind, ReproError) for kind in kinds.values())


@pytest.mark.parametrize("name", CODES)
def test_the_message_is_the_line_that_was_given(name: str):
    assert str(getattr(errors, name)("one line")) == "one line"


def test_no_kind_is_0_so_that_no_error_passes():
    assert 0 not in CODES.values()


@given(any_names())
@example(LONG)
def test_an_error_is_one_printable_line_whatever_it_names(name: str):
    said = str(BadInput(f"{name}: no such file; give {name}"))
    assert said.isprintable()
    assert len(said) <= LINE
