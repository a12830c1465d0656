"""What a decoding process gives up before it reads the first photo [I10]. Linux; each part that a kernel lacks is reported."""

from __future__ import annotations

import ctypes
import math
import os
import platform
import resource
import struct
import sys
import time

_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 4, 22, 38
_SECCOMP_MODE_FILTER = 2
_RET_ALLOW, _RET_EPERM = 0x7FFF0000, 0x00050000 | 1
_LOAD_WORD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET|BPF_K
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16  # offsets in struct seccomp_data, seccomp(2)
_NOBODY = 65534

# Memory, the two pipes, clocks and the end: nothing that opens, connects, forks, signals or executes. Then prlimit64 by itself, for
# limits of this process and no other's: the run may have the same user, and other decoders have. Numbers by architecture
# (AUDIT_ARCH_*), from the kernel's asm/unistd_64.h and asm-generic/unistd.h.
_ALLOWED = {
    "x86_64": (
        0xC000003E,
        {
            "read": 0, "write": 1, "close": 3, "readv": 19, "fstat": 5, "poll": 7, "lseek": 8, "mmap": 9, "mprotect": 10,
            "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "sched_yield": 24, "mremap": 25,
            "madvise": 28, "getpid": 39, "exit": 60, "gettid": 186, "futex": 202, "clock_gettime": 228, "exit_group": 231,
            "getrandom": 318,
        },
        302,
    ),
    "aarch64": (
        0xC00000B7,
        {
            "close": 57, "lseek": 62, "read": 63, "write": 64, "readv": 65, "ppoll": 73, "fstat": 80, "exit": 93, "exit_group": 94,
            "futex": 98, "clock_gettime": 113, "sched_yield": 124, "rt_sigaction": 134, "rt_sigprocmask": 135,
            "rt_sigreturn": 139, "getpid": 172, "gettid": 178, "brk": 214, "munmap": 215, "mremap": 216, "mmap": 222,
            "mprotect": 226, "madvise": 233, "getrandom": 278,
        },
        261,
    ),
}  # fmt: skip


def confine(memory_bytes: int) -> dict[str, bool]:
    """Confines this process for good: limits, no privileges, no identity of the owner, no system calls but a few.

    Everything that will be imported has to be imported before. Limits are not optional: an OSError or ValueError ends the
    process. What depends on the kernel or on being root is done where possible.

    Args:
        memory_bytes: largest address space.

    Returns:
        Which of the optional parts hold: `no-new-privileges`, `unprivileged` (not root), `system-calls` (filtered).
    """
    os.umask(0o077)
    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 3),  # standard streams are open already: no further one can be opened
        (resource.RLIMIT_AS, memory_bytes),
    ):
        resource.setrlimit(limit, (value, value))
    unprivileged = _drop_root()
    # After the change of identity: as root, a limit on processes counts everybody's.
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    linux = sys.platform == "linux"
    return {
        "unprivileged": unprivileged,
        "no-new-privileges": linux and _prctl(_PR_SET_NO_NEW_PRIVS, 1) and _prctl(_PR_SET_DUMPABLE, 0),
        "system-calls": linux and _filter_system_calls(),
    }


def allow_cpu(seconds: float) -> None:
    """Lets this process use that many more CPU seconds before the kernel ends it, so that no orphan spins for ever."""
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time() + seconds) + 1, resource.RLIM_INFINITY))


def _drop_root() -> bool:
    if os.getuid() == 0:
        try:
            os.setgroups([])
            os.setresgid(_NOBODY, _NOBODY, _NOBODY)
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)
        except OSError:  # a user namespace without that identity
            return False
    return os.getuid() != 0


def _prctl(option: int, value: int, pointer: int = 0) -> bool:
    library = ctypes.CDLL(None)
    arguments = [ctypes.c_ulong(number) for number in (value, pointer, 0, 0)]
    return bool(library.prctl(ctypes.c_int(option), *arguments) == 0)


def _filter_system_calls() -> bool:
    """A seccomp filter that answers every other call with EPERM: a library that tries something harmless goes on."""
    if platform.machine() not in _ALLOWED:
        return False
    architecture, calls, own_limits = _ALLOWED[platform.machine()]
    numbers = sorted(calls.values())
    # Jumps count instructions from the next one: to the allowing return at the very end.
    code = [
        (_LOAD_WORD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _RET_EPERM),
        (_LOAD_WORD, 0, 0, _NUMBER_AT),
        *((_JUMP_IF_EQUAL, len(numbers) - index + 3, 0, number) for index, number in enumerate(numbers)),
        (_JUMP_IF_EQUAL, 0, 2, own_limits),
        (_LOAD_WORD, 0, 0, _FIRST_ARGUMENT_AT),
        (_JUMP_IF_EQUAL, 1, 0, 0),  # the caller itself; a process's number has 32 bits
        (_RETURN, 0, 0, _RET_EPERM),
        (_RETURN, 0, 0, _RET_ALLOW),
    ]
    instructions = b"".join(struct.pack("HBBI", *instruction) for instruction in code)
    program = ctypes.create_string_buffer(instructions, len(instructions))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(code), ctypes.addressof(program)))
    return _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(header))
