"""Signing in through an identity provider: OpenID Connect, code flow with PKCE, state and nonce.

Everything that has to match when the browser comes back is kept in the store, once, bound to the
browser that left. The ID token is checked as OpenID Connect Core 3.1.3.7 says; the role follows
from a claim, anew each time somebody signs in.
"""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from httpx2 import HTTPError
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from triagedesk.cleaning import clean_name
from triagedesk.errors import TriagedeskError
from triagedesk.settings import Settings
from triagedesk.store import Transaction
from triagedesk.store.people import ROLES, Flow, Person
from triagedesk.web import sessions
from triagedesk.web.security import digest_of, keep_cookie, new_token
from triagedesk.web.sign_in import refused, target_of
from triagedesk.web.visits import Visit, public

#: Signatures by keys that only the provider has; a shared secret or none signs nothing.
_ALGORITHMS: Final = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
#: Seconds that what the provider says of itself is kept, and that clocks may differ.
_KEPT, _LEEWAY = 600.0, 60
_LARGEST = 1024 * 1024
_LONGEST_NAME = 80

log = structlog.get_logger()


class NotSignedIn(TriagedeskError):
    """Signing in did not work."""

    def __init__(self, reason: str, what: str = "") -> None:
        super().__init__(what or reason)
        #: Which text of the section `sign_in` says so.
        self.reason = reason


class Provider:
    """What an identity provider says of itself, asked for when it is needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._known: tuple[float, Mapping[str, Any], KeySet] | None = None

    def client(self, redirect_uri: str) -> OAuth2Client:
        """Something that talks to it."""
        return OAuth2Client(
            self._settings.oidc_client_id,
            self._settings.oidc_client_secret.get_secret_value(),
            scope="openid profile email",
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            timeout=self._settings.http_timeout,
            # No environment variable may send secrets through somebody's proxy.
            trust_env=False,
        )

    def document(self, client: OAuth2Client) -> Mapping[str, Any]:
        """Its discovery document. Raises NotSignedIn."""
        return self._asked(client)[1]

    def keys(self, client: OAuth2Client, *, anew: bool = False) -> KeySet:
        """The keys it signs with. Raises NotSignedIn."""
        return self._asked(client, anew=anew)[2]

    def _asked(
        self, client: OAuth2Client, *, anew: bool = False
    ) -> tuple[float, Mapping[str, Any], KeySet]:
        with self._lock:
            if anew or self._known is None or time.monotonic() - self._known[0] > _KEPT:
                issuer = self._settings.oidc_issuer
                place = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
                document = _json(client, place)
                if document.get("issuer") != issuer:
                    raise NotSignedIn("provider", f"the provider calls itself {document['issuer']}")
                keys = KeySet.import_key_set(_json(client, document["jwks_uri"]))  # type: ignore[arg-type] # checked by what it does
                self._known = time.monotonic(), document, keys
            return self._known


def _json(client: OAuth2Client, place: str, **options: Any) -> dict[str, Any]:
    answer = client.request("GET", place, withhold_token=True, **options)
    answer.raise_for_status()
    if len(answer.content) > _LARGEST:
        raise NotSignedIn("provider", "the provider's answer is too long")
    found = answer.json()
    if not isinstance(found, dict):
        raise NotSignedIn("provider", "the provider's answer is no object")
    return found


def _provider(visit: Visit) -> Provider:
    state = visit.request.app.state
    if not hasattr(state, "provider"):
        state.provider = Provider(visit.settings)
    found: Provider = state.provider
    return found


def _callback(visit: Visit) -> str:
    base = visit.settings.page_url or str(visit.request.base_url)
    return f"{base.rstrip('/')}/sign-in/oidc/back"


def leave(visit: Visit) -> Response:
    """Send the browser to the identity provider."""
    state, nonce, verifier = new_token(), new_token(), new_token()
    try:
        with _provider(visit).client(_callback(visit)) as client:
            document = _provider(visit).document(client)
            address, _ = client.create_authorization_url(
                document["authorization_endpoint"],
                state=state,
                nonce=nonce,
                code_verifier=verifier,
            )
    except (NotSignedIn, HTTPError, OAuthError, JoseError, ValueError, KeyError) as error:
        return _said(visit, error)
    flow = Flow(
        browser=digest_of(visit.cookie),
        nonce=nonce,
        verifier=verifier,
        target=target_of(visit.query.get("to", "")),
    )
    with visit.store.begin() as transaction:
        transaction.begin_flow(digest_of(state), flow, visit.now)
    return RedirectResponse(address, 303)


def back(visit: Visit) -> Response:
    """The browser comes back from the identity provider."""
    with visit.store.begin() as transaction:
        flow = transaction.end_flow(digest_of(visit.query.get("state", "")), visit.now)
    try:
        flow, person = _arrived(visit, flow)
    except (NotSignedIn, HTTPError, OAuthError, JoseError, ValueError, KeyError) as error:
        return _said(visit, error)
    response = visit.go(flow.target)
    token = sessions.sign_in(visit.store, person, visit.cookie, visit.now)
    keep_cookie(visit.request, response, sessions.COOKIE, token)
    return response


def _arrived(visit: Visit, flow: Flow | None) -> tuple[Flow, Person]:
    """Who it is that comes back, if everything matches. Raises what is caught in `back`."""
    if flow is None or not hmac.compare_digest(flow.browser, digest_of(visit.cookie)):
        raise NotSignedIn("stale")
    issuer = visit.settings.oidc_issuer
    if visit.query.get("iss", issuer) != issuer or visit.query.get("error"):
        raise NotSignedIn("provider", visit.query.get("error", "")[:100])
    claims = _claims(visit, flow)
    role = role_of(claims, visit.settings)
    if role is None:
        raise NotSignedIn("no_role")
    with visit.store.begin_alone() as transaction:
        return flow, _person(transaction, visit, claims, role)


def _said(visit: Visit, error: Exception) -> Response:
    reason = error.reason if isinstance(error, NotSignedIn) else "provider"
    log.warning("sign-in failed", provider=visit.settings.oidc_issuer, error=str(error)[:300])
    return refused(visit, visit.t(f"sign_in.{reason}"))


def _claims(visit: Visit, flow: Flow) -> Mapping[str, Any]:
    """What the provider says of the person, checked. Raises what is caught in `back`."""
    provider, settings = _provider(visit), visit.settings
    with provider.client(_callback(visit)) as client:
        document = provider.document(client)
        given = client.fetch_token(
            document["token_endpoint"],
            code=visit.query.get("code", ""),
            grant_type="authorization_code",
            code_verifier=flow.verifier,
        )
        claims = id_claims(
            given["id_token"],
            _keys_of(provider, client),
            settings,
            nonce=flow.nonce,
            now=int(visit.now.timestamp()),
        )
        if _at(claims, settings.oidc_role_claim) is None and "userinfo_endpoint" in document:
            headers = {"Authorization": f"Bearer {given['access_token']}"}
            told = _json(client, document["userinfo_endpoint"], headers=headers)
            if told.get("sub") == claims["sub"]:
                claims = {**told, **claims}
    return claims


def _keys_of(provider: Provider, client: OAuth2Client) -> Callable[[bool], KeySet]:
    return lambda anew: provider.keys(client, anew=anew)


def id_claims(
    id_token: str, keys: Callable[[bool], KeySet], settings: Settings, *, nonce: str, now: int
) -> dict[str, Any]:
    """The claims of an ID token made for us, just now, for this very sign-in.

    `keys` gives the provider's keys: those known, or asked for anew.
    """
    try:
        token = jwt.decode(id_token, keys(False), algorithms=_ALGORITHMS)
    except (JoseError, ValueError):
        # Providers change their keys.
        token = jwt.decode(id_token, keys(True), algorithms=_ALGORITHMS)
    registry = jwt.JWTClaimsRegistry(
        now=now,
        leeway=_LEEWAY,
        iss={"essential": True, "value": settings.oidc_issuer},
        aud={"essential": True, "value": settings.oidc_client_id},
        exp={"essential": True},
        iat={"essential": True},
        nonce={"essential": True, "value": nonce},
        sub={"essential": True},
    )
    registry.validate(token.claims)
    claims = dict(token.claims)
    audience = claims["aud"]
    party = claims.get("azp", settings.oidc_client_id)
    several = isinstance(audience, list) and len(audience) > 1 and "azp" not in claims
    if several or party != settings.oidc_client_id:
        raise NotSignedIn("provider", "the ID token is for somebody else")
    return claims


def role_of(claims: Mapping[str, Any], settings: Settings) -> str | None:
    """The most that the claim lets somebody do; None: not let in."""
    found = _at(claims, settings.oidc_role_claim)
    values = set(map(str, found)) if isinstance(found, list) else {str(found)}
    roles = [role for value, role in settings.oidc_roles if found and value in values]
    return max(roles, key=ROLES.index, default=None)


def _at(claims: Mapping[str, Any], path: str) -> Any:
    """A claim, or one within another: `realm_access.roles`."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _person(transaction: Transaction, visit: Visit, claims: Mapping[str, Any], role: str) -> Person:
    """The person the claims are about, as they are now; made when they come first."""
    issuer, subject = visit.settings.oidc_issuer, str(claims["sub"])
    identity = f"{issuer} {subject}"
    said = str(claims.get("preferred_username") or claims.get("email") or subject)
    shown = clean_name(str(claims.get("name") or said))[:_LONGEST_NAME]
    known = transaction.person_of(identity)
    values = {"role": role, "display_name": shown, "agent_id": _agent(transaction, claims)}
    if known is not None:
        if known.disabled_at is not None:
            raise NotSignedIn("no_role")
        if not values["agent_id"]:
            # One that was set by hand stays.
            del values["agent_id"]
        return transaction.change_person(known.name, **values)
    name = clean_name(said)[:_LONGEST_NAME].casefold() or digest_of(identity)[:12]
    if transaction.person_named(name) or name == sessions.LOCAL:
        # A name alone proves nothing: whoever has a password here is another person.
        host = urlsplit(issuer).hostname
        name = f"{name[:40]} ({host} {digest_of(identity)[:6]})"[:100]
    made = transaction.create_person(name, visit.now, identity=identity, **values)
    transaction.audit("person created", made.name, actor="oidc", at=visit.now)
    return made


def _agent(transaction: Transaction, claims: Mapping[str, Any]) -> str:
    """The agent with the address that the provider has verified; "" for none."""
    address = str(claims.get("email") or "").casefold()
    if not address or claims.get("email_verified") is not True:
        return ""
    agents = transaction.known_agents().values()
    found = [agent.id for agent, active in agents if active and agent.email.casefold() == address]
    return found[0] if len(found) == 1 else ""


ROUTES: list[BaseRoute] = [
    public("/sign-in/oidc", leave),
    public("/sign-in/oidc/back", back),
]
