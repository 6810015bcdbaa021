"""Graphs drawn by the fuzzer's own growth, as a hypothesis strategy."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from repro.fuzzer.generate import grow

graphs = st.integers(0, 2**32 - 1).map(lambda seed: grow(random.Random(seed)))
