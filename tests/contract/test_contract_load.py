"""From a contract file to a contract."""

import pickle
from pathlib import Path

import pytest

from transforms.contract.load import load_contract
from transforms.contract.model import Classification, PhotoLimits
from transforms.errors import ContractError

CONTRACT = """\
apiVersion: v3.2.0
kind: DataContract
id: export
name: export
version: 1.0.0
status: active
customProperties:
  - {property: personKey, value: number}
  - {property: protectedColumn, value: hidden}
schema:
  - name: people
    properties:
      - name: number
        logicalType: string
        classification: identifier
        required: true
        unique: true
        logicalTypeOptions: {pattern: '[0-9]{8}'}
      - name: hidden
        logicalType: string
        classification: restricted
        required: true
        enum: [{value: yes}, {value: no}]
      - name: size
        logicalType: string
        classification: quasi
        enum: [{value: "06"}, {value: "08"}, {value: "10"}]
        customProperties:
          - property: generalisations
            value: {size_band: {small: ["06"], large: ["08", "10"]}}
      - name: face
        logicalType: string
        classification: photo
        customProperties:
          - {property: photoPurposes, value: [print cards]}
          - {property: maxBytes, value: 200}
          - {property: retention, value: 7, vendor: another-tool}
"""


HIDDEN = "  - {property: protectedColumn, value: hidden}"
PURPOSES = "{property: photoPurposes, value: [print cards]}"
BOX = "{property: faceBox, value: [box_x, box_y, box_w, box_h]}"


def loaded(tmp_path: Path, old: str = "", new: str = ""):
    assert old in CONTRACT
    path = tmp_path / "contract.yaml"
    path.write_text(CONTRACT.replace(old, new, 1) if old else CONTRACT, encoding="utf-8")
    return load_contract(path)


def refusal(tmp_path: Path, old: str, new: str) -> ContractError:
    with pytest.raises(ContractError) as caught:
        loaded(tmp_path, old, new)
    return caught.value


def line_of(text: str, old: str) -> int:
    return text[: text.index(old)].count("\n") + 1


def test_a_contract_says_what_its_file_says(tmp_path: Path) -> None:
    contract = loaded(tmp_path)
    number, hidden, size, face = contract.columns
    assert (contract.name, contract.version, contract.source) == ("export", "1.0.0", str(tmp_path / "contract.yaml"))
    assert (contract.person_key, contract.protected_column) == ("number", "hidden")
    assert (number.classification, number.required, number.unique, number.pattern) == (
        Classification.IDENTIFIER,
        True,
        True,
        "[0-9]{8}",
    )
    assert hidden.vocabulary == ("yes", "no")
    assert size.vocabulary == ("06", "08", "10")
    assert size.generalisations == {"size_band": {"06": "small", "08": "large", "10": "large"}}
    assert (face.photo_purposes, face.max_bytes) == (("print cards",), 200)


def test_none_is_refused_where_it_could_be_the_column_of_that_name(tmp_path: Path) -> None:
    path = tmp_path / "contract.yaml"
    path.write_text(CONTRACT.replace("value: hidden", "value: none").replace("name: hidden", "name: none"), encoding="utf-8")
    with pytest.raises(ContractError) as caught:
        load_contract(path)
    assert caught.value.code == "protected-ambiguous"


def test_limits_have_the_defaults_of_the_specification(tmp_path: Path) -> None:
    contract = loaded(tmp_path)
    assert (contract.encoding, contract.quarantine_limit, contract.photo_quarantine_limit) == ("utf-8", 0.005, 0.05)
    assert contract.columns[0].max_bytes == 4096


def test_photo_limits_formats_and_the_face_box_are_read_and_have_the_defaults_of_the_specification(tmp_path: Path) -> None:
    contract = loaded(tmp_path)
    assert (contract.photo_formats, contract.photo_limits, contract.columns[-1].face_box) == (("jpeg", "png"), PhotoLimits(), ())
    terms = (
        "\n  - {property: photoFormats, value: [png]}\n"
        "  - {property: photoLimits, value: {maxBytes: 2000000, maxPixels: 9000000, minAspect: 0.6, maxAspect: 1.5}}"
    )
    contract = loaded(tmp_path, HIDDEN, HIDDEN + terms)
    assert contract.photo_formats == ("png",)
    assert contract.photo_limits == PhotoLimits(2_000_000, 9_000_000, 0.6, 1.5)
    columns = "".join(f"\n      - {{name: box_{side}, logicalType: string, classification: restricted}}" for side in "xywh")
    path = tmp_path / "contract.yaml"
    path.write_text(CONTRACT.replace(PURPOSES, f"{PURPOSES}\n          - {BOX}").rstrip() + columns + "\n", encoding="utf-8")
    assert load_contract(path).column("face").face_box == ("box_x", "box_y", "box_w", "box_h")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("v3.2.0", "v3.1.0", "value-invalid"),
        ("kind: DataContract\n", "", "key-missing"),
        ("status: active", "status: draft", "value-invalid"),
        ("id: export", "id: ''", "value-invalid"),
        ("classification: quasi", "classification: public", "value-invalid"),
        ("        classification: quasi\n", "", "key-missing"),
        ("logicalType: string", "logicalType: integer", "value-invalid"),
        ("required: true", "required: yes", "value-invalid"),
        ("required: true", "required: [true]", "value-invalid"),
        ("unique: true", "uniq: true", "key-unknown"),
        ("unique: true", "unique: true\n        quality: [{metric: nullValues}]", "key-unknown"),
        ("unique: true", "unique: true\n        examples: ['01234567']", "key-unknown"),
        ("{pattern: '[0-9]{8}'}", "{pattern: '[0-9]{8}', maxLength: 8}", "key-unknown"),
        ("'[0-9]{8}'", "'(?=[0-9])[0-9]{8}'", "pattern-not-re2"),
        ("'[0-9]{8}'", r"'([0-9])\1'", "pattern-not-re2"),
        ("'[0-9]{8}'", r"'\Q[0-9]'", "pattern-not-re2"),
        ("'[0-9]{8}'", "''", "value-invalid"),
        ("'[0-9]{8}'}", "'[0-9]{8}'}\n        enum: [{value: '01234567'}]", "vocabulary-and-pattern"),
        ('{value: "08"}', '{value: "06"}', "vocabulary-twice"),
        ('{value: "08"}', '{value: " 08"}', "vocabulary-text"),
        ('{value: "08"}', '{value: "0\\u0007"}', "yaml-invisible"),
        ('enum: [{value: "06"}, {value: "08"}, {value: "10"}]', "enum: []", "value-invalid"),
        ('small: ["06"], ', "", "generalisation-not-total"),
        ('small: ["06"]', 'small: ["06", "07"]', "generalisation-unknown-value"),
        ('small: ["06"]', 'small: ["06", "08"]', "generalisation-ambiguous"),
        ('large: ["08", "10"]', 'large: ["08"], larger: ["10"]', "generalisation-not-coarser"),
        ("{small:", "{very  small:", "generalisation-label"),
        ("size_band", "hidden", "generalisation-name-taken"),
        ("size_band", "Size-Band", "value-invalid"),
        ("property: generalisations", "property: generalizations", "key-unknown"),
        ("property: maxBytes, value: 200", "property: maxBytes, value: 0", "value-invalid"),
        ("property: maxBytes, value: 200", "property: maxBytes, value: 1_000", "value-invalid"),
        ("property: maxBytes, value: 200", "property: photoPurposes, value: [more]", "property-twice"),
        ("classification: photo", "classification: quasi", "photo-purposes-misplaced"),
        ("name: size", "name: Size", "value-invalid"),
        ("name: size", "name: row_ref", "column-name-reserved"),
        ("name: size", "name: face", "column-twice"),
        ("value: number", "value: pay", "person-key-unknown"),
        ("value: number", "value: face", "person-key-unsound"),
        ("        unique: true\n", "", "person-key-unsound"),
        ("        required: true\n        unique: true\n", "        unique: true\n", "person-key-unsound"),
        ("classification: identifier", "classification: quasi", "person-key-unsound"),
        ("  - {property: personKey, value: number}\n", "", "key-missing"),
        ("  - {property: protectedColumn, value: hidden}\n", "", "key-missing"),
        ("value: hidden}", "value: hidden, vendor: another-tool}", "property-vendor"),
        ("{property: protectedColumn, value: hidden}", "{property: ProtectedColumn, value: x, vendor: y}", "property-vendor"),
        ("property: maxBytes, value: 200", "property: maxBytes, value: 200, vendor: another-tool", "property-vendor"),
        ("property: generalisations", "vendor: another-tool\n            property: generalisations", "property-vendor"),
        ("value: hidden", "value: secret", "protected-unknown"),
        ("value: hidden", "value: size", "protected-unsound"),
        ("enum: [{value: yes}, {value: no}]", "enum: [{value: yes}, {value: no}, {value: maybe}]", "protected-unsound"),
        ("classification: restricted", "classification: operational", "protected-unsound"),
        (
            "  - {property: protectedColumn, value: hidden}",
            "  - {property: encoding, value: latin-1}",
            "value-invalid",
        ),
        ("  - {property: protectedColumn, value: hidden}", "  - {property: quarantineLimit, value: 1.1}", "value-invalid"),
        ("  - {property: protectedColumn, value: hidden}", "  - {property: quarantineLimit, value: -0.1}", "value-invalid"),
        ("  - {property: protectedColumn, value: hidden}", "  - {property: quarantineLimt, value: 0.1}", "key-unknown"),
        (HIDDEN, HIDDEN + "\n  - {property: photoFormats, value: []}", "value-invalid"),
        (HIDDEN, HIDDEN + "\n  - {property: photoFormats, value: [jpeg, heic]}", "value-invalid"),
        (HIDDEN, HIDDEN + "\n  - {property: photoLimits, value: {maxBytes: 60000000}}", "value-invalid"),
        (HIDDEN, HIDDEN + "\n  - {property: photoLimits, value: {maxPixels: 0}}", "value-invalid"),
        (HIDDEN, HIDDEN + "\n  - {property: photoLimits, value: {minAspect: 1.1}}", "value-invalid"),
        (HIDDEN, HIDDEN + "\n  - {property: photoLimits, value: {maxSide: 10}}", "key-unknown"),
        (PURPOSES, "{property: faceBox, value: [hidden, number, size, face]}", "face-box-unsound"),
        (PURPOSES, "{property: faceBox, value: [hidden, hidden, hidden, hidden]}", "face-box-unsound"),
        (PURPOSES, "{property: faceBox, value: [x, y, w, h]}", "face-box-unknown"),
        (PURPOSES, "{property: faceBox, value: [hidden, number, size]}", "value-invalid"),
        ("- property: generalisations", f"- {BOX}\n          - property: generalisations", "face-box-misplaced"),
    ],
)
def test_a_contract_that_breaks_a_rule_is_refused_by_file_line_rule_and_hint(tmp_path: Path, old: str, new: str, code: str) -> None:
    error = refusal(tmp_path, old, new)
    assert code in [finding.code for finding in error.findings]
    for finding in error.findings:
        path, _, line = finding.place.rpartition(":")
        assert path == str(tmp_path / "contract.yaml")
        assert 1 <= int(line) <= CONTRACT.count("\n") + 3
        assert finding.rule
        assert finding.hint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("classification: quasi", "classification: public"),
        ("'[0-9]{8}'", "'(?=[0-9])[0-9]{8}'"),
        ("value: number", "value: 'No'"),
        ("property: maxBytes, value: 200", "property: maxBytes, value: many"),
    ],
)
def test_a_finding_names_the_line_of_what_is_wrong(tmp_path: Path, old: str, new: str) -> None:
    assert refusal(tmp_path, old, new).place == f"{tmp_path / 'contract.yaml'}:{line_of(CONTRACT, old)}"


def test_an_unknown_key_is_answered_with_the_closest_known_one(tmp_path: Path) -> None:
    assert refusal(tmp_path, "unique: true", "uniqe: true").findings[0].hint.startswith("did you mean unique?")


def test_all_columns_are_reported_at_once(tmp_path: Path) -> None:
    path = tmp_path / "contract.yaml"
    path.write_text(CONTRACT.replace("'[0-9]{8}'", "'['").replace('small: ["06"], ', "").replace("value: 200", "value: 0"), "utf-8")
    with pytest.raises(ContractError) as caught:
        load_contract(path)
    assert [finding.code for finding in caught.value.findings] == ["pattern-not-re2", "generalisation-not-total", "value-invalid"]
    assert str(caught.value).endswith("(and 2 more)")


def test_an_error_with_findings_survives_the_way_back_from_a_worker(tmp_path: Path) -> None:
    error = refusal(tmp_path, 'small: ["06"], ', "")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert [(f.place, f.code, f.rule, f.hint) for f in again.findings] == [
        (f.place, f.code, f.rule, f.hint) for f in error.findings
    ]


def test_a_contract_must_say_who_is_protected_if_only_that_nobody_is(tmp_path: Path) -> None:
    """A line that is forgotten would release everybody whom HR protects [P17]."""
    text = (Path(__file__).parents[2] / "examples" / "hr-export.yaml").read_text(encoding="utf-8")
    line = "  - property: protectedColumn\n    value: protected\n"
    assert line in text
    path = tmp_path / "contract.yaml"
    path.write_text(text.replace(line, ""), encoding="utf-8")
    with pytest.raises(ContractError) as caught:
        load_contract(path)
    assert "protectedColumn" in str(caught.value)
    path.write_text(text.replace(line, line.replace("value: protected", "value: none")), encoding="utf-8")
    assert load_contract(path).protected_column is None
