"""The leak gate's search over a page: what it finds, what it does not take for a leak, and when it reads the export at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest

from pipelines.inputs import Terms
from pipelines.reporting.model import Refusal, Report, report_json
from pipelines.reporting.page import render_page
from pipelines.reporting.search import search_page, unexplained
from transforms.errors import Refused, SupplierViewsError

Search = Callable[..., None]

PERSON = {
    "pay_number": "20174411",
    "warrant_number": "274410",
    "surname": "Wolstenholme-Grant",
    "forenames": "Ngozi",
    "email": "p20174411@force.example",
    "collar_number": "KX471",
    "phone": "07912345678",
}
NOWHERE = "/nowhere/*.csv"


@pytest.fixture
def export(tmp_path: Path, terms: Terms) -> str:
    """An export of one person."""
    path = tmp_path / "hr-export.csv"
    pa_csv.write_csv(pa.table({name: [PERSON.get(name, "")] for name in terms.contract.names}), path)
    return str(path)


@pytest.fixture
def search(terms: Terms, export: str) -> Search:
    def run(report: Report, pattern: str = export, html: str | None = None) -> None:
        page = render_page(report) if html is None else html
        search_page(page, report_json(report), report, terms.contract, terms.policies, ("examples/suppliers",), pattern)

    return run


def test_nothing_of_an_ordinary_page_is_left_to_search_for_so_the_export_is_not_read(search: Search, report: Report) -> None:
    search(report, NOWHERE)


def test_a_page_of_a_refused_run_is_no_different(search: Search, refused: Report) -> None:
    search(refused, NOWHERE)


@pytest.mark.parametrize("column", sorted(PERSON))
@pytest.mark.parametrize("where", ["notice", "reason", "place", "policy", "page alone"])
def test_a_raw_value_is_found_wherever_it_stands(search: Search, report: Report, column: str, where: str) -> None:
    value = PERSON[column]
    html = None
    if where == "notice":
        report = replace(report, notices=(f"a row of {value} was odd",))
    elif where in ("reason", "place"):
        texts = {"rule": "a reason", "place": "somewhere"} | {"rule" if where == "reason" else "place": f"near {value}, row 3"}
        report = replace(report, outcome="held-back", refusal=Refusal("staging", "leak", **texts, hint=""))
    elif where == "policy":
        report = replace(report, suppliers=(replace(report.suppliers[0], purpose=f"cards for {value}"), *report.suppliers[1:]))
    else:
        html = render_page(report).replace("</footer>", f"<p title='{value}'>as before</p></footer>")
    with pytest.raises(Refused) as refusal:
        search(report, html=html)
    assert refusal.value.code == "report-leak"
    assert value.lower() not in str(refusal.value).lower()


def test_other_numbers_and_words_than_the_exports_pass(search: Search, report: Report) -> None:
    search(replace(report, notices=("see ticket 99887766 of Featherstonehaugh",)))


def test_a_word_of_the_policy_that_is_somebodys_name_is_no_leak(report: Report, terms: Terms, tmp_path: Path) -> None:
    path = tmp_path / "hr-export.csv"
    values = {"surname": "Constable", "forenames": "Stock", "known_as": "Print"}
    pa_csv.write_csv(pa.table({name: [values.get(name, "")] for name in terms.contract.names}), path)
    search_page(render_page(report), report_json(report), report, terms.contract, terms.policies, (), str(path))


def test_a_pay_number_that_somebody_wrote_into_a_policy_is_searched_for(report: Report, terms: Terms) -> None:
    policies = tuple(replace(policy, purpose="cards for 20174411") for policy in terms.policies)
    found = unexplained(["cards for 20174411"], report, terms.contract, policies, ())
    assert "20174411" in found


def test_the_synthetic_person_explains_whole_values_and_not_parts_of_others(report: Report, terms: Terms) -> None:
    assert unexplained(["00000042", "p00000042@force.example"], report, terms.contract, terms.policies, ()) == set()
    assert unexplained(["100000042"], report, terms.contract, terms.policies, ())


def test_a_real_row_in_place_of_the_synthetic_person_is_found(search: Search, report: Report) -> None:
    record = tuple(replace(cell, value=PERSON.get(cell.column, cell.value)) for cell in report.hr_record)
    with pytest.raises(Refused):
        search(replace(report, hr_record=record))


def test_without_a_contract_what_nothing_explains_is_refused(report: Report) -> None:
    with pytest.raises(Refused):
        search_page("<p>Featherstonehaugh</p>", b"{}", report, None, (), (), NOWHERE)


def test_an_export_that_cannot_be_read_is_no_proof(search: Search, report: Report) -> None:
    with pytest.raises(SupplierViewsError):
        search(replace(report, notices=("see ticket 99887766",)), NOWHERE)
