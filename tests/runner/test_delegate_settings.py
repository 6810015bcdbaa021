"""Settings stand in a target's name: every set of them comes back from it, and nothing that LiteRT lacks gets in."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.delegate_settings import SETTINGS, Setting, Settings
from runner.errors import BadInput

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"


def values(setting: Setting) -> list[int | bool]:
    return [False, True] if setting.values is None else list(setting.values)


ANY_SETTINGS = st.lists(
    st.sampled_from([(s.key, v) for s in SETTINGS for v in values(s)]), unique_by=lambda pair: pair[0]
)


@given(ANY_SETTINGS)
def test_a_set_of_settings_is_one_name_in_whatever_order_it_is_given(pairs: list[tuple[str, int | bool]]):
    words = [f"{key}={str(value).lower()}" for key, value in pairs]
    settings = Settings.parse(words)
    assert settings == Settings.parse(reversed(words)) == Settings.parse(str(settings).split("+")[1:])
    assert settings.gpu_options == dict(pairs)
    assert all(type(settings.gpu_options[key]) is type(value) for key, value in pairs)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_a_value_that_a_setting_does_not_have_is_refused_with_those_that_it_has(setting: Setting):
    for text in ("", "maybe", "True", "-1", "1.0", "99"):
        with pytest.raises(BadInput) as error:
            Settings.parse([f"{setting.key}={text}"])
        assert str(error.value) == f"'{text}' is no value of the setting {setting.key}; write {setting.choices}"
    with pytest.raises(BadInput, match=f"the setting {setting.key} has no value; write {setting.key}="):
        Settings.parse([setting.key])


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("bufers", "did you mean 'buffers'"),
        ("buffer_storage=1", "did you mean 'buffer_storage_type'"),
        ("backend=1", "the target chooses the backend"),
        ("serialization_dir=/tmp", "it names a folder"),
        ("zzz=1", "settings are buffers, textures, "),
    ],
)
def test_a_key_that_is_no_setting_is_refused_with_why_or_with_the_nearest(word: str, says: str):
    with pytest.raises(BadInput, match=says):
        Settings.parse([word])


def test_the_document_lists_each_setting_as_it_is():
    rows = [line.split(" | ") for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert [row[0].strip("| `") for row in rows] == [setting.key for setting in SETTINGS]
    assert [row[1] for row in rows] == [setting.choices for setting in SETTINGS]
    assert [row[2].removesuffix(" |") for row in rows] == [setting.does for setting in SETTINGS]
