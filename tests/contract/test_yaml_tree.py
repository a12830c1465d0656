"""The strict reading of YAML."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.contract.yaml_tree import MAX_FILE_BYTES, read_yaml
from transforms.errors import ContractError, PolicyError


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "file.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refusal(tmp_path: Path, text: str | bytes) -> ContractError:
    with pytest.raises(ContractError) as caught:
        read_yaml(written(tmp_path, text), ContractError)
    return caught.value


def test_every_scalar_stays_the_text_that_was_written(tmp_path: Path) -> None:
    text = "a: yes\nb: no\nc: 0123\nd: 2026-11-23\ne: 1e3\nf: [on, NO, 0x1F, 12:30:00, .inf]\ng: 'null'\nh: true\ni: ''\n"
    assert read_yaml(written(tmp_path, text), ContractError).plain() == {
        "a": "yes",
        "b": "no",
        "c": "0123",
        "d": "2026-11-23",
        "e": "1e3",
        "f": ["on", "NO", "0x1F", "12:30:00", ".inf"],
        "g": "null",
        "h": "true",
        "i": "",
    }


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("a: 1\nb: !!str 2\n", "yaml-tag", 2),
        ("a: !!python/object/apply:os.system ['true']\n", "yaml-tag", 1),
        ("a: ! 2\n", "yaml-tag", 1),
        ("!!map {a: 1}\n", "yaml-tag", 1),
        ("a: 1\n!!str b: 2\n", "yaml-tag", 2),
        ("a: &x 1\n", "yaml-anchor", 1),
        ("a: 1\nb: &x {c: 1}\n", "yaml-anchor", 2),
        ("a: *x\n", "yaml-anchor", 1),
        ("a: 1\n*x : 2\n", "yaml-anchor", 2),
        ("a: 1\n<<: {b: 2}\n", "yaml-merge", 2),
        ("a: 1\nb: 2\na: 3\n", "yaml-duplicate-key", 3),
        ('a: 1\n"a": 3\n', "yaml-duplicate-key", 2),
        ("x:\n  - {b: 1, b: 1}\n", "yaml-duplicate-key", 2),
        ("a: 1\n---\nb: 2\n", "yaml-documents", 2),
        ("%YAML 1.2\n---\na: 1\n", "yaml-directive", 1),
        ("%TAG ! tag:example.org,2026:\n---\na: 1\n", "yaml-directive", 1),
        ("a: 1\nb:\n", "yaml-null", 2),
        ("a: ~\n", "yaml-null", 1),
        ("a: [1, null]\n", "yaml-null", 1),
        ("a: 1\n? [b]\n: 2\n", "yaml-key", 2),
        ("a: 1\nb: [1, 2\n", "yaml-syntax", 3),
        ("a: 1\n b: 2\n", "yaml-syntax", 2),
        ("a: 1\nb: \x07\n", "yaml-invisible", 2),
        ("a: 1\nb: x\u202ey\n", "yaml-invisible", 2),
        ("a: 1\nb\u200b: x\n", "yaml-invisible", 2),
        ("a: 1\nb: \ue000\n", "yaml-invisible", 2),
        ("a: 1\nb: x\u3164\n", "yaml-invisible", 2),
        ("a: 1\nb: x\u0085c: 2\n", "yaml-invisible", 2),
        (b"a: 1\nb: Zo\xeb\n", "yaml-not-utf8", 2),
        ("a: 1\n".encode("utf-16"), "yaml-not-utf8", 1),
        ("", "yaml-no-mapping", 1),
        ("# nothing\n", "yaml-no-mapping", 1),
        ("- a\n", "yaml-no-mapping", 1),
        ("a: " + "[" * 30 + "1" + "]" * 30, "yaml-depth", 1),
        ("a: " + "{a: " * 30 + "1" + "}" * 30, "yaml-depth", 1),
    ],
)
def test_yaml_that_could_mean_something_else_is_refused_with_its_line(
    tmp_path: Path, text: str | bytes, code: str, line: int
) -> None:
    error = refusal(tmp_path, text)
    assert (error.code, error.place) == (code, f"{tmp_path / 'file.yaml'}:{line}")
    assert error.rule
    assert error.hint
    assert error.exit_status == 20


@pytest.mark.parametrize("text", ['a: 1\nb: "x%y"\n', 'a: 1\n"x%y": b\n', 'a: 1\nb: [c, "%"]\n', 'a: 1\nb: {"%": 1, "%": 2}\n'])
@pytest.mark.parametrize(
    "escape",
    [r"\u202e", r"\e[31m", r"\u2060", r"\n", r"\t", r"\0", r"\x9b", r"\ud800", r"\ue000", r"\U0010ffff", r"\L", r"\ufe0f", r"\N"],
)
def test_an_escape_for_a_character_that_nobody_sees_is_refused_and_not_repeated(tmp_path: Path, text: str, escape: str) -> None:
    error = refusal(tmp_path, text.replace("%", escape))
    assert (error.code, error.place) == ("yaml-invisible", f"{tmp_path / 'file.yaml'}:2")
    assert f"{error}{error.rule}{error.hint}".isprintable()


@pytest.mark.parametrize("escape", [r"\UFFFFFFFF", r"\U00110000", r"\q", r"\u12"])
def test_an_escape_that_stands_for_no_character_is_broken_syntax(tmp_path: Path, escape: str) -> None:
    error = refusal(tmp_path, f'a: 1\nb: "x{escape}"\n')
    assert (error.code, error.place) == ("yaml-syntax", f"{tmp_path / 'file.yaml'}:2")
    assert f"{error}{error.rule}{error.hint}".isprintable()


def test_line_ends_and_tabs_that_stand_in_the_file_are_no_hidden_characters(tmp_path: Path) -> None:
    path = written(tmp_path, 'a: >-\n  one\n  two\nb: |\n  one\n  t\two\r\nc: Zo\u00eb\r\nd: "Jos\\u00e9"\r\n')
    assert read_yaml(path, ContractError).plain() == {"a": "one two", "b": "one\nt\two\n", "c": "Zo\u00eb", "d": "Jos\u00e9"}


def test_a_file_of_more_than_a_megabyte_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    assert refusal(tmp_path, b"#" * MAX_FILE_BYTES + b"\na: [").code == "file-too-large"


def test_brackets_without_end_are_refused_rather_than_followed(tmp_path: Path) -> None:
    assert refusal(tmp_path, "a: " + "[" * 500_000).code == "yaml-depth"


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read") as caught:
        read_yaml(tmp_path / "absent.yaml", PolicyError)
    assert caught.value.place == str(tmp_path / "absent.yaml")


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    assert read_yaml(written(tmp_path, b"\xef\xbb\xbfa: 1\n"), ContractError).plain() == {"a": "1"}


def test_a_location_that_does_not_exist_has_the_line_of_what_encloses_it(tmp_path: Path) -> None:
    document = read_yaml(written(tmp_path, "a: 1\nb:\n  - c: 2\n    d: 3\n  - e: 4\n"), ContractError)
    assert [document.line(at) for at in ((), ("b",), ("b", 0, "d"), ("b", 1), ("b", 1, "absent"), ("b", 9), ("absent",))] == [
        1,
        2,
        4,
        5,
        5,
        2,
        1,
    ]


def test_commas_in_unquoted_prose_between_braces_belong_to_the_sentence(tmp_path: Path) -> None:
    path = written(tmp_path, "a: {x: 1, why: joins this, that and  those, y: 2}\nb: {why: one, two, three}\n")
    assert read_yaml(path, PolicyError, prose=frozenset({"why"})).plain() == {
        "a": {"x": "1", "why": "joins this, that and  those", "y": "2"},
        "b": {"why": "one, two, three"},
    }


@pytest.mark.parametrize("text", ["a: {x: one, two}", "a: {why: one, two: }", "a: {why: 'one', two}", "a: {why: [one], two}"])
def test_a_stray_key_that_continues_no_prose_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(PolicyError) as caught:
        read_yaml(written(tmp_path, text), PolicyError, prose=frozenset({"why"}))
    assert caught.value.code == "yaml-null"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet="ab:{}[],-?&*!|>'\"%#\n \t<~", max_size=60).map(str.encode))
def test_any_bytes_are_read_as_keys_or_refused_with_a_place(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = written(tmp_path_factory.mktemp("any"), raw)
    try:
        assert isinstance(read_yaml(path, ContractError).plain(), dict)
    except ContractError as error:
        assert error.place.startswith(str(path))  # noqa: PT017 - both outcomes are right
