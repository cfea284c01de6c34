from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from dotenv import dotenv_values

from triagedesk.errors import SettingsError
from triagedesk.settings import SECRETS, Settings, load_settings

EXAMPLE = Path(__file__).resolve().parents[2] / ".env.example"
SECRET = "s3cr3t-Passw0rd"
WEBHOOK = {
    "HELPDESK_API_URL": "https://helpdesk.example.com/tickets",
    "HELPDESK_API_KEY": "key",
    "HELPDESK_API_SECRET": SECRET,
    "SERVICE_CATALOG_URL": "https://helpdesk.example.com/catalog.yaml",
}
MAIL = {
    "EMAIL_SMTP_HOST": "smtp.example.com",
    "EMAIL_SENDER": "desk@example.com",
    "EMAIL_RECIPIENT": "lead@example.com",
}
OIDC = {
    "OIDC_ISSUER": "https://login.example.com",
    "OIDC_CLIENT_ID": "triagedesk",
    "OIDC_CLIENT_SECRET": "s3cr3t",
    "OIDC_ROLES": "desk-leads=lead, Staff = viewer",
}


def problems_of(environ: Mapping[str, str], directory: Path) -> dict[str, str]:
    """Where -> what, of everything wrong with these settings."""
    with pytest.raises(SettingsError) as caught:
        load_settings(environ, directory)
    return {problem.where: problem.what for problem in caught.value.problems}


# .env.example


def example_lines() -> dict[str, tuple[str, str]]:
    """Name -> the comment above it, and the line itself without its #."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    found = {}
    for above, line in pairwise(lines):
        match = re.fullmatch(r"#?([A-Z][A-Z_]*)=.*", line)
        if match:
            assert match[1] not in found, f"{match[1]} is there twice"
            found[match[1]] = (above, line.removeprefix("#"))
    return found


def test_the_example_names_every_setting_and_no_other() -> None:
    ours = {name.upper() for name in Settings.model_fields} | {f"{name}_FILE" for name in SECRETS}
    assert set(example_lines()) == ours


def test_a_copy_of_the_example_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    assert not any(dotenv_values(tmp_path / ".env").values())
    assert load_settings({}, tmp_path) == Settings()


def test_the_values_in_the_example_are_the_defaults(tmp_path: Path) -> None:
    lines = [line for _above, line in example_lines().values()]
    (tmp_path / ".env").write_text("\n".join(lines), encoding="utf-8")
    assert load_settings({}, tmp_path) == Settings()


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_each_setting_is_described_with_a_default_and_an_example_that_works(name: str) -> None:
    above, _line = example_lines()[name.upper()]
    match = re.fullmatch(r"# (.+); default: (.+); example: (.+)", above)
    assert match, above
    Settings.model_validate({name: match[3]})


# where values come from


def test_without_any_setting_it_is_the_sample(tmp_path: Path) -> None:
    settings = load_settings({}, tmp_path)
    assert settings == Settings()
    assert settings.is_sample


def test_a_dot_env_is_read_from_the_directory_given(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("EMAIL_TITLE=Mine\n")
    (tmp_path / "below").mkdir()
    assert load_settings({}, tmp_path).email_title == "Mine"
    assert load_settings({}, tmp_path / "below").email_title == Settings().email_title


def test_the_environment_wins_over_dot_env_and_options_win_over_both(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("EMAIL_TITLE=file\nCANDIDATE_NAME=file\nLOG_LEVEL=info\n")
    settings = load_settings(
        {"EMAIL_TITLE": "environment", "CANDIDATE_NAME": "environment"},
        tmp_path,
        options={"EMAIL_TITLE": "option"},
    )
    values = (settings.email_title, settings.candidate_name, settings.log_level)
    assert values == ("option", "environment", "info")


def test_an_empty_value_means_not_set(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("EMAIL_SMTP_PORT=25\nLLM_BATCH_SIZE=\nOUTPUT_DIR= \nLOG_LEVEL\n")
    assert load_settings({"EMAIL_SMTP_PORT": " "}, tmp_path) == Settings()


def test_other_variables_are_none_of_our_business(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SOMETHING_ELSE=1\n")
    assert load_settings({"PATH": "/bin", "DATABASE": "x"}, tmp_path) == Settings()


def test_a_dot_env_as_windows_writes_it_is_read(tmp_path: Path) -> None:
    content = '\ufeffEMAIL_TITLE="a # b"\r\nCANDIDATE_NAME=Zoë\r\n'
    (tmp_path / ".env").write_bytes(content.encode())
    settings = load_settings({}, tmp_path)
    assert (settings.email_title, settings.candidate_name) == ("a # b", "Zoë")


def test_a_dollar_in_a_password_stands_for_itself(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "EMAIL_PASSWORD='a${HOME}$b'\nEMAIL_USERNAME=desk@example.com\n"
        "EMAIL_SMTP_HOST=smtp.example.com\nEMAIL_RECIPIENT=lead@example.com\n"
    )
    settings = load_settings({"HOME": "/root"}, tmp_path)
    assert settings.email_password.get_secret_value() == "a${HOME}$b"


def test_a_dot_env_that_is_no_text_is_said(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"EMAIL_TITLE=\xff\xfe\n")
    assert problems_of({}, tmp_path) == {".env": "is not UTF-8 text"}


# what is wrong


def test_all_problems_are_told_at_once_with_their_values(tmp_path: Path) -> None:
    problems = problems_of(
        {
            "EMAIL_SMTP_PORT": "smtp",
            "LLM_BATCH_SIZE": "0",
            "AUTO_PRECISION": "1",
            "TIME_ZONE": "Mars/Olympus",
            "LOG_LEVEL": "loud",
            "EMAIL_USE_TLS": "perhaps",
            "HELPDESK_API_URL": "tickets.json",
            "LLM_MODEL_NAME": "gpt",
        },
        tmp_path,
    )
    assert problems.keys() == {
        "EMAIL_SMTP_PORT",
        "LLM_BATCH_SIZE",
        "AUTO_PRECISION",
        "TIME_ZONE",
        "LOG_LEVEL",
        "EMAIL_USE_TLS",
        "SERVICE_CATALOG_URL",
        "LLM_API_KEY",
    }
    assert "'smtp'" in problems["EMAIL_SMTP_PORT"]
    assert problems["TIME_ZONE"].endswith("is not an IANA time zone such as Europe/Berlin")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LLM_BATCH_SIZE", "201"),
        ("LLM_BATCH_SIZE", "1.5"),
        ("LLM_TEMPERATURE", "nan"),
        ("LLM_TEMPERATURE", "-0.1"),
        ("LLM_TIMEOUT", "0"),
        ("LLM_TIMEOUT", "inf"),
        ("LLM_DELAY_BETWEEN_BATCHES", "-1"),
        ("LLM_DELAY_BETWEEN_BATCHES", "soon"),
        ("EMAIL_SMTP_PORT", "65536"),
        ("AUTO_PRECISION", "0.49"),
        ("AGENT_CAPACITY", "0"),
        ("HTTP_TIMEOUT", "0"),
        ("TIME_ZONE", "../../etc/passwd"),
        ("TIME_ZONE", "Europe"),
        ("CODEBASE_URL", "javascript:alert(1)"),
        ("EMAIL_SENDER", "nobody"),
        ("EMAIL_SENDER", "Desk <desk@example.com>"),
        ("EMAIL_RECIPIENT", "lead@example.com, nobody"),
        ("EMAIL_RECIPIENT", "a b@example.com"),
        ("EMAIL_RECIPIENT", " , ; "),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(
    name: str, value: str, tmp_path: Path
) -> None:
    assert problems_of({name: value}, tmp_path).keys() == {name}


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"HELPDESK_API_URL": "tickets.json"}, {"SERVICE_CATALOG_URL"}),
        ({"SERVICE_CATALOG_URL": "catalog.yaml"}, {"HELPDESK_API_URL"}),
        (
            {"HELPDESK_API_URL": "https://desk.example.com", "SERVICE_CATALOG_URL": "c.yaml"},
            {"HELPDESK_API_KEY", "HELPDESK_API_SECRET"},
        ),
        ({**WEBHOOK, "HELPDESK_API_KEY": ""}, {"HELPDESK_API_KEY"}),
        ({**WEBHOOK, "HELPDESK_API_SECRET": ""}, {"HELPDESK_API_SECRET"}),
        ({**WEBHOOK, "HELPDESK_API_URL": ""}, {"HELPDESK_API_URL"}),
        ({"LLM_API_KEY": "key"}, {"LLM_MODEL_NAME"}),
        ({"LLM_BASE_URL": "http://localhost/v1"}, {"LLM_MODEL_NAME"}),
        ({"LLM_DAILY_COST": "5"}, {"LLM_PRICE_INPUT", "LLM_PRICE_OUTPUT"}),
        ({"LLM_MODEL_NAME": "gpt"}, {"LLM_API_KEY"}),
        ({"EMAIL_SMTP_HOST": "smtp"}, {"EMAIL_SENDER", "EMAIL_RECIPIENT"}),
        ({**MAIL, "EMAIL_USERNAME": "desk"}, {"EMAIL_PASSWORD"}),
        ({**MAIL, "EMAIL_PASSWORD": "pw"}, {"EMAIL_USERNAME"}),
        ({"EMAIL_USERNAME": "desk", "EMAIL_PASSWORD": "pw"}, {"EMAIL_SMTP_HOST"}),
    ],
)
def test_half_of_what_belongs_together_is_refused(
    given: dict[str, str], missing: set[str], tmp_path: Path
) -> None:
    problems = problems_of(given, tmp_path)
    assert problems == dict.fromkeys(missing, "is not set")


@pytest.mark.parametrize(
    "given",
    [
        WEBHOOK,
        {"HELPDESK_API_URL": "tickets.csv", "SERVICE_CATALOG_URL": "catalog.yaml"},
        {"HELPDESK_API_URL": "-", "SERVICE_CATALOG_URL": "https://example.com/catalog.yaml"},
        {"LLM_MODEL_NAME": "gpt", "LLM_API_KEY": "key"},
        {"LLM_MODEL_NAME": "own", "LLM_BASE_URL": "http://localhost:11434/v1"},
        MAIL,
        {**MAIL, "EMAIL_USERNAME": "desk", "EMAIL_PASSWORD": "pw"},
        {
            "EMAIL_SMTP_HOST": "smtp",
            "EMAIL_RECIPIENT": "lead@example.com",
            "EMAIL_USERNAME": "desk@example.com",
            "EMAIL_PASSWORD": "pw",
        },
        {"EMAIL_RECIPIENT": "lead@example.com"},
        {"AGENTS_FILE": "agents.yaml"},
    ],
)
def test_what_is_whole_is_accepted(given: dict[str, str], tmp_path: Path) -> None:
    settings = load_settings(given, tmp_path)
    assert settings.is_sample == ("HELPDESK_API_URL" not in given)


# secrets


def test_a_secret_never_stands_in_an_error_or_in_what_is_printed(tmp_path: Path) -> None:
    secrets = dict.fromkeys(SECRETS, SECRET)
    with pytest.raises(SettingsError) as caught:
        load_settings(
            {
                **secrets,
                "EMAIL_SMTP_PORT": "x",
                "LLM_BASE_URL": f"ftp://desk:{SECRET}@example.com/v1",
            },
            tmp_path,
        )
    assert SECRET not in f"{caught.value} {caught.value.__cause__}"
    whole = load_settings(
        {**WEBHOOK, **MAIL, **OIDC, "EMAIL_USERNAME": "desk", "LLM_MODEL_NAME": "gpt", **secrets},
        tmp_path,
    )
    assert whole.database_url.get_secret_value() == SECRET
    assert SECRET not in f"{whole} {whole!r} {whole.model_dump()} {whole.model_dump_json()}"


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_be_in_a_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"  {SECRET}\n")
    whole = {
        **WEBHOOK,
        **MAIL,
        **OIDC,
        "EMAIL_USERNAME": "desk",
        "EMAIL_PASSWORD": "pw",
        "LLM_MODEL_NAME": "gpt",
        "LLM_API_KEY": "key",
    }
    whole.pop(name, None)
    settings = load_settings({**whole, f"{name}_FILE": str(tmp_path / "secret")}, tmp_path)
    assert getattr(settings, name.lower()).get_secret_value() == SECRET


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "No such file or directory"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe\x00", "is not text"),
        (b"x" * 70_000, "is too long"),
    ],
)
def test_a_secrets_file_that_cannot_be_used_is_the_only_problem(
    content: bytes | None, what: str, tmp_path: Path
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    environ = {**WEBHOOK, "HELPDESK_API_SECRET": "", "HELPDESK_API_SECRET_FILE": str(path)}
    problems = problems_of(environ, tmp_path)
    assert problems.keys() == {"HELPDESK_API_SECRET_FILE"}
    assert problems["HELPDESK_API_SECRET_FILE"].startswith(str(path))
    assert what in problems["HELPDESK_API_SECRET_FILE"]


def test_a_secrets_file_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    problems = problems_of({"DATABASE_URL_FILE": "/dev/zero"}, tmp_path)
    assert problems == {"DATABASE_URL_FILE": "/dev/zero is too long"}


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    environ = {**WEBHOOK, "HELPDESK_API_SECRET_FILE": str(tmp_path / "secret")}
    assert problems_of(environ, tmp_path) == {
        "HELPDESK_API_SECRET_FILE": "HELPDESK_API_SECRET is set too"
    }


# single settings


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        ("a@x.org", ("a@x.org",)),
        ("a@x.org, b@y.org;c@z.org", ("a@x.org", "b@y.org", "c@z.org")),
        (" b@y.org ,a@x.org,, b@y.org;", ("b@y.org", "a@x.org")),
        ("zoë@exämple.org", ("zoë@exämple.org",)),
    ],
)
def test_recipients_are_a_list_each_once_in_order(
    value: str, addresses: tuple[str, ...], tmp_path: Path
) -> None:
    assert load_settings({"EMAIL_RECIPIENT": value}, tmp_path).email_recipient == addresses


@pytest.mark.parametrize("word", ["true", "True", "1", "yes", "on"])
@pytest.mark.parametrize("other", ["false", "FALSE", "0", "no", "off"])
def test_a_switch_is_read_as_people_write_it(word: str, other: str, tmp_path: Path) -> None:
    assert load_settings({"EMAIL_USE_TLS": word}, tmp_path).email_use_tls is True
    assert load_settings({"EMAIL_USE_TLS": other}, tmp_path).email_use_tls is False


def test_a_title_with_line_breaks_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text('EMAIL_TITLE="Report\nBcc: x@example.com"\n')
    assert load_settings({}, tmp_path).email_title == "Report Bcc: x@example.com"


@pytest.mark.parametrize(
    ("given", "database"),
    [
        ({}, "sqlite:///out/sample.db"),
        ({"OUTPUT_DIR": "/var/desk"}, "sqlite:////var/desk/sample.db"),
        (WEBHOOK, "sqlite:///out/triagedesk.db"),
        ({**WEBHOOK, "REPORT_LOG_DB_PATH": "/var/desk.db"}, "sqlite:////var/desk.db"),
        (
            {**WEBHOOK, "REPORT_LOG_DB_PATH": "x.db", "DATABASE_URL": "sqlite:///y.db"},
            "sqlite:///y.db",
        ),
        (
            {"DATABASE_URL": "postgres://u:p@h/d?sslmode=require"},
            "postgresql+psycopg://u:p@h/d?sslmode=require",
        ),
        ({"DATABASE_URL": "postgresql://h/d"}, "postgresql+psycopg://h/d"),
        ({"DATABASE_URL": "postgresql+psycopg://h/d"}, "postgresql+psycopg://h/d"),
    ],
)
def test_the_database_follows_from_the_settings(
    given: dict[str, str], database: str, tmp_path: Path
) -> None:
    assert load_settings(given, tmp_path).database == database


# signing in


def test_roles_are_read_as_pairs_and_half_a_provider_is_refused(tmp_path: Path) -> None:
    settings = load_settings(OIDC, tmp_path)
    assert settings.oidc_roles == (("desk-leads", "lead"), ("Staff", "viewer"))
    found = problems_of({**OIDC, "OIDC_ROLES": "leads=boss"}, tmp_path)
    assert "OIDC_ROLES" in found
    half = problems_of({"OIDC_ISSUER": "https://login.example.com"}, tmp_path)
    assert {"OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_ROLES"} <= set(half)
