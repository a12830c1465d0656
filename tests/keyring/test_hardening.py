"""Core dumps are off in a hardened process and in what it forks."""

import subprocess
import sys

import pytest

HARDENED_CHILD = """
import ctypes, os, resource
from transforms.keyring.hardening import harden_process
dumpable = lambda: ctypes.CDLL(None).prctl(3)
assert dumpable() == 1
harden_process()
if os.fork() == 0:
    print(resource.getrlimit(resource.RLIMIT_CORE), dumpable(), flush=True)
    os._exit(0)
os.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_hardened_process_and_its_children_dump_no_core():
    child = subprocess.run([sys.executable, "-c", HARDENED_CHILD], capture_output=True, text=True, check=True)
    assert child.stdout == "(0, 0) 0\n"
