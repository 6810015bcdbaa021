"""Where the weights come from: a seed (default, no download), a folder, a .safetensors file or a hub id.

Resolving a specification needs no torch: it gives the identity (a sha256) under which everything derived from the
weights is cached. Only `load` builds the model.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from models import detector
from models.detector import Detector
from runner.errors import BadInput

DEFAULT = "seed:0"


@dataclass(frozen=True)
class Weights:
    """Of one detector. kind: `seed`, `folder`, `file` or `hub`.

    sha256: of the safetensors file, or of the initialiser and its seed.
    """

    detector: Detector
    spec: str
    kind: str
    path: Path | None
    sha256: str

    def describe(self) -> str:
        """One line for logs and records: what was used."""
        source = {
            "seed": f"untrained, seeded weights ({self.spec})",
            "folder": f"weights of the folder {self.spec}",
            "file": f"weights of the file {self.spec}",
            "hub": f"weights of {self.spec} from the hub",
        }[self.kind]
        return f"{source}, sha256 {self.sha256[:12]}"


def resolve(spec: str = DEFAULT, of: str = detector.DEFAULT) -> Weights:
    """Find the weights a specification names. Raises BadInput where there are none.

    of: name of the detector.

    spec: `seed:N`, a folder with `model.safetensors`, a `.safetensors` file, or a hub id, which is downloaded into
    the hub's own cache.
    """
    whose = detector.named(of)
    if spec.startswith("seed:"):
        if not spec[5:].isdecimal():
            raise BadInput(f"weights '{spec}': the seed is no number; write for example {DEFAULT}")
        from models.dfine.sources import initialiser_sha256

        identity = f"{spec} {initialiser_sha256(whose)}"
        return Weights(whose, spec, "seed", None, hashlib.sha256(identity.encode()).hexdigest())
    path = Path(spec).expanduser()
    if path.is_dir():
        file = path / "model.safetensors"
        if not file.is_file():
            raise BadInput(f"weights '{spec}': the folder holds no model.safetensors; save the model with safetensors")
        return Weights(whose, spec, "folder", file, _file_sha256(file, file.stat().st_mtime_ns))
    if path.is_file():
        return Weights(whose, spec, "file", path, _file_sha256(path, path.stat().st_mtime_ns))
    if path.suffix == ".safetensors" or spec.count("/") != 1 or spec.startswith((".", "/", "~")):
        raise BadInput(
            f"weights '{spec}': no such file or folder, and no hub id (owner/name, for example {whose.hub_id})"
        )
    file = _from_hub(spec)
    return Weights(whose, spec, "hub", file, _file_sha256(file, file.stat().st_mtime_ns))


@lru_cache
def _file_sha256(path: Path, _changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _from_hub(spec: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(spec, "model.safetensors"))
    except (LocalEntryNotFoundError, OSError) as error:
        raise BadInput(
            f"weights '{spec}': the hub cannot be reached ({type(error).__name__}); download model.safetensors "
            f"elsewhere and give its path, or use the default {DEFAULT}"
        ) from error
    except (HfHubHTTPError, HFValidationError) as error:
        raise BadInput(f"weights '{spec}': the hub has no such model.safetensors ({type(error).__name__})") from error


def load(weights: Weights) -> Any:
    """The model of transformers in eval mode, float32. Raises BadInput where the file is not this detector's."""
    if weights.kind == "seed":
        return weights.detector.part("initialise").seeded_model(int(weights.spec[5:]))
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    architecture = weights.detector.part("architecture")
    assert weights.path is not None
    try:
        state = load_file(weights.path)
    except (SafetensorError, OSError) as error:
        raise BadInput(f"weights '{weights.spec}': {weights.path.name} is no safetensors file ({error})") from error
    try:
        model, report = architecture.model_class().from_pretrained(
            None, config=architecture.config(), state_dict=state, output_loading_info=True
        )
    except RuntimeError as error:
        first = str(error).strip().splitlines()[0]
        raise BadInput(f"weights '{weights.spec}': do not fit {weights.detector.title} ({first})") from error
    missing = sorted(report["missing_keys"])
    wrong = sorted(str(key) for key in report.get("mismatched_keys", ()))
    if missing or wrong:
        example = (missing or wrong)[0]
        raise BadInput(
            f"weights '{weights.spec}': not {weights.detector.title}, {len(missing)} tensors missing and "
            f"{len(wrong)} of another shape, for example {example}"
        )
    return model.float().eval()
