"""What the suite's tests need of pytest wherever they run: in a checkout, and from an installed package.

`repro suite` names this as a plugin, `tests/conftest.py` loads it; what only a checkout has is not imported here.
"""

from __future__ import annotations

import pytest

from repro.campaigns.shards import Shard

pytest_plugins = ["tests.device_choice"]

MARKERS = (
    "slow: minutes rather than seconds; left out of the default run, run by .ci/run where time allows",
    "convert: needs torch and litert-torch",
    "gpu: needs a host GPU target (a Vulkan driver that the delegate accepts)",
    "device: runs on an attached phone, or on --device loopback",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mali-delegate-repro")
    group.addoption(
        "--target",
        action="append",
        default=None,
        help="Targets of the catalogue's tests (repeatable): cpu, gpu, gpu:lavapipe, ... Default: cpu and gpu.",
    )

    group.addoption(
        "--shard",
        type=Shard.parse,
        metavar="I/N",
        help="Only the I-th of N parts of the tests; each machine cuts alike.",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    shard: Shard | None = config.getoption("--shard")
    if shard is not None:
        kept = set(shard.part([item.nodeid for item in items], str))
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in kept])
        items[:] = [item for item in items if item.nodeid in kept]


def pytest_configure(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
