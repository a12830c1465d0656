"""A run whose policy asks for archives of photos that are cropped on the faces of the export."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

from PIL import Image

from pipelines.release.offline import verify_release

if TYPE_CHECKING:
    from conftest import Site

BOX = ("face_x", "face_y", "face_w", "face_h")
COLUMN = (
    "\n      - {{name: {name}, logicalType: string, classification: restricted, logicalTypeOptions: {{pattern: '[0-9]{{1,5}}'}}}}"
)


def test_photos_leave_in_archives_that_hold_one_for_each_row_and_their_faces_do_not(site: Site) -> None:
    contract = site.contract.read_text(encoding="utf-8").rstrip()
    purposes = "          - property: photoPurposes\n"
    assert purposes in contract
    contract = contract.replace(purposes, f"          - property: faceBox\n            value: [{', '.join(BOX)}]\n{purposes}")
    rows = [{**row, "face_x": "60", "face_y": "70", "face_w": "77", "face_h": "91"} for row in site.rows()]
    zipping = (
        site.with_contract_text(contract + "".join(COLUMN.format(name=name) for name in BOX) + "\n")
        .with_rows(rows)
        .with_policies(
            lambda supplier, text: text.replace("photos: folder", "photos: zip").replace(
                "name: person_token}", "name: person_token, crop: face}"
            )
        )
    )
    summary = zipping.run()
    due = summary["suppliers"]["card-printer"]["released"]
    assert summary["flagged"] == {"flagged-photo-small row": due}
    release = zipping.release("card-printer")
    manifest = verify_release(release, zipping.public_key)
    names = ["README.txt", "people.csv", "people.schema.json", "photos-000.zip"]
    assert [subject.name for subject in manifest.subjects] == names
    assert manifest.terms.residual_risks == ("face-linkable",)
    tokens = [line.split(",")[0] for line in (release / "people.csv").read_text().splitlines()[1:]]
    with zipfile.ZipFile(release / "photos-000.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [f"{token}.jpg" for token in tokens]
        sizes = {Image.open(io.BytesIO(archive.read(name))).size for name in archive.namelist()}
    # 1.22 of a box of 91 pixels is 75 % of 148, and 116 is to 148 as 295 to 378
    assert sizes == {(116, 148)}
    assert len(tokens) == due
    for path in (release / "people.csv", release / "people.schema.json", release / "README.txt"):
        assert "face_" not in path.read_text()
