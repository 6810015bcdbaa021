"""Another device name for the delegate, `gpu:lavapipe@Mali-G610`: what it may be, and what results must say of it."""

from __future__ import annotations

import re

from runner.errors import BadInput

ADAPTER_NAME = "REPRO_ADAPTER_NAME"
"""The environment variable under which whoever presents it finds the name."""
_MAX_BYTES = 255


def check_presented(name: str) -> None:
    """Raises BadInput for a name that a driver could not have."""
    if not name or not name.isprintable() or not name.isascii() or len(name) > _MAX_BYTES:
        raise BadInput(
            f"'{name}' cannot be an adapter name: give 1 to {_MAX_BYTES} printable ASCII characters after '@'"
        )


def naming_note(name: str) -> str:
    """What every result under a presented name must say: `named Mali-G610, not a Mali`."""
    vendor = re.match(r"[A-Za-z]+", name)
    kind = vendor.group() if vendor else name
    return f"named {name}, not {'an' if kind[0] in 'AEIOUaeiou' else 'a'} {kind}"
