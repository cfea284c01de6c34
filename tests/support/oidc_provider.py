"""A small OpenID Connect provider: discovery, authorisation code with PKCE, keys, userinfo.

with OidcProvider.running() as provider:
    provider.person = {"sub": "7", "email": "lea@example.com", "roles": ["desk-leads"]}

It checks what a real one checks: client, redirect address, code once, code verifier. What a test
wants to be wrong with an ID token it says in `provider.forged`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

CLIENT_ID, CLIENT_SECRET = "triagedesk", "s3cr3t-of-the-desk"


@dataclass(kw_only=True)
class OidcProvider:
    """A provider under way."""

    issuer: str = ""
    #: Claims of whoever is signed in there.
    person: dict[str, Any] = field(default_factory=dict)
    #: Claims that an ID token gets instead of the right ones.
    forged: dict[str, Any] = field(default_factory=dict)
    #: `RS256`, or what a forger would like: `HS256` by the client's secret.
    algorithm: str = "RS256"
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, auto_kid=True))
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    userinfo: dict[str, Any] | None = None
    #: Queries that authorisation was asked with.
    asked: list[dict[str, str]] = field(default_factory=list)

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        """A provider on a port of its own."""
        provider = cls()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                place = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(place.query).items()}
                provider._get(self, place.path, query)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = {name: values[0] for name, values in parse_qs(body).items()}
                provider._token(self, form)

            def log_message(self, *_arguments: Any) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        provider.issuer = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def settings(self, roles: str = "desk-leads=lead, staff=viewer") -> dict[str, str]:
        """Settings of a desk that trusts it."""
        return {
            "OIDC_ISSUER": self.issuer,
            "OIDC_CLIENT_ID": CLIENT_ID,
            "OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "OIDC_ROLES": roles,
        }

    def _get(self, handler: BaseHTTPRequestHandler, path: str, query: Mapping[str, str]) -> None:
        if path == "/.well-known/openid-configuration":
            document = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
            }
            if self.userinfo is not None:
                document["userinfo_endpoint"] = f"{self.issuer}/userinfo"
            _send(handler, 200, document)
        elif path == "/keys":
            _send(handler, 200, KeySet([self.key]).as_dict(private=False))
        elif path == "/authorize":
            self._authorise(handler, dict(query))
        elif path == "/userinfo" and handler.headers.get("Authorization") == "Bearer access":
            _send(handler, 200, self.userinfo)
        else:
            _send(handler, 404, {"error": "not_found"})

    def _authorise(self, handler: BaseHTTPRequestHandler, query: dict[str, str]) -> None:
        self.asked.append(query)
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT_ID
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        answer = urlencode({"code": code, "state": query["state"], "iss": self.issuer})
        handler.send_response(302)
        handler.send_header("Location", f"{query['redirect_uri']}?{answer}")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def _token(self, handler: BaseHTTPRequestHandler, form: Mapping[str, str]) -> None:
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        asked = self.codes.pop(form.get("code", ""), None)
        challenge = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        right = (
            asked is not None
            and handler.headers.get("Authorization") == f"Basic {basic}"
            and form.get("redirect_uri") == asked["redirect_uri"]
            and base64.urlsafe_b64encode(challenge).decode().rstrip("=") == asked["code_challenge"]
        )
        if not right or asked is None:
            _send(handler, 400, {"error": "invalid_grant"})
            return
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "exp": now + 300,
            "iat": now,
            "nonce": asked["nonce"],
            **self.person,
            **self.forged,
        }
        key = self.key if self.algorithm == "RS256" else OctKey.import_key(CLIENT_SECRET * 2)
        header = {"alg": self.algorithm}
        if self.algorithm == "RS256":
            header["kid"] = str(self.key.kid)
        id_token = jwt.encode(header, claims, key, algorithms=[self.algorithm])
        answer = {"access_token": "access", "token_type": "Bearer", "id_token": id_token}
        _send(handler, 200, answer)


def _send(handler: BaseHTTPRequestHandler, status: int, document: Any) -> None:
    body = json.dumps(document).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
