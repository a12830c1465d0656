"""A spreadsheet program leaves every token as it is [T4]: run by `make test-office`, since it needs LibreOffice."""

from __future__ import annotations

import csv
import random
import subprocess
import sys
from pathlib import Path

import pytest

from transforms.tokens.format import ALPHABET, check_symbol

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ENGLISH, GERMAN = 2057, 1031
# Separator, quote, UTF-8, first line, formats, language, quoted as text, detect special numbers. The last is the dangerous one.
READ = "CSV:44,34,76,1,,{language},false,true"
WRITE = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true"
# Letters that could begin a date, a truth value, a currency, a time or a number that is none.
PREFIXES = ("WC", "MAR", "DEC", "MAY", "SEPT", "JAN", "TRUE", "NAN", "INF", "AM", "PM", "GBP", "EUR", "SUM", "NULL", "ZZ")
EPOCHS = (1, 2, 10, 31, 2026, 999_999_999)


def shaped() -> list[str]:
    """Symbols that would be numbers, dates or exponents if nothing stood before them."""
    exponents = [f"{10**at - 1:0{at}d}E{'1' * (15 - at)}" for at in range(1, 15)]
    leading = [f"{'0' * zeros}{'7' * (16 - zeros)}" for zeros in range(17)]
    return [
        *exponents,
        *leading,
        "1E00000000000001",
        "0000000000000E99",
        "1D00000000000005",
        "0X00000000000012",
        "00000000000000A0",
    ]


def symbols() -> list[str]:
    """The shapes, and symbols that are random, of digits alone, or of digits and one E; each with its check symbol."""
    chance = random.Random(4)  # noqa: S311 - the same tokens each time
    drawn = ["".join(chance.choices(alphabet, k=16)) for alphabet in (ALPHABET, "0123456789", "0123456789E") for _ in range(300)]
    return [f"{body}{check_symbol(body)}" for body in (*shaped(), *drawn)]


def adversarial() -> list[str]:
    bodies = symbols()
    return [f"{prefix}{EPOCHS[at % len(EPOCHS)]}-{body}" for prefix in PREFIXES for at, body in enumerate(bodies)]


def write(path: Path, column: list[str]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\r\n").writerows([("token", "n"), *((text, at) for at, text in enumerate(column))])
    return path


def first_column(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return [row[0] for row in csv.reader(file)][1:]


def through(path: Path, place: Path, language: int, *formats: str) -> Path:
    """The file as LibreOffice reads it, saves it in each format in turn, opens that again, and saves it as CSV at last."""
    for step, target in enumerate((*formats, WRITE)):
        out = place / f"{step}-{target[:4].strip(':')}"
        infilter = [f"--infilter={READ.format(language=language)}"] if path.suffix == ".csv" else []
        line = ["soffice", "--headless", "--norestore", f"-env:UserInstallation=file://{place / 'profile'}", *infilter]
        done = subprocess.run(
            [*line, "--convert-to", target, "--outdir", str(out), str(path)],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        path = out / f"{path.stem}.{target.partition(':')[0]}"
        assert path.exists(), done.stdout + done.stderr
    return path


WAYS = {"csv": (), "ods": ("ods",), "xlsx": ("xlsx",)}


@pytest.mark.parametrize("language", [ENGLISH, GERMAN], ids=["English", "German"])
@pytest.mark.parametrize("way", WAYS)
def test_every_token_of_every_shape_comes_back_as_it_went(tmp_path, way, language):
    tokens = adversarial()
    assert len(tokens) > 10_000
    assert first_column(through(write(tmp_path / "people.csv", tokens), tmp_path, language, *WAYS[way])) == tokens


@pytest.mark.parametrize("way", WAYS)
def test_without_its_prefix_a_token_can_become_a_number(tmp_path, way):
    bare = symbols()
    came = first_column(through(write(tmp_path / "people.csv", bare), tmp_path, ENGLISH, *WAYS[way]))
    changed = {went for went, back in zip(bare, came, strict=True) if went != back}
    assert len(changed) > 100
    assert any("E" in text for text in changed)
    assert any(text.startswith("0") for text in changed)


def test_the_tokens_of_a_night_come_back_as_they_went(tmp_path):
    def types(*words: str) -> None:
        line = [sys.executable, "-m", "pipelines.cli", *words]
        done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    policies = ("--policies", str(EXAMPLES / "suppliers"))
    types("demo-data", "--people", "200", "--seed", "1", "--photo-mp", "0.1", "--out", "export")
    types("keys", "init", "--keys", "file:keys", *policies)
    source = ("--export", "export/hr-export.csv", "--photos", "export/photos", "--contract", str(EXAMPLES / "hr-export.yaml"))
    types("run", *source, *policies, "--keys", "file:keys", "--out", "out", "--date", "2026-11-24")
    views = sorted((tmp_path / "out").glob("*/*/people.csv"))
    assert len(views) == 3
    for view in views:
        place = tmp_path / view.parent.parent.name
        place.mkdir()
        tokens = [row for row in columns(view) if row[0].endswith("_token")]
        assert tokens
        for way in WAYS.values():
            back = dict(columns(through(view, place, ENGLISH, *way)))
            for name, values in tokens:
                assert back[name] == values


def columns(path: Path) -> list[tuple[str, list[str]]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        header, *rows = csv.reader(file)
    return [(name, [row[at] for row in rows]) for at, name in enumerate(header)]
