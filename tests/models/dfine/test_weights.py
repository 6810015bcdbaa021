"""Where weights may come from, and one clear line for each way that can fail."""

from __future__ import annotations

import pytest

from models.dfine import weights
from models.dfine.architecture import check_size
from models.dfine.preprocess import load
from runner.errors import BadInput


def test_the_seed_is_part_of_the_identity():
    assert weights.resolve("seed:0").sha256 != weights.resolve("seed:1").sha256
    assert "untrained" in weights.resolve().describe()


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("seed:x", "the seed is no number"),
        ("./nowhere.safetensors", "no such file or folder"),
        ("a/b/c", "no such file or folder"),
        ("just-a-word", "no such file or folder"),
    ],
)
def test_a_bad_specification_is_one_line(spec, says):
    with pytest.raises(BadInput, match=says) as error:
        weights.resolve(spec)
    assert "\n" not in str(error.value)


def test_a_detector_that_is_not_there_is_one_line_with_those_that_are():
    with pytest.raises(BadInput, match=r"detector 'yolo': .*take one of dfine, rt_detr"):
        weights.resolve(of="yolo")


def test_a_folder_without_weights(tmp_path):
    with pytest.raises(BadInput, match=r"no model\.safetensors"):
        weights.resolve(str(tmp_path))


def test_a_hub_out_of_reach_says_what_to_do(monkeypatch):
    hub = pytest.importorskip("huggingface_hub")
    from huggingface_hub.errors import LocalEntryNotFoundError

    def unreachable(*_args, **_kwargs):
        raise LocalEntryNotFoundError("no connection")

    monkeypatch.setattr(hub, "hf_hub_download", unreachable)
    with pytest.raises(BadInput, match=r"cannot be reached.*give its path"):
        weights.resolve("ustc-community/dfine-small-coco")


@pytest.mark.slow
@pytest.mark.convert
def test_saved_weights_load_as_they_were(tmp_path):
    torch = pytest.importorskip("torch")
    from models.dfine.reference import reference_model

    model = reference_model("seed:0")
    model.save_pretrained(tmp_path)
    for spec in (tmp_path, tmp_path / "model.safetensors"):
        resolved = weights.resolve(str(spec))
        again = weights.load(resolved).state_dict()
        assert all(torch.equal(tensor, again[name]) for name, tensor in model.state_dict().items())
    assert resolved.kind == "file"


@pytest.mark.convert
def test_another_model_s_weights_are_refused(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    rubbish = tmp_path / "rubbish.safetensors"
    rubbish.write_bytes(b"not safetensors at all")
    with pytest.raises(BadInput, match="no safetensors file"):
        weights.load(weights.resolve(str(rubbish)))
    other = tmp_path / "other.safetensors"
    save_file({"somebody.else": torch.zeros(3)}, other)
    with pytest.raises(BadInput, match="not D-FINE-S"):
        weights.load(weights.resolve(str(other)))


@pytest.mark.parametrize("size", [96, 150, 0, -32])
def test_a_size_that_does_not_fit(size):
    with pytest.raises(BadInput, match="multiple of 32"):
        check_size(size)


def test_images_that_cannot_be_read(tmp_path):
    with pytest.raises(BadInput, match="no such file"):
        load(tmp_path / "nowhere.jpg", 160)
    fake = tmp_path / "fake.jpg"
    fake.write_text("no picture", encoding="utf-8")
    with pytest.raises(BadInput, match="cannot be read as a picture"):
        load(fake, 160)
