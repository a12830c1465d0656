"""Keeps keys out of core dumps [C14]."""

from __future__ import annotations

import ctypes
import resource
import sys

from transforms.errors import KeyUnavailable

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def harden_process() -> None:
    """Switches core dumps of this process off for good; forked children inherit it.

    The size limit alone does not hold where the kernel pipes cores to a program (core(5)), so on Linux the process is also marked
    as not dumpable, which closes ptrace and /proc/PID/mem to others of the same user.

    Errors: KeyUnavailable if the system refuses.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux" and ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, ctypes.c_ulong(0)) != 0:
        raise KeyUnavailable(
            "core dumps cannot be switched off", hint="run where prctl(PR_SET_DUMPABLE) is allowed", code="core-dumps-on"
        )
