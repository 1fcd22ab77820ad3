"""Memory that threads share instead of each keeping its own."""

import ctypes
import ctypes.util
from functools import cache


#: ``M_ARENA_MAX`` of glibc's mallopt(3).
_ARENA_MAX = -8
_ARENAS = 2


@cache
def share_arenas() -> None:
    """Let the threads of this process share two of glibc's arenas; nothing happens with another C library.

    By default every thread that allocates gets an arena that is hardly ever given back. A read has a dozen threads
    that take turns with large buffers: measured over 4 million rows, that is 70 MB (docs/benchmarks.md).
    """
    library = ctypes.CDLL(ctypes.util.find_library("c"))
    if hasattr(library, "mallopt"):
        library.mallopt(_ARENA_MAX, _ARENAS)
