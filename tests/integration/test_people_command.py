"""`triagedesk person`: who may sign in to the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from support.records import NOW, an_agent
from triagedesk.cli import cli, serve
from triagedesk.errors import InputError
from triagedesk.passwords import hash_password, is_outdated, is_password
from triagedesk.store import Store

GOOD = "correct horse battery"
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("OUTPUT_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    return lambda *arguments, said="": runner.invoke(cli, ["person", *arguments], input=said)


def known(tmp_path: Path) -> Store:
    return Store.open(f"sqlite:///{tmp_path / 'sample.db'}")


def test_a_person_is_made_listed_changed_and_disabled(run: Run, tmp_path: Path) -> None:
    store = known(tmp_path)
    with store.begin_alone() as transaction:
        transaction.welcome([an_agent("ann")], NOW)
    made = run("create", "Lea", "--role", "admin", "--full-name", "Lea L.", said=f"{GOOD}\n" * 2)
    assert made.exit_code == 0, made.output
    assert GOOD not in made.output
    assert (
        run("create", "bo", "--password-stdin", "--agent", "ann", said=f"{GOOD}\n").exit_code == 0
    )
    rows = json.loads(run("list", "--json").output)
    assert [(row["name"], row["role"], row["agent_id"]) for row in rows] == [
        ("bo", "viewer", "ann"),
        ("lea", "admin", ""),
    ]
    assert "argon2" not in run("list", "--json").output
    assert run("change", "BO", "--role", "agent").exit_code == 0
    assert run("disable", "lea").exit_code == 0
    assert "lea  admin  last signed in never  disabled" in run("list").output
    assert run("enable", "lea").exit_code == 0
    with store.read() as transaction:
        lea = transaction.person_named("LEA")
    store.close()
    assert lea is not None
    assert (lea.disabled_at, lea.display_name) == (None, "Lea L.")
    assert is_password(GOOD, lea.password_hash)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "bo", "--password-stdin"), "short\n"),
        (("create", "bo", "--password-stdin"), "aaaaaaaaaaaaaaaa\n"),
        (("create", "bo", "--password-stdin", "--role", "boss"), f"{GOOD}\n"),
        (("create", "bo", "--password-stdin", "--agent", "nobody"), f"{GOOD}\n"),
        (("create", "local", "--password-stdin"), f"{GOOD}\n"),
        (("create", "b\no", "--password-stdin"), f"{GOOD}\n"),
        (("password", "nobody", "--password-stdin"), f"{GOOD}\n"),
        (("change", "nobody", "--role", "lead"), ""),
    ],
)
def test_what_makes_no_sense_is_refused(run: Run, arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments, said=said)
    assert done.exit_code != 0
    assert run("list").output.startswith("There is nobody")


def test_a_new_password_ends_every_session(run: Run, tmp_path: Path) -> None:
    run("create", "lea", "--password-stdin", said=f"{GOOD}\n")
    store = known(tmp_path)
    with store.begin() as transaction:
        person = transaction.person_named("lea")
        assert person is not None
        transaction.open_session("digest", person.id, NOW, NOW.replace(year=NOW.year + 1))
        assert transaction.session("digest", NOW) is not None
    assert run("password", "lea", "--password-stdin", said="another good one\n").exit_code == 0
    with store.read() as transaction:
        assert transaction.session("digest", NOW) is None
    store.close()


def test_a_password_is_kept_as_argon2id_and_nobodys_is_never_right() -> None:
    kept = hash_password(GOOD)
    assert kept.startswith("$argon2id$")
    assert not is_outdated(kept)
    assert is_password(GOOD, kept)
    assert not is_password(GOOD + " ", kept)
    for nobody in ("", "no hash at all"):
        assert not is_password(GOOD, nobody)
        assert not is_password("", nobody)


def test_two_names_that_differ_in_case_are_one(store: Store) -> None:
    with store.begin() as transaction:
        transaction.create_person("Lea", NOW, role="lead")
    with store.begin() as transaction:
        assert transaction.person_named("LEA") == transaction.person_named("lea")


def test_a_server_says_what_is_open_and_opens_nothing_to_other_machines(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    serve._check_keys(store, "127.0.0.1")
    said = capsys.readouterr().err
    assert "The API is open to everyone on this machine" in said
    assert "The page lets anybody at this machine do anything" in said
    with pytest.raises(InputError, match="nor a person"):
        serve._check_keys(store, "0.0.0.0")
    with store.begin() as transaction:
        transaction.create_person("lea", NOW, role="admin")
    serve._check_keys(store, "0.0.0.0")
    serve._check_keys(store, "127.0.0.1")
    said = capsys.readouterr().err
    assert "The page" not in said
    assert "The API" in said
