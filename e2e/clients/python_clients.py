"""Widely used Python libraries, each as its documentation says, at the command of life.mjs.

Usage: python_clients.py LIBRARY ISSUER; a line of JSON in, a line of JSON out.
"""

import json
import sys

import httpx
import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from authlib.oauth2.rfc7523 import PrivateKeyJWT, private_key_jwt_sign
from httpx_auth import InvalidGrantRequest, OAuth2, OAuth2ClientCredentials
from joserfc.jwk import ECKey
from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error, WebApplicationClient
from requests.auth import HTTPBasicAuth
from requests_oauth2client import (
    BearerToken,
    ClientSecretBasic,
    ClientSecretPost,
    OAuth2Client,
    PrivateKeyJwt,
    PublicApp,
    TokenEndpointError,
)
from requests_oauthlib import OAuth2Session

ISSUER = sys.argv[2]
METADATA = requests.get(f"{ISSUER}/.well-known/oauth-authorization-server", timeout=10).json()
TOKEN_ENDPOINT = METADATA["token_endpoint"]


class SignedForTheIssuer(PrivateKeyJWT):
    """As authlib signs, but for the issuer and a minute, not for the token endpoint and an hour."""

    def sign(self, auth, token_endpoint):
        return private_key_jwt_sign(
            auth.client_secret, client_id=auth.client_id, token_endpoint=ISSUER, alg="ES256", expires_in=60
        )


class Authlib:
    def session(self, who, **more):
        key = who.get("key")
        session = AuthlibSession(
            who["id"],
            ECKey.import_key(key) if key else who["secret"],
            token_endpoint_auth_method=who["method"],
            revocation_endpoint_auth_method=who["method"],
            **more,
        )
        session.register_client_auth_method(SignedForTheIssuer())
        return session

    def token(self, who):
        try:
            token = self.session(who).fetch_token(
                TOKEN_ENDPOINT, grant_type="client_credentials", scope=who.get("scope")
            )
        except OAuthError as error:
            return {"error": error.error}
        return {"token": token["access_token"]}

    def get(self, who, token, path):
        session = self.session(who, token={"access_token": token, "token_type": "Bearer"})
        return {"status": session.get(ISSUER + path, timeout=10).status_code}

    def introspect(self, who, token):
        return self.session(who).introspect_token(METADATA["introspection_endpoint"], token=token).json()

    def revoke(self, who, token):
        answer = self.session(who).revoke_token(METADATA["revocation_endpoint"], token=token)
        return {"status": answer.status_code}

    def authorize(self, who):
        self.application = AuthlibSession(
            who["id"],
            redirect_uri=who["redirect_uri"],
            code_challenge_method="S256",
            token_endpoint_auth_method="none",
            revocation_endpoint_auth_method="none",
        )
        self.verifier = generate_token(48)
        address, self.state = self.application.create_authorization_url(
            METADATA["authorization_endpoint"], code_verifier=self.verifier
        )
        return {"address": address}

    def exchange(self, who, answer):
        return self.application.fetch_token(
            TOKEN_ENDPOINT, authorization_response=answer, state=self.state, code_verifier=self.verifier
        )

    def refresh(self, who, token):
        try:
            return self.application.refresh_token(TOKEN_ENDPOINT, refresh_token=token)
        except OAuthError as error:
            return {"error": error.error}

    def give_up(self, who, token):
        answer = self.application.revoke_token(METADATA["revocation_endpoint"], token=token)
        return {"status": answer.status_code}


class RequestsOauthlib:
    def token(self, who):
        ways = {
            "client_secret_basic": {"auth": HTTPBasicAuth(who["id"], who["secret"])},
            "client_secret_post": {"include_client_id": True, "client_secret": who["secret"]},
        }
        session = OAuth2Session(client=BackendApplicationClient(client_id=who["id"]))
        scope = who["scope"].split() if "scope" in who else None
        try:
            token = session.fetch_token(TOKEN_ENDPOINT, scope=scope, **ways[who["method"]])
        except OAuth2Error as error:
            return {"error": error.error}
        return {"token": token["access_token"]}

    def get(self, who, token, path):
        session = OAuth2Session(who["id"], token={"access_token": token, "token_type": "Bearer"})
        return {"status": session.get(ISSUER + path, timeout=10).status_code}


    def authorize(self, who):
        self.application = OAuth2Session(who["id"], redirect_uri=who["redirect_uri"], pkce="S256")
        address, _ = self.application.authorization_url(METADATA["authorization_endpoint"])
        return {"address": address}

    def exchange(self, who, answer):
        return self.application.fetch_token(TOKEN_ENDPOINT, authorization_response=answer, include_client_id=True)

    def refresh(self, who, token):
        try:
            return self.application.refresh_token(TOKEN_ENDPOINT, refresh_token=token, client_id=who["id"])
        except OAuth2Error as error:
            return {"error": error.error}

    def give_up(self, who, token):
        url, headers, body = WebApplicationClient(who["id"]).prepare_token_revocation_request(
            METADATA["revocation_endpoint"], token, "refresh_token", client_id=who["id"]
        )
        return {"status": requests.post(url, headers=headers, data=body, timeout=10).status_code}


class RequestsOauth2client:
    def client(self, who):
        if key := who.get("key"):
            auth = PrivateKeyJwt(who["id"], key, aud=ISSUER)
        elif who["method"] == "client_secret_basic":
            auth = ClientSecretBasic(who["id"], who["secret"])
        else:
            auth = ClientSecretPost(who["id"], who["secret"])
        return OAuth2Client.from_discovery_document(METADATA, issuer=ISSUER, auth=auth, testing=True)

    def token(self, who):
        try:
            token = self.client(who).client_credentials(scope=who.get("scope"))
        except TokenEndpointError as error:
            return {"error": error.error}
        return {"token": token.access_token}

    def get(self, who, token, path):
        answer = requests.get(ISSUER + path, auth=BearerToken(token), timeout=10)
        return {"status": answer.status_code}

    def introspect(self, who, token):
        return self.client(who).introspect_token(token)

    def revoke(self, who, token):
        return {"revoked": self.client(who).revoke_access_token(token)}

    def authorize(self, who):
        self.application = OAuth2Client.from_discovery_document(
            METADATA, issuer=ISSUER, auth=PublicApp(who["id"]), redirect_uri=who["redirect_uri"], testing=True
        )
        self.request = self.application.authorization_request(scope=None)
        return {"address": self.request.uri}

    def exchange(self, who, answer):
        return self.told(self.application.authorization_code, self.request.validate_callback(answer))

    def refresh(self, who, token):
        return self.told(self.application.refresh_token, token)

    def told(self, ask, what):
        try:
            token = ask(what)
        except TokenEndpointError as error:
            return {"error": error.error}
        return {"access_token": token.access_token, "refresh_token": token.refresh_token, "scope": token.scope}

    def give_up(self, who, token):
        return {"revoked": self.application.revoke_refresh_token(token)}


class HttpxAuth:
    """Fetches its token itself when a request needs one, and gives it to nobody but the server."""

    def token(self, who):
        OAuth2.token_cache.clear()
        auth = OAuth2ClientCredentials(
            TOKEN_ENDPOINT, who["id"], who["secret"], **({"scope": who["scope"]} if "scope" in who else {})
        )
        try:
            answer = httpx.get(f"{ISSUER}/v1/access", auth=auth)
        except InvalidGrantRequest as error:
            return {"error": str(error).partition(":")[0]}
        assert answer.status_code == 200, answer.text
        return {"token": answer.request.headers["Authorization"].removeprefix("Bearer ")}


LIBRARIES = {
    "authlib": Authlib,
    "requests-oauthlib": RequestsOauthlib,
    "requests-oauth2client": RequestsOauth2client,
    "httpx-auth": HttpxAuth,
}


def main():
    library = LIBRARIES[sys.argv[1]]()
    for line in sys.stdin:
        order = json.loads(line)
        act = getattr(library, order.pop("do"))
        more = [order.pop(name) for name in ("token", "path", "answer") if name in order]
        try:
            answer = act(order, *more)
        except Exception as error:
            answer = {"failed": repr(error)}
        print(json.dumps(answer), flush=True)


main()
