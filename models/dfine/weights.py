"""Where the weights come from: a seed (default, no download), a folder, a .safetensors file or a hub id.

Resolving a specification needs no torch: it gives the identity (a sha256) under which everything derived from the
weights is cached. Only `load` builds the model.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from models.dfine.architecture import HUB_ID
from runner.errors import BadInput

if TYPE_CHECKING:
    from transformers import DFineForObjectDetection

DEFAULT = "seed:0"


@dataclass(frozen=True)
class Weights:
    """kind: `seed`, `folder`, `file` or `hub`. sha256: of the safetensors file, or of the initialiser and its seed."""

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


def resolve(spec: str = DEFAULT) -> Weights:
    """Find the weights a specification names. Raises BadInput where there are none.

    spec: `seed:N`, a folder with `model.safetensors`, a `.safetensors` file, or a hub id such as HUB_ID, which is
    downloaded into the hub's own cache.
    """
    if spec.startswith("seed:"):
        if not spec[5:].isdecimal():
            raise BadInput(f"weights '{spec}': the seed is no number; write for example {DEFAULT}")
        from models.dfine.sources import source_sha256

        return Weights(
            spec, "seed", None, hashlib.sha256(f"{spec} {source_sha256(('initialise',))}".encode()).hexdigest()
        )
    path = Path(spec).expanduser()
    if path.is_dir():
        file = path / "model.safetensors"
        if not file.is_file():
            raise BadInput(f"weights '{spec}': the folder holds no model.safetensors; save the model with safetensors")
        return Weights(spec, "folder", file, _file_sha256(file, file.stat().st_mtime_ns))
    if path.is_file():
        return Weights(spec, "file", path, _file_sha256(path, path.stat().st_mtime_ns))
    if path.suffix == ".safetensors" or spec.count("/") != 1 or spec.startswith((".", "/", "~")):
        raise BadInput(f"weights '{spec}': no such file or folder, and no hub id (owner/name, for example {HUB_ID})")
    file = _from_hub(spec)
    return Weights(spec, "hub", file, _file_sha256(file, file.stat().st_mtime_ns))


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


def load(weights: Weights) -> DFineForObjectDetection:
    """The reference model in eval mode, float32. Raises BadInput where the file is not D-FINE-S's."""
    if weights.kind == "seed":
        from models.dfine.initialise import seeded_model

        return seeded_model(int(weights.spec[5:]))
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    from transformers import DFineForObjectDetection

    from models.dfine.architecture import config

    assert weights.path is not None
    try:
        state = load_file(weights.path)
    except (SafetensorError, OSError) as error:
        raise BadInput(f"weights '{weights.spec}': {weights.path.name} is no safetensors file ({error})") from error
    try:
        model, report = DFineForObjectDetection.from_pretrained(
            None, config=config(), state_dict=state, output_loading_info=True
        )
    except RuntimeError as error:
        first = str(error).strip().splitlines()[0]
        raise BadInput(f"weights '{weights.spec}': do not fit D-FINE-S ({first})") from error
    missing = sorted(report["missing_keys"])
    wrong = sorted(str(key) for key in report.get("mismatched_keys", ()))
    if missing or wrong:
        example = (missing or wrong)[0]
        raise BadInput(
            f"weights '{weights.spec}': not D-FINE-S, {len(missing)} tensors missing and {len(wrong)} of another "
            f"shape, for example {example}"
        )
    return model.float().eval()
