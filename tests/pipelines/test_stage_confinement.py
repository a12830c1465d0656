"""A run says so where photos are decoded in a process that the kernel confines less than it could."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Site

# A namespace of users in which there is no `nobody`, so that whoever is root in it stays root.
NAMESPACE = ["unshare", "--user", "--map-root-user"]


def _can_unshare() -> bool:
    return shutil.which("unshare") is not None and subprocess.run([*NAMESPACE, "true"], check=False).returncode == 0


@pytest.mark.skipif(not _can_unshare(), reason="no namespaces of users here")
def test_a_run_says_that_its_photos_are_decoded_by_root_where_they_are(site: Site) -> None:
    one = site.with_rows([row for row in site.rows() if row["card_due"] == "yes" and row["protected"] == "no"][:1])
    line = [*NAMESPACE, sys.executable, "-m", "pipelines.cli", *one.arguments("stage", "--supplier", "card-printer")]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert '"the process that decodes photos is less confined here than it could be; lacking: unprivileged"' in done.stdout
    assert not any("less confined" in notice for notice in one.named("usual").stage(suppliers=("card-printer",)).notices)
