"""Authlib as an Authorization Server for the client credentials grant, on Flask: one client, JWT access tokens
(RFC 9068) signed with ES256, nothing stored. It refuses to sign with `EdDSA`, a name that it holds for outdated."""

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask
from joserfc.jwk import ECKey

KEY = ECKey.generate_key("P-256")


class Client(ClientMixin):
    def get_client_id(self):
        return "client"

    def get_default_redirect_uri(self):
        return None

    def get_allowed_scope(self, scope):
        return "report:read"

    def check_client_secret(self, client_secret):
        return client_secret == "a-secret-of-forty-three-characters-0123456789"

    def check_endpoint_auth_method(self, method, endpoint):
        return method == "client_secret_basic"

    def check_grant_type(self, grant_type):
        return grant_type == "client_credentials"


class Tokens(JWTBearerTokenGenerator):
    def get_jwks(self):
        return KEY


CLIENT = Client()

application = Flask(__name__)
server = AuthorizationServer(
    application,
    query_client=lambda client_id: CLIENT if client_id == "client" else None,
    save_token=lambda token, request: None,
)
server.register_token_generator("default", Tokens(issuer="https://as.example.com", alg="ES256"))
server.register_grant(grants.ClientCredentialsGrant)


@application.get("/ready")
def ready():
    return ""


@application.post("/token")
def token():
    return server.create_token_response()
