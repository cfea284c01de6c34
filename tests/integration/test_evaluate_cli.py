"""`triagedesk evaluate` and the warnings of `triagedesk catalog check`, as a process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from support.evaluations import Scripted
from support.llm_server import LlmServer
from support.services import LONG
from triagedesk.classify import Classifier
from triagedesk.errors import InputError
from triagedesk.evaluating import EvaluateOptions, Makers, evaluate_file

CATALOG = """\
categories:
  - name: Accounts
    requests:
      - name: Password Reset
        sla: {unit: hours, value: 4}
        description: "A forgotten password or a locked account."
      - name: Two-Factor Sign-in
        sla: {unit: hours, value: 4}
        description: "Authenticator app, sign-in codes."
  - name: Devices
    requests:
      - name: Printer
        sla: {unit: hours, value: 8}
        description: "Paper jams, toner, print queues."
      - name: Laptop Fault
        sla: {unit: days, value: 1}
        description: "A laptop that is broken or slow."
  - name: Network
    requests:
      - name: VPN
        sla: {unit: hours, value: 4}
        description: "The tunnel from home does not connect."
"""
_TICKETS = {
    "Accounts,Password Reset": [
        "Forgot my password,I cannot remember it after the holidays",
        "Account locked,too many attempts this morning",
        "password expired,it wants a new one and refuses mine",
    ],
    "Accounts,Two-Factor Sign-in": [
        'new phone no codes,"the authenticator is still on the old phone, help"',
        "authenticator shows nothing,the sign-in code never comes",
        "second factor,code is refused when I sign in",
    ],
    "Devices,Printer": [
        "Printer jams,paper stuck in tray two",
        "toner empty,third floor printer prints white pages",
        "print queue stuck,nothing comes out since noon",
    ],
    "Devices,Laptop Fault": [
        "laptop will not start,black screen and a beep",
        "laptop slow,takes ten minutes to boot",
        "broken hinge,the lid of my laptop came off",
    ],
    "Network,VPN": [
        "VPN down,no tunnel from home",
        "cannot connect from the hotel,vpn client says timeout",
        "vpn drops,every five minutes while working from home",
    ],
}
_COUNT = sum(map(len, _TICKETS.values()))
#: What nobody could be sure of.
_VAGUE = """\
90,it does not work,since the holidays it says no to me,Accounts,Password Reset
91,please call back,,Network,VPN
92,same as last week,you know what I mean,Devices,Printer
"""


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with a catalog and a labelled file."""
    lines = ["id,short_description,long_description,request_category,request_type"]
    rows = [f"{text},{label}" for label, texts in _TICKETS.items() for text in texts]
    lines += [f"{number},{row}" for number, row in enumerate(rows, start=1)]
    (tmp_path / "history.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "catalog.yaml").write_text(CATALOG, encoding="utf-8")
    return tmp_path


def triagedesk(
    desk: Path, *words: str, code: int = 0, settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a folder of its own, with nothing configured but `settings`."""
    done = subprocess.run(
        [sys.executable, "-m", "triagedesk", *words],
        cwd=desk,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "160", **(settings or {})},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done


def evaluate(desk: Path, *words: str, **settings: str) -> dict[str, Any]:
    """What `triagedesk evaluate history.csv --json` prints."""
    shell = triagedesk(desk, "evaluate", "history.csv", "--json", *words, settings=settings)
    document: dict[str, Any] = json.loads(shell.stdout)
    return document


def test_zero_shot_figures_as_a_table_and_a_page(desk: Path) -> None:
    done = triagedesk(
        desk, "evaluate", "history.csv", "--catalog", "catalog.yaml", "--html", "out/report.html"
    )

    for words in ("Accuracy", "Macro-F1", "Calibration error", "catalog.yaml (5 request types)"):
        assert words in done.stdout
    page = (desk / "out" / "report.html").read_text(encoding="utf-8")
    parser = HTMLParser()
    parser.feed(page)
    assert "<script" not in page
    assert page.count("<svg class=") >= 2
    # Nothing is kept: no store was made.
    assert sorted(path.name for path in desk.iterdir()) == ["catalog.yaml", "history.csv", "out"]


def test_the_same_call_gives_the_same_answers(desk: Path) -> None:
    first, second = (
        evaluate(desk, "--catalog", "catalog.yaml", "--limit", "8", "--seed", "4") for _ in range(2)
    )

    assert len(first["outcomes"]) == 8
    for document in (first, second):
        del document["seconds"], document["figures"]["tickets_per_second"]
    assert first == second


def test_cross_fitting_learns_and_draws_a_learning_curve(desk: Path) -> None:
    document = evaluate(desk, "--catalog", "catalog.yaml", "--folds", "3")

    assert [point["corrections"] for point in document["learning_curve"]] == [0, 10]
    assert {outcome["fold"] for outcome in document["outcomes"]} == {1, 2, 3}
    assert document["figures"]["accuracy"]["total"] == _COUNT


def test_without_a_catalog_the_labels_found_serve_and_that_is_said(desk: Path) -> None:
    done = triagedesk(desk, "evaluate", "history.csv")

    assert "none given: the 5 labels found in the file serve as a flat catalog" in done.stdout


def test_bad_rows_are_said_with_their_lines_and_the_rest_is_measured(desk: Path) -> None:
    with (desk / "history.csv").open("a", encoding="utf-8") as file:
        file.write("99,,,Network,VPN\n100,no label,,,\n")
    done = triagedesk(desk, "evaluate", "history.csv", "--json", "--catalog", "catalog.yaml")

    assert "set aside: line 17: no text" in done.stderr
    assert "set aside: line 18: no label" in done.stderr
    document = json.loads(done.stdout)
    assert [row["where"] for row in document["set_aside"]] == ["line 18", "line 17"]
    assert document["figures"]["tickets"] == _COUNT


def test_labels_that_the_catalog_does_not_have_end_it_unless_skipped(desk: Path) -> None:
    with (desk / "history.csv").open("a", encoding="utf-8") as file:
        file.write("99,no dial tone,,Telephony,Fax\n")
    words = ("evaluate", "history.csv", "--catalog", "catalog.yaml")

    refused = triagedesk(desk, *words, code=2)
    assert "line 17: Telephony / Fax: not in the catalog" in refused.stderr
    assert "--skip-unknown" in refused.stderr
    skipped = triagedesk(desk, *words, "--skip-unknown")
    assert "left out: Telephony / Fax" in skipped.stderr


def test_policies_are_compared_also_with_an_earlier_run(desk: Path) -> None:
    words = ("evaluate", "history.csv", "--catalog", "catalog.yaml", "--json")
    (desk / "earlier.json").write_text(triagedesk(desk, *words).stdout, encoding="utf-8")

    document = json.loads(
        triagedesk(desk, *words, "--compare", "earlier.json", "precision=0.99").stdout
    )
    paired = document["comparison"]["paired"]
    assert paired[0]["what"] == "right"
    assert (paired[0]["difference"], paired[0]["mcnemar_p"]) == (0, 1)
    assert document["comparison"]["second"] == "local,precision=0.99"
    assert [e["promised_precision"] for e in document["evaluations"]] == [0.95, 0.99]


def test_what_the_cascade_saves_is_counted_with_a_language_model(desk: Path) -> None:
    with (desk / "history.csv").open("a", encoding="utf-8") as file:
        file.write(_VAGUE)
    with LlmServer() as llm:
        document = evaluate(
            desk,
            *("--catalog", "catalog.yaml", "--compare", "llm", "llm-cascade"),
            *("--price-in", "1", "--price-out", "10", "--html", "report.html"),
            LLM_MODEL_NAME="scripted",
            LLM_BASE_URL=llm.url,
            LLM_API_KEY="k",
        )

    alone, cascade = (evaluation["cost"] for evaluation in document["evaluations"])
    assert alone["tickets_asked"] == _COUNT + 3
    assert 0 < cascade["tickets_asked"] <= alone["tickets_asked"]
    assert cascade["saved_share"] == pytest.approx(1 - cascade["tickets_asked"] / (_COUNT + 3))
    assert alone["per_1000_tickets"] > 0
    assert "llm-cascade" in (desk / "report.html").read_text(encoding="utf-8")


def test_a_language_model_that_is_away_is_said_and_not_hidden(desk: Path) -> None:
    heading = (desk / "history.csv").read_text(encoding="utf-8").splitlines()[0]
    (desk / "history.csv").write_text(f"{heading}\n{_VAGUE}", encoding="utf-8")
    document = evaluate(
        desk,
        *("--catalog", "catalog.yaml", "--llm", "--limit", "3"),
        LLM_MODEL_NAME="scripted",
        LLM_BASE_URL="http://127.0.0.1:9/v1",
        LLM_API_KEY="k",
        LLM_TIMEOUT="1",
    )

    assert document["figures"]["accuracy"]["total"] == 3
    assert any("the language model had no answer for" in note for note in document["notes"])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"folds": 1}, "--folds 1"),
        ({"folds": 99}, "99 folds"),
        ({"limit": -1}, "--limit -1"),
        ({"seed": -1}, "--seed -1"),
        ({"price_in": 1.0}, "go together"),
        ({"price_in": float("nan"), "price_out": 1.0}, "--price-in nan"),
        ({"compare": ("local", "magic")}, "'magic' is no policy"),
        ({"compare": ("local", "precision=7")}, "is no policy"),
        ({"compare": ("local", "gone.json")}, "no file gone.json"),
        ({"compare": ("local", "history.csv")}, "cannot be read"),
    ],
)
def test_wrong_options_are_said_before_anything_is_asked(
    desk: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], said: str
) -> None:
    monkeypatch.chdir(desk)
    asked: list[object] = []

    def local(*ways: object) -> tuple[Classifier, tuple[str, ...]]:
        asked.append(ways)
        return Scripted({}), ()

    with pytest.raises(InputError) as refused:
        evaluate_file(
            EvaluateOptions(file="history.csv", **wrong),
            catalog=None,
            makers=Makers(local=local, llm=lambda: Scripted({})),
            precision=0.95,
        )
    assert said in str(refused.value)
    assert asked == []


def test_asking_a_language_model_that_is_not_configured_is_refused(desk: Path) -> None:
    done = triagedesk(desk, "evaluate", "history.csv", "--llm", code=2)

    assert "LLM_MODEL_NAME" in done.stderr


def test_a_catalog_of_look_alikes_is_warned_of(desk: Path) -> None:
    muddled = CATALOG + "      - {name: VPN Problem, sla: {unit: hours, value: 4}}\n"
    (desk / "muddled.yaml").write_text(muddled, encoding="utf-8")

    done = triagedesk(desk, "catalog", "check", "muddled.yaml")
    assert "warning: Network / VPN" in done.stdout
    assert "VPN Problem has no description" in done.stdout
    triagedesk(desk, "catalog", "check", "muddled.yaml", "--strict", code=2)
    fine = triagedesk(desk, "catalog", "check", "catalog.yaml", "--strict")
    assert "can tell all request types apart" in fine.stdout


@LONG
def test_a_catalog_is_checked_without_the_models_weights_and_says_so(desk: Path) -> None:
    (desk / "empty").mkdir()
    done = triagedesk(desk, "catalog", "check", "catalog.yaml", settings={"MODEL_DIR": "empty"})

    assert "5 request types in order" in done.stdout
    assert "not installed" in done.stdout
