"""Two widely used Python libraries get at the data as their own documentation says.

Started by python-clients.test.mjs, which has a server running and says where:
E2E_URL, E2E_BINARY, E2E_DATA and E2E_KEYPAIR (a keypair as the command line printed it).
"""

import json
import os
import subprocess
import tempfile
import time
import unittest

import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from authlib.oauth2.rfc7523 import PrivateKeyJWT, private_key_jwt_sign
from joserfc.jwk import ECKey
from oauthlib.oauth2 import BackendApplicationClient, InvalidClientError, InvalidScopeError
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

URL = os.environ["E2E_URL"]
KEYPAIR = json.loads(os.environ["E2E_KEYPAIR"])
SCOPE = "feedback-report:read"


def discovered():
    metadata = requests.get(f"{URL}/.well-known/oauth-authorization-server", timeout=10).json()
    assert metadata["issuer"] == URL, metadata
    return metadata


def operate(*words):
    command = [os.environ["E2E_BINARY"], *words, "--data", os.environ["E2E_DATA"], "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=30).stdout)


class SignedForTheIssuer(PrivateKeyJWT):
    """As authlib signs, but for the issuer and a minute, not for the token endpoint and an hour."""

    def sign(self, auth, token_endpoint):
        return private_key_jwt_sign(
            auth.client_secret, client_id=auth.client_id, token_endpoint=URL, alg="ES256", expires_in=60
        )


class Clients(unittest.TestCase):
    def setUp(self):
        self.token_endpoint = discovered()["token_endpoint"]
        operate("key", "enable", KEYPAIR["id"])
        self.until(lambda: self.plain_request() == 200, "the keypair is enabled")

    def plain_request(self):
        answer = requests.post(
            self.token_endpoint,
            data={"grant_type": "client_credentials"},
            auth=(KEYPAIR["id"], KEYPAIR["secret"]),
            timeout=10,
        )
        return answer.status_code

    def until(self, condition, what):
        deadline = time.monotonic() + 1
        while not condition():
            self.assertLess(time.monotonic(), deadline, f"1 s passed before {what}")
            time.sleep(0.01)

    def walk(self, session, fetch, refused, refused_scope):
        """Token, data, a scope it may not have, disable, 401, refused."""
        token = fetch(SCOPE)
        self.assertEqual(token["token_type"].lower(), "bearer")
        access = session.get(f"{URL}/v1/access", timeout=10)
        self.assertEqual(access.status_code, 200, access.text)
        self.assertEqual(access.json()["key_id"], KEYPAIR["id"])
        self.assertEqual(access.json()["scopes"], [SCOPE])
        with self.assertRaises(refused_scope) as caught:
            fetch("feedback-admin")
        self.assertEqual(caught.exception.error, "invalid_scope")
        # A refused request made the library forget what it had.
        session.token = token
        self.assertEqual(session.get(f"{URL}/v1/access", timeout=10).status_code, 200)
        operate("key", "disable", KEYPAIR["id"])
        self.until(
            lambda: session.get(f"{URL}/v1/access", timeout=10).status_code == 401,
            "the old token stops",
        )
        challenge = session.get(f"{URL}/v1/access", timeout=10).headers["WWW-Authenticate"]
        self.assertIn('error="invalid_token"', challenge)
        with self.assertRaises(refused) as caught:
            fetch(SCOPE)
        self.assertEqual(caught.exception.error, "invalid_client")

    def test_authlib(self):
        for method in ("client_secret_basic", "client_secret_post"):
            with self.subTest(method), AuthlibSession(
                KEYPAIR["id"], KEYPAIR["secret"], token_endpoint_auth_method=method
            ) as session:
                self.setUp()
                self.walk(
                    session,
                    lambda scope: session.fetch_token(
                        self.token_endpoint, grant_type="client_credentials", scope=scope
                    ),
                    OAuthError,
                    OAuthError,
                )

    def test_authlib_private_key_jwt(self):
        key = ECKey.generate_key("P-256")
        with tempfile.NamedTemporaryFile("wb", suffix=".pem") as file:
            file.write(key.as_pem(private=False))
            file.flush()
            operate("key", "add-public-key", KEYPAIR["id"], "--pem-file", file.name)
        with AuthlibSession(
            KEYPAIR["id"], key, token_endpoint_auth_method="private_key_jwt"
        ) as session:
            session.register_client_auth_method(SignedForTheIssuer())
            # Another process registered the key.
            self.until(lambda: self.fetched(session), "the public key is known")
            self.walk(
                session,
                lambda scope: session.fetch_token(
                    self.token_endpoint, grant_type="client_credentials", scope=scope
                ),
                OAuthError,
                OAuthError,
            )

    def fetched(self, session):
        try:
            return session.fetch_token(self.token_endpoint, grant_type="client_credentials")
        except OAuthError as error:
            self.assertEqual(error.error, "invalid_client")
            return None

    def test_requests_oauthlib(self):
        ways = {
            "client_secret_basic": {"auth": HTTPBasicAuth(KEYPAIR["id"], KEYPAIR["secret"])},
            "client_secret_post": {"include_client_id": True, "client_secret": KEYPAIR["secret"]},
        }
        for method, way in ways.items():
            with self.subTest(method), OAuth2Session(
                client=BackendApplicationClient(client_id=KEYPAIR["id"])
            ) as session:
                self.setUp()
                self.walk(
                    session,
                    lambda scope: session.fetch_token(self.token_endpoint, scope=[scope], **way),
                    InvalidClientError,
                    InvalidScopeError,
                )


if __name__ == "__main__":
    unittest.main(verbosity=2)
