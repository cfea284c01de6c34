"""Signing in to the page: passwords, sessions, roles, forged requests, an identity provider."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx
import pytest

from support.oidc_provider import OidcProvider
from support.page_desk import PASSWORD, PageDesk, post, token_of
from triagedesk.tickets import Status
from triagedesk.web import sessions
from triagedesk.web.security import POLICY, digest_of
from triagedesk.web.sessions import ABSOLUTE, IDLE


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageDesk]:
    with PageDesk.running(tmp_path_factory.mktemp("page"), tickets=12) as running:
        for role in ("viewer", "lead", "admin"):
            running.add_person(role, role)
        holder = running.assigned().triaged.assignment.agent_id
        running.add_person("agent", "agent", agent_id=holder)
        yield running


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcProvider]:
    with OidcProvider.running() as running:
        yield running


@pytest.fixture(scope="module")
def trusting(
    tmp_path_factory: pytest.TempPathFactory, provider: OidcProvider
) -> Iterator[PageDesk]:
    folder = tmp_path_factory.mktemp("oidc")
    with PageDesk.running(folder, settings=provider.settings()) as running:
        running.add_person("lea", "admin")
        yield running


@pytest.fixture
def lea(provider: OidcProvider) -> OidcProvider:
    provider.person = {
        "sub": "7",
        "preferred_username": "lea",
        "name": "Lea L.",
        "roles": ["staff", "desk-leads"],
    }
    provider.forged, provider.algorithm, provider.userinfo = {}, "RS256", None
    return provider


def come_back(trusting: PageDesk, client: httpx.Client) -> httpx.Response:
    """The whole way: to the provider, and back again."""
    away = client.get("/sign-in/oidc?to=/queue%3Fp%3D1")
    assert away.status_code == 303, away.text
    returned = httpx.get(away.headers["location"], timeout=100, trust_env=False)
    return client.get(returned.headers["location"])


# Without a person


def test_an_open_desk_says_so_and_lets_this_machine_in(tmp_path: Path) -> None:
    with PageDesk.running(tmp_path) as desk:
        client = desk.client()
        assert "nobody can sign in yet" in client.get("/queue").text
        # A foreign name that was led to this machine is not this machine.
        foreign = client.get("/queue", headers={"Host": "desk.evil.example"})
        assert foreign.status_code == 303
        assert foreign.headers["location"].startswith("/sign-in")
        desk.add_person("lea", "admin")
        assert client.get("/queue").headers["location"] == "/sign-in?to=%2Fqueue"


def test_a_desk_other_machines_reach_is_never_open(tmp_path: Path) -> None:
    with PageDesk.running(tmp_path, host="0.0.0.0") as desk:
        answer = desk.client().get("/queue", follow_redirects=True)
        assert "Nobody can sign in yet" in answer.text


# Passwords and sessions


def test_signing_in_leads_to_where_one_wanted_to_go(page: PageDesk) -> None:
    client = page.client()
    answer = client.get("/queue?p=1&q=vpn")
    assert answer.headers["location"] == "/sign-in?to=%2Fqueue%3Fp%3D1%26q%3Dvpn"
    done = post(
        client,
        "/sign-in",
        page=answer.headers["location"],
        name="LEAD",
        password=PASSWORD,
        to="/queue?p=1&q=vpn",
    )
    assert (done.status_code, done.headers["location"]) == (303, "/queue?p=1&q=vpn")
    assert client.get("/queue").status_code == 200


@pytest.mark.parametrize(
    "to", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)"]
)
def test_signing_in_leads_to_no_other_site(page: PageDesk, to: str) -> None:
    done = post(page.client(), "/sign-in", page="/sign-in", name="lead", password=PASSWORD, to=to)
    assert (done.status_code, done.headers["location"]) == (303, "/")


def test_the_session_is_another_one_after_signing_in_and_none_after_signing_out(
    page: PageDesk,
) -> None:
    client = page.client()
    client.get("/sign-in")
    before = client.cookies["triagedesk"]
    post(client, "/sign-in", page="/sign-in", name="lead", password=PASSWORD)
    after = client.cookies["triagedesk"]
    assert before != after
    assert page.client(Cookie=f"triagedesk={before}").get("/queue").status_code == 303
    assert page.client(Cookie=f"triagedesk={after}").get("/queue").status_code == 200
    post(client, "/sign-out")
    assert page.client(Cookie=f"triagedesk={after}").get("/queue").status_code == 303


def test_a_cookie_is_for_this_page_alone_and_secure_but_on_this_machine(page: PageDesk) -> None:
    client = page.client()
    local = client.get("/sign-in").headers["set-cookie"]
    assert "HttpOnly" in local
    assert "SameSite=lax" in local
    assert "Secure" not in local
    named = client.get("/sign-in", headers={"Host": "desk.example.com"}).headers["set-cookie"]
    assert named.startswith("__Host-triagedesk=")
    assert "Secure" in named


def test_a_session_ends_when_nobody_uses_it_and_at_last_anyway(page: PageDesk) -> None:
    client = page.signed_in("viewer")
    digest = digest_of(client.cookies["triagedesk"])
    with page.desk.store.begin() as transaction:
        session = transaction.session(digest, page.desk.now())
        assert session is not None
        assert transaction.session(digest, page.desk.now() + IDLE + timedelta(minutes=1)) is None
        # The store keeps no token, only what follows from it.
        assert client.cookies["triagedesk"] != digest


def test_a_person_who_is_disabled_is_out_at_once(page: PageDesk) -> None:
    page.add_person("gone", "lead")
    client = page.signed_in("gone")
    assert client.get("/queue").status_code == 200
    with page.desk.store.begin() as transaction:
        transaction.change_person("gone", disabled_at=page.desk.now())
    assert client.get("/queue").status_code == 303
    again = post(page.client(), "/sign-in", page="/sign-in", name="gone", password=PASSWORD)
    assert again.status_code == 403


def test_guessing_is_slowed_down_by_account(
    page: PageDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine seconds are over before anybody can guess again.
    monkeypatch.setattr(sessions, "_FIRST", timedelta(minutes=10))
    page.add_person("target", "admin")
    client = page.client()
    statuses = [
        post(client, "/sign-in", page="/sign-in", name="target", password=f"guess {n}").status_code
        for n in range(5)
    ]
    assert statuses == [403, 403, 403, 403, 429]
    # The right password has to wait too; nobody else has to.
    refused = post(client, "/sign-in", page="/sign-in", name="target", password=PASSWORD)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert page.signed_in("viewer").get("/queue").status_code == 200


def test_guessing_many_names_from_one_address_is_slowed_down(page: PageDesk) -> None:
    store, now = page.desk.store, page.desk.now()
    for number in range(21):
        assert sessions.check(store, f"guess {number}", PASSWORD, "203.0.113.9", now) is None
    assert sessions.wait(store, "viewer", "203.0.113.9", now)
    assert not sessions.wait(store, "viewer", "203.0.113.10", now)
    # Everybody behind a proxy on this machine comes from here: only names count.
    assert not sessions.wait(store, "viewer", "127.0.0.1", now)


def test_a_session_in_use_lasts_but_not_for_ever(page: PageDesk) -> None:
    store, at = page.desk.store, page.desk.now()
    cookie = page.signed_in("viewer").cookies["triagedesk"]
    began = at
    while at - began < ABSOLUTE + timedelta(days=1):
        at += timedelta(hours=11)
        if sessions.who(store, cookie, at) is None:
            break
    assert timedelta(hours=-12) <= at - began - ABSOLUTE <= timedelta(hours=12)


def test_an_unknown_name_is_answered_like_a_wrong_password(page: PageDesk) -> None:
    answers = [
        post(page.client(), "/sign-in", page="/sign-in", name=name, password="not the right one")
        for name in ("viewer", "no such person")
    ]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert all("Name or password is not right." in answer.text for answer in answers)


# Forged requests


def test_a_form_without_its_token_is_refused(page: PageDesk) -> None:
    client = page.signed_in("lead")
    path = f"/tickets/{page.key_of('INC1001')}/hold"
    other = token_of(page.signed_in("admin"), "/queue")
    for token in ("", "x", other, "A" * 88):
        answer = client.post(path, data={"csrf": token}, headers={"Origin": page.url})
        assert answer.status_code == 403, token
    assert page.ticket("INC1001").status is Status.OPEN


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Referer": "https://evil.example/x"},
        {},
        {"Origin": "SAME", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_form_from_another_page_is_refused(page: PageDesk, headers: dict[str, str]) -> None:
    client = page.signed_in("lead")
    token = token_of(client, "/queue")
    sent = {name: page.url if value == "SAME" else value for name, value in headers.items()}
    answer = client.post("/preferences", data={"csrf": token, "theme": "dark"}, headers=sent)
    assert answer.status_code == 403


def test_what_is_no_form_or_too_large_is_refused(page: PageDesk) -> None:
    client = page.signed_in("lead")
    token = token_of(client, "/queue")
    own = {"Origin": page.url}
    assert client.post("/preferences", json={"csrf": token}, headers=own).status_code == 403
    large = {"csrf": token, "x": "y" * 70_000}
    assert client.post("/preferences", data=large, headers=own).status_code == 403


@pytest.mark.parametrize(
    "path", ["/sign-in", "/queue", "/nothing-here", "/changes?since=0", "/tickets/999999"]
)
def test_every_answer_forbids_inline_code_and_frames(page: PageDesk, path: str) -> None:
    answer = page.signed_in("viewer").get(path, headers={"Accept": "text/html"})
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert " style=" not in answer.text
    assert "<script>" not in answer.text


# Roles


@pytest.mark.parametrize(
    ("person", "deed", "status"),
    [
        ("viewer", "hold", 403),
        ("viewer", "correct", 403),
        ("agent", "reassign", 403),
        ("lead", "hold", 303),
        ("lead", "unhold", 303),
    ],
)
def test_roles_say_who_may_do_what(page: PageDesk, person: str, deed: str, status: int) -> None:
    client = page.signed_in(person)
    answer = post(client, f"/tickets/{page.key_of('INC1003')}/{deed}")
    assert answer.status_code == status


def test_an_agent_works_on_their_own_tickets_alone(page: PageDesk) -> None:
    client = page.signed_in("agent")
    with page.desk.store.read() as transaction:
        person = transaction.person_named("agent")
    assert person is not None
    mine = person.agent_id
    every = [page.assigned(place) for place in range(8)]
    own = next(item for item in every if item.triaged.assignment.agent_id == mine)
    other = next(item for item in every if item.triaged.assignment.agent_id != mine)
    assert post(client, f"/tickets/{other.key}/hold").status_code == 403
    assert post(client, f"/tickets/{own.key}/begin").status_code == 303
    assert post(client, f"/tickets/{own.key}/hold").status_code == 303
    assert page.ticket(own.ticket.id).status is Status.ON_HOLD
    assert client.get("/").headers["location"] == "/mine"


# People


def test_an_admin_lets_people_in_and_somebody_stays_admin(tmp_path: Path) -> None:
    with PageDesk.running(tmp_path) as desk:
        client, new = desk.client(), {"password": PASSWORD, "name": "boss"}
        refused = post(client, "/people", page="/people", **new, role="viewer")
        assert refused.status_code == 409
        assert post(client, "/people", page="/people", **new, role="admin").status_code == 303
        # From now on people sign in.
        assert client.get("/people").status_code == 303
        boss = desk.signed_in("boss")
        new["name"] = "vi"
        assert post(boss, "/people", page="/people", **new, role="viewer").status_code == 303
        assert post(boss, "/people", page="/people", **new, role="viewer").status_code == 422
        viewer = desk.signed_in("vi")
        assert viewer.get("/people").status_code == 403
        assert post(viewer, "/people", name="x", password=PASSWORD, role="admin").status_code == 403
        last = {"name": "boss", "role": "lead", "state": "enabled"}
        assert post(boss, "/people/change", page="/people", **last).status_code == 409
        out = {"name": "vi", "role": "viewer", "state": "disabled"}
        assert post(boss, "/people/change", page="/people", **out).status_code == 303
        assert viewer.get("/queue").status_code == 303
        assert "$argon2" not in boss.get("/people").text


# An identity provider


def test_whoever_comes_from_the_identity_provider_is_let_in(
    trusting: PageDesk, lea: OidcProvider
) -> None:
    client = trusting.client()
    done = come_back(trusting, client)
    assert (done.status_code, done.headers["location"]) == (303, "/queue?p=1")
    assert "Lea L." in client.get("/queue").text
    with trusting.desk.store.read() as transaction:
        person = transaction.person_of(f"{lea.issuer} 7")
        local = transaction.person_named("lea")
    # The same name proves nothing: the admin of this name is somebody else.
    assert person is not None
    assert local is not None
    assert (person.role, person.name != "lea", local.role) == ("lead", True, "admin")
    # The next time they are the same person, with the role of now.
    lea.person["roles"] = ["staff"]
    come_back(trusting, trusting.client())
    with trusting.desk.store.read() as transaction:
        again = transaction.person_of(f"{lea.issuer} 7")
    assert again is not None
    assert (again.id, again.role) == (person.id, "viewer")


def test_the_role_may_come_from_userinfo(trusting: PageDesk, lea: OidcProvider) -> None:
    lea.person = {"sub": "8", "email": "max@example.com"}
    lea.userinfo = {"sub": "8", "roles": ["staff"]}
    # What a provider says of itself is kept for a while: a new desk asks anew.
    with PageDesk.running(
        Path(trusting.settings.output_dir) / "other", settings=lea.settings()
    ) as fresh:
        assert come_back(fresh, fresh.client()).status_code == 303


@pytest.mark.parametrize(
    ("forged", "algorithm"),
    [
        ({"nonce": "another"}, "RS256"),
        ({"aud": "another"}, "RS256"),
        ({"aud": ["triagedesk", "another"]}, "RS256"),
        ({"azp": "another"}, "RS256"),
        ({"iss": "https://evil.example"}, "RS256"),
        ({"exp": 1_000_000_000}, "RS256"),
        ({}, "HS256"),
        ({"roles": []}, "RS256"),
        ({"roles": ["others"]}, "RS256"),
    ],
)
def test_a_forged_or_foreign_id_token_lets_nobody_in(
    trusting: PageDesk, lea: OidcProvider, forged: dict[str, object], algorithm: str
) -> None:
    lea.forged, lea.algorithm = forged, algorithm
    client = trusting.client()
    assert come_back(trusting, client).status_code == 403
    assert client.get("/queue").status_code == 303


def test_an_answer_of_the_provider_counts_once_and_for_one_browser(
    trusting: PageDesk, lea: OidcProvider
) -> None:
    client, other = trusting.client(), trusting.client()
    other.get("/sign-in")
    away = client.get("/sign-in/oidc").headers["location"]
    asked = parse_qs(urlsplit(away).query)
    assert asked["code_challenge_method"] == ["S256"]
    back = httpx.get(away, timeout=100, trust_env=False).headers["location"]
    assert other.get(back).status_code == 403
    # It was used up by the attempt.
    assert client.get(back).status_code == 403
    assert client.get("/sign-in/oidc/back?state=made-up&code=x").status_code == 403


def test_a_provider_that_is_away_is_said_so(tmp_path: Path) -> None:
    settings = {
        "OIDC_ISSUER": "http://127.0.0.1:9",
        "OIDC_CLIENT_ID": "x",
        "OIDC_CLIENT_SECRET": "y",
        "OIDC_ROLES": "a=lead",
    }
    with PageDesk.running(tmp_path, settings=settings) as desk:
        desk.add_person("lea", "admin")
        answer = desk.client().get("/sign-in/oidc")
        assert answer.status_code == 403
        assert "did not work" in answer.text
