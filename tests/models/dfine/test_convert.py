"""A conversion that cannot be made ends in one line with exit 3, before a process is started for it."""

from __future__ import annotations

import pytest

from models.dfine import convert, weights
from runner.errors import NothingRan
from runner.installation import converter_install


def test_without_torch_it_says_what_is_missing_and_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    resolved = weights.resolve()
    monkeypatch.setattr(convert, "_version", lambda package: "absent" if package != "transformers" else "5.0")
    with pytest.raises(NothingRan) as raised:
        convert.convert("shipped_a", 160, resolved)
    assert "shipped_a at 160 has to be converted first, and torch, litert-torch is not installed" in str(raised.value)
    assert converter_install() in str(raised.value)
