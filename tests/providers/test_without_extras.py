"""The core works, and explains itself, where no provider's extra is installed: a real interpreter without the packages."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ABSENT = ("pkcs11", "asn1crypto", "python_pkcs11", "boto3", "botocore", "s3transfer", "jmespath", "moto")
ARN = "arn:aws:kms:eu-west-2:123456789012:key/00000000-0000-4000-8000-000000000000"
# -I and -S: no site-packages, no PYTHONPATH, no working directory; what there is stands in sys.path below.
COMMAND = "import sys; sys.path[:0] = sys.argv[1:3]; sys.argv[1:3] = []; from pipelines.cli import main; sys.exit(main())"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every installed package but those of the extras."""
    place = tmp_path_factory.mktemp("site-packages")
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith(ABSENT):
            (place / path.name).symlink_to(path)
    return place


def types(bare: Path, *words: str) -> subprocess.CompletedProcess[str]:
    line = [str(bare), str(ROOT), "keys", *words, "--policies", str(ROOT / "examples" / "suppliers")]
    return subprocess.run([sys.executable, "-I", "-S", "-c", COMMAND, *line], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", ["pkcs11", "boto3", "botocore"])
def test_the_interpreter_of_these_tests_really_lacks_them(bare, module):
    code = "import sys; sys.path[:0] = sys.argv[1:]; import importlib; importlib.import_module('cryptography'); "
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"{code}import {module}", str(bare)], capture_output=True, text=True, check=False
    )
    assert f"ModuleNotFoundError: No module named '{module}'" in done.stderr


def test_file_keysets_need_no_extra(bare, tmp_path):
    done = types(bare, "init", "--keys", f"file:{tmp_path / 'keys'}")
    assert (done.returncode, json.loads(done.stdout)["outcome"]) == (0, "made"), done.stderr


@pytest.mark.parametrize(
    ("extra", "uri"),
    [
        ("pkcs11", "pkcs11:token=force;object=kek?module-path=/m.so&pin-source=/run/pin&directory=keys"),
        ("awskms", f"awskms:{ARN}?directory=keys"),
    ],
)
def test_a_provider_that_is_not_installed_is_named_with_the_way_to_install_it(bare, extra, uri):
    done = types(bare, "list", "--keys", uri)
    assert done.returncode == 30
    assert json.loads(done.stdout)["code"] == "key-provider-missing"
    assert f"error: key URI: the {extra} provider is not installed" in done.stderr
    assert f"hint: pip install 'supplier-views[{extra}]'" in done.stderr


def test_a_key_uri_is_checked_without_its_extra(bare):
    done = types(bare, "list", "--keys", "pkcs11:token=force?pin-value=4711")
    assert done.returncode == 2
    assert "4711" not in done.stdout + done.stderr
