"""The stand-in for Android's libc: what of it is written (native/android_libc.c) and what follows from the library.

Key insight: two lists need not be kept. Which imports have another interface here is what the C source defines under
the prefix `bionic_`; which graphics functions are missing is what the library imports and the C source lacks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from runner.c_compiler import NATIVE
from runner.opencl.android_library import PREFIX

SOURCE = NATIVE / "android_libc.c"
NAME = "libandroid_libc.so"
FLAGS = (f"-Wl,-soname,{NAME}", "-Wl,--no-as-needed", "-l:libz.so.1", "-lm")
# Functions that no headless use of the delegate needs: OpenGL, EGL and the Android NDK's.
_GRAPHICS = re.compile(r"(gl|egl)[A-Z]\w*|A(HardwareBuffer|Asset)\w*")
_MACRO = """#include <stdio.h>
#define ABSENT(name) \\
  long name(void) { \\
    static int said; \\
    if (!said++) fputs(#name " was called, which is absent here\\n", stderr); \\
    return 0; \\
  }
"""


def differing_imports(source: str) -> frozenset[str]:
    """The names X for which the C source defines `bionic_X`."""
    return frozenset(name.removeprefix(PREFIX) for name in _defined(source) if name.startswith(PREFIX))


def absent_functions(imports: Sequence[str], source: str) -> str:
    """C source of the graphics functions among `imports` that `source` lacks: each says once that it was called."""
    defined = _defined(source)
    names = (name for name in imports if _GRAPHICS.fullmatch(name) and name not in defined)
    return "".join((_MACRO, *(f"ABSENT({name})\n" for name in names)))


def _defined(source: str) -> frozenset[str]:
    """Functions that C source defines or declares: a name before a parenthesis, on a line that begins with a type."""
    return frozenset(re.findall(r"^\w[\w *]*?\b(\w+)\(", source, re.MULTILINE))
