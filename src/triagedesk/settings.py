"""One frozen `Settings` from the environment and `.env`, checked at start, all problems at once.

`.env.example` describes every setting; a test holds the two together.
A secret may also be given as `NAME_FILE`, the path of a file that holds it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)

from triagedesk.errors import Problem, SettingsError

#: Settings that may also be given as `NAME_FILE`.
SECRETS: Final = (
    "HELPDESK_API_KEY",
    "HELPDESK_API_SECRET",
    "LLM_API_KEY",
    "EMAIL_PASSWORD",
    "DATABASE_URL",
    "OIDC_CLIENT_SECRET",
    "WEBHOOK_SECRET",
)
_LARGEST_SECRET = 65_536


def _addresses(value: object) -> object:
    """Split `a@x, b@y; c@z` into its addresses, each once, in order."""
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.replace(";", ",").split(",")]
    addresses = tuple(dict.fromkeys(part for part in parts if part))
    if not addresses:
        raise ValueError("names no mail address")
    return addresses


def _one_address(value: str) -> str:
    local, at, domain = value.rpartition("@")
    if not (local and at and domain) or any(c.isspace() or c in "<>,;" for c in value):
        raise ValueError("is not a mail address")
    return value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _priorities(value: object) -> object:
    """Split `P1, P2` into priorities, each once, in order; `off` is none."""
    if not isinstance(value, str):
        return value
    names = {part.strip().upper() for part in value.split(",")} - {"", "OFF"}
    return tuple(sorted(names))


def _one_line(value: str) -> str:
    """Collapse line breaks: these values end up in mail headers."""
    return " ".join(value.split())


def _web_address(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("is not an http:// or https:// address")
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError("is not an IANA time zone such as Europe/Berlin") from error
    return value


def _cron(value: str) -> str:
    from croniter import croniter  # noqa: PLC0415 (only where there is a schedule)

    if len(value.split()) != 5 or not croniter.is_valid(value):  # noqa: PLR2004 (minute to weekday)
        raise ValueError("is not a cron expression of five fields such as `0 7 * * mon-fri`")
    return value


def _role_pairs(value: object) -> object:
    """Split `desk-leads=lead, staff=viewer` into its pairs."""
    if not isinstance(value, str):
        return value
    pairs = [part.rpartition("=") for part in value.split(",") if part.strip()]
    found = tuple((claim.strip(), role.strip().lower()) for claim, _, role in pairs)
    roles = ("viewer", "agent", "lead", "admin")
    if not found or any(not claim or role not in roles for claim, role in found):
        raise ValueError(f"is not `value=role, ...` with roles out of {', '.join(roles)}")
    return found


Address = Annotated[str, AfterValidator(_one_address)]
OneLine = Annotated[str, AfterValidator(_one_line)]


class Settings(BaseModel):
    """Everything a desk can configure. Unset text is "", an unset number has its default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Webhook of the helpdesk, or a file of tickets (.json, .jsonl, .csv, .yaml), or `-`.
    helpdesk_api_url: str = ""
    helpdesk_api_key: SecretStr = SecretStr("")
    helpdesk_api_secret: SecretStr = SecretStr("")
    #: Address or file of the Service Catalog (YAML).
    service_catalog_url: str = ""

    llm_model_name: str = ""
    llm_api_key: SecretStr = SecretStr("")
    llm_base_url: Annotated[str, AfterValidator(_web_address)] = ""
    #: Tickets per call.
    llm_batch_size: int = Field(default=20, ge=1, le=200)
    #: Seconds.
    llm_delay_between_batches: float = Field(default=0.0, ge=0, le=3600)
    llm_temperature: float = Field(default=0.0, ge=0, le=2)
    #: Seconds for one call.
    llm_timeout: float = Field(default=60.0, gt=0, le=3600)

    #: Hide names, mail addresses, phone numbers, IPs, IBANs and card numbers from the language
    #: model.
    llm_redact: bool = False
    #: Tokens in and out per day (UTC), a hard stop; 0 is no limit.
    llm_daily_tokens: int = Field(default=0, ge=0)
    #: The same in money; needs both prices; 0 is no limit.
    llm_daily_cost: float = Field(default=0.0, ge=0)
    #: Calls that may begin in any 60 seconds, over all of a process; 0 is no limit.
    llm_calls_per_minute: int = Field(default=0, ge=0, le=100_000)
    #: Price of a million tokens sent, in your currency; 0 is unknown.
    llm_price_input: float = Field(default=0.0, ge=0)
    #: Price of a million tokens received.
    llm_price_output: float = Field(default=0.0, ge=0)

    email_smtp_host: OneLine = ""
    email_smtp_port: int = Field(default=587, ge=1, le=65535)
    email_use_tls: bool = True
    email_username: OneLine = ""
    email_password: SecretStr = SecretStr("")
    email_sender: Address = ""
    email_recipient: Annotated[tuple[Address, ...], BeforeValidator(_addresses)] = ()
    email_title: OneLine = "Service desk triage report"
    candidate_name: OneLine = ""
    codebase_url: Annotated[str, AfterValidator(_web_address)] = ""

    #: The SQLite file; default: `triagedesk.db` in OUTPUT_DIR (`sample.db` for the sample).
    report_log_db_path: Path | None = None
    #: Wins over REPORT_LOG_DB_PATH.
    database_url: SecretStr = SecretStr("")
    agents_file: Path | None = None
    output_dir: Path = Path("out")

    #: Promised share of right answers among those nobody reviews.
    auto_precision: float = Field(default=0.95, ge=0.5, lt=1)
    #: Folder with the local model's weights; default: those bundled.
    model_dir: Path | None = None
    #: Open tickets an agent may have at most, where the agents file does not say.
    agent_capacity: int = Field(default=20, ge=1, le=10_000)
    #: Minutes an agent's shift must still last for new work.
    shift_min_left: int = Field(default=30, ge=0, le=1440)
    #: `late`: a ticket is tentatively with the agent it suits best until somebody pulls or accepts
    #: it; `early`: it is theirs at once.
    commitment: Annotated[Literal["late", "early"], BeforeValidator(_lower)] = "late"
    #: Minutes between two looks whether work that nobody has begun should move; 0 is never.
    rebalance_minutes: int = Field(default=0, ge=0, le=1440)
    #: Priorities whose tickets interrupt work on P3 and P4 where nobody fit is free.
    interrupt: Annotated[tuple[Literal["P1", "P2"], ...], BeforeValidator(_priorities)] = ()
    #: Whom tickets lean to: who knows the requester, or also who had a linked ticket.
    affinity: Annotated[Literal["off", "requester", "linked"], BeforeValidator(_lower)] = "off"
    sla_calendars_file: Path | None = None
    priority_phrases_file: Path | None = None
    #: Zone of the dates in reports.
    time_zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    #: Seconds to wait for the helpdesk, the catalog server and the mail server.
    http_timeout: float = Field(default=30.0, gt=0, le=3600)
    #: Address and port that `triagedesk serve` listens on.
    api_host: OneLine = "127.0.0.1"
    api_port: int = Field(default=8000, ge=0, le=65535)
    #: What senders of webhook tickets sign with (Standard Webhooks: `whsec_...`); several while it
    #: is changed. Unset: nobody may send any.
    webhook_secret: SecretStr = SecretStr("")
    #: When runs begin by themselves, as a cron expression such as `0 7-18 * * mon-fri`.
    schedule_run: Annotated[str, AfterValidator(_cron)] = ""
    #: Zone of the schedule; default: TIME_ZONE.
    schedule_time_zone: Annotated[str, AfterValidator(_zone)] = ""
    #: The largest request the API reads, in bytes.
    api_max_body: int = Field(default=64 * 1024 * 1024, ge=1024, le=1024**3)
    #: The address people open the page at, where a proxy stands before the server.
    page_url: Annotated[str, AfterValidator(_web_address)] = ""
    #: Identity provider (OpenID Connect); its discovery document lies below this address.
    oidc_issuer: Annotated[str, AfterValidator(_web_address)] = ""
    oidc_client_id: OneLine = ""
    oidc_client_secret: SecretStr = SecretStr("")
    #: Claim that says what somebody may do.
    oidc_role_claim: OneLine = "roles"
    #: `value=role, ...`; a person whose claim holds none of the values is not let in.
    oidc_roles: Annotated[tuple[tuple[str, str], ...], BeforeValidator(_role_pairs)] = ()
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        BeforeValidator(lambda v: v.lower() if isinstance(v, str) else v),
    ] = "warning"

    @property
    def database(self) -> str:
        """SQLAlchemy URL of the store."""
        url = self.database_url.get_secret_value()
        if not url:
            # The sample desk has a store of its own, so that nothing of it meets real work.
            name = "sample.db" if self.is_sample else "triagedesk.db"
            path = self.report_log_db_path or self.output_dir / name
            return f"sqlite:///{path}"
        for scheme in ("postgres://", "postgresql://"):
            if url.startswith(scheme):
                return "postgresql+psycopg://" + url.removeprefix(scheme)
        return url

    @property
    def is_sample(self) -> bool:
        """True when neither a helpdesk nor a catalog is configured."""
        return not self.helpdesk_api_url and not self.service_catalog_url


def load_settings(
    environ: Mapping[str, str] = os.environ,
    directory: Path = Path(),
    *,
    options: Mapping[str, str] | None = None,
) -> Settings:
    """Read `.env` in `directory`, then `environ`, then command line `options`; the later wins.

    Raises SettingsError with every problem found, each with its place and a hint.
    """
    given, problems = _read({**environ, **(options or {})}, directory)
    settings = None
    try:
        settings = Settings.model_validate({name.lower(): value for name, value in given.items()})
    except ValidationError as error:
        problems += _from_pydantic(error)
    unreadable = {problem.where.removesuffix("_FILE") for problem in problems}
    problems += [p for p in _half_configured(given) if p.where not in unreadable]
    if problems or settings is None:
        raise SettingsError(problems=problems)
    return settings


def _read(environ: Mapping[str, str], directory: Path) -> tuple[dict[str, str], list[Problem]]:
    """Every known setting that is given and not empty, with `NAME_FILE` read."""
    problems: list[Problem] = []
    merged: dict[str, str | None] = {}
    try:
        # A password may contain ${...}: nothing is put in its place. Windows writes a BOM.
        merged = dotenv_values(directory / ".env", interpolate=False, encoding="utf-8-sig")
    except OSError as error:
        problems.append(Problem(where=".env", what=f"{error.strerror}"))
    except UnicodeDecodeError:
        problems.append(Problem(where=".env", what="is not UTF-8 text"))
    merged = {**merged, **environ}
    given: dict[str, str] = {}
    for field in Settings.model_fields:
        value = (merged.get(field.upper()) or "").strip()
        if value:
            given[field.upper()] = value
    for name in SECRETS:
        path = (merged.get(f"{name}_FILE") or "").strip()
        if not path:
            continue
        place = f"{name}_FILE"
        if name in given:
            problems.append(
                Problem(where=place, what=f"{name} is set too", hint="keep one of them")
            )
            continue
        try:
            with Path(path).open(encoding="utf-8") as file:
                secret = file.read(_LARGEST_SECRET + 1).strip()
        except OSError as error:
            problems.append(Problem(where=place, what=f"{path}: {error.strerror}"))
        except UnicodeDecodeError:
            problems.append(Problem(where=place, what=f"{path} is not text"))
        else:
            if 0 < len(secret) <= _LARGEST_SECRET:
                given[name] = secret
            else:
                what = "is too long" if secret else "is empty"
                problems.append(Problem(where=place, what=f"{path} {what}"))
    return given, problems


def _from_pydantic(error: ValidationError) -> list[Problem]:
    """Pydantic's findings as ours, without the value where it is a secret."""
    problems = []
    for found in error.errors(include_url=False, include_context=False):
        name = str(found["loc"][0]).upper()
        what = found["msg"].removeprefix("Value error, ")
        # An address may hold a password too.
        shown = re.sub(r"//[^/@\s]*@", "//***@", repr(found["input"]))
        value = "" if name in SECRETS else f"{shown}: "
        problems.append(Problem(where=name, what=f"{value}{what}", hint="see .env.example"))
    return problems


def _half_configured(given: Mapping[str, str]) -> list[Problem]:
    """What would run silently with half of what it needs: each setting needs the ones after it."""
    needs = {
        "HELPDESK_API_URL": ("SERVICE_CATALOG_URL",),
        "SERVICE_CATALOG_URL": ("HELPDESK_API_URL",),
        "HELPDESK_API_KEY": ("HELPDESK_API_URL", "HELPDESK_API_SECRET"),
        "HELPDESK_API_SECRET": ("HELPDESK_API_URL", "HELPDESK_API_KEY"),
        "LLM_API_KEY": ("LLM_MODEL_NAME",),
        "OIDC_ISSUER": ("OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_ROLES"),
        "OIDC_CLIENT_ID": ("OIDC_ISSUER",),
        "OIDC_CLIENT_SECRET": ("OIDC_ISSUER",),
        "LLM_BASE_URL": ("LLM_MODEL_NAME",),
        "LLM_DAILY_COST": ("LLM_PRICE_INPUT", "LLM_PRICE_OUTPUT"),
        "EMAIL_SMTP_HOST": ("EMAIL_SENDER", "EMAIL_RECIPIENT")
        if "@" not in given.get("EMAIL_USERNAME", "")
        else ("EMAIL_RECIPIENT",),
        "EMAIL_USERNAME": ("EMAIL_SMTP_HOST", "EMAIL_PASSWORD"),
        "EMAIL_PASSWORD": ("EMAIL_SMTP_HOST", "EMAIL_USERNAME"),
    }
    problems = [
        Problem(where=name, what="is not set", hint=f"{because} is set and needs it")
        for because, names in needs.items()
        if because in given
        for name in names
        if name not in given
    ]
    if "LLM_MODEL_NAME" in given and not {"LLM_API_KEY", "LLM_BASE_URL"} & given.keys():
        hint = "LLM_MODEL_NAME is set; a hosted model needs a key, a model of your own LLM_BASE_URL"
        problems.append(Problem(where="LLM_API_KEY", what="is not set", hint=hint))
    if given.get("HELPDESK_API_URL", "").startswith(("http://", "https://")):
        hint = "a helpdesk webhook is called with key and secret"
        problems += [
            Problem(where=name, what="is not set", hint=hint)
            for name in ("HELPDESK_API_KEY", "HELPDESK_API_SECRET")
            if name not in given
        ]
    seen: dict[str, Problem] = {}
    for problem in problems:
        seen.setdefault(problem.where, problem)
    return list(seen.values())
