"""The specifications name every rule that the code has, and their example is accepted."""

import re
from pathlib import Path

import pytest

from transforms.contract.load import load_contract
from transforms.policy.lint import lint
from transforms.policy.load import load_policy

ROOT = Path(__file__).parents[2]


def rule_codes(module: str) -> set[str]:
    text = (ROOT / "transforms" / module).read_text("utf-8")
    return set(re.findall(r'"([a-z]+(?:-[a-z0-9]+)+)"', text)) - {"uk-gdpr", "utf-8", "one-way"}


@pytest.mark.parametrize(
    ("module", "specs"),
    [
        ("contract/rules.py", ["contract.md"]),
        ("contract/load.py", ["contract.md"]),
        ("contract/file_schema.py", ["contract.md"]),
        ("export/sources.py", ["export.md"]),
        ("export/header.py", ["export.md"]),
        ("export/csv.py", ["export.md"]),
        ("export/parquet.py", ["export.md"]),
        ("export/jsonl.py", ["export.md"]),
        ("export/json_lines.py", ["export.md"]),
        ("export/pieces.py", ["export.md"]),
        ("contract/rows.py", ["export.md"]),
        ("policy/load.py", ["policy.md", "contract.md"]),
        ("policy/lint.py", ["policy.md"]),
        ("policy/token_lint.py", ["policy.md"]),
        ("policy/disclosure.py", ["policy.md"]),
    ],
)
def test_every_code_of_a_rule_is_in_the_specification(module: str, specs: list[str]) -> None:
    text = "".join((ROOT / "docs" / "spec" / spec).read_text("utf-8") for spec in specs)
    codes = rule_codes(module)
    assert codes
    # a list may go on with `-label` after `generalisation-without-vocabulary`
    assert {code for code in codes if f"`{code}`" not in text and f"`-{code.partition('-')[2]}`" not in text} == set()


def test_the_policy_in_the_specification_is_accepted(tmp_path: Path) -> None:
    block = (ROOT / "docs" / "spec" / "policy.md").read_text("utf-8").partition("```yaml\n")[2].partition("```")[0]
    path = tmp_path / "policy.yaml"
    path.write_text(block, encoding="utf-8")
    lint(load_policy(path), load_contract(ROOT / "examples" / "hr-export.yaml"))
