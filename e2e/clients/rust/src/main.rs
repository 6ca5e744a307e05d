//! The oauth2 and openidconnect crates, each as its documentation says, at the command of `life.mjs`: a line of JSON in,
//! a line of JSON out. Usage: `rust-clients oauth2|openidconnect ISSUER`.

use std::io::{BufRead, Write};

use oauth2::basic::{BasicClient, BasicErrorResponseType};
use oauth2::{
    AccessToken, AuthType, ClientId, ClientSecret, HttpRequest, HttpResponse, IntrospectionUrl,
    RequestTokenError, Scope, TokenIntrospectionResponse, TokenResponse, TokenUrl,
};
use openidconnect::core::{CoreClient, CoreJsonWebKeySet};
use openidconnect::{IssuerUrl, JsonWebKeySetUrl};
use serde::Deserialize;
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

/// What is to be done.
#[derive(Deserialize)]
struct Order {
    r#do: String,
    method: String,
    id: String,
    secret: String,
    scope: Option<String>,
    token: Option<String>,
}

fn send(request: HttpRequest) -> Result<HttpResponse, ureq::Error> {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let (parts, mut body) = agent.run(request)?.into_parts();
    Ok(HttpResponse::from_parts(parts, body.read_to_vec()?))
}

/// Both crates name the same things alike, on types of their own.
macro_rules! obey {
    ($client:expr, $metadata:expr, $order:expr) => {{
        let at = |name: &str| $metadata[name].as_str().unwrap_or_default().to_owned();
        let auth = if $order.method == "client_secret_post" { AuthType::RequestBody } else { AuthType::BasicAuth };
        let client = $client
            .set_client_secret(ClientSecret::new($order.secret.clone()))
            .set_auth_type(auth)
            .set_token_uri(TokenUrl::new(at("token_endpoint"))?)
            .set_introspection_url(IntrospectionUrl::new(at("introspection_endpoint"))?);
        match $order.r#do.as_str() {
            "token" => {
                let scopes = $order.scope.iter().flat_map(|scope| scope.split(' '));
                let request = client
                    .exchange_client_credentials()
                    .add_scopes(scopes.map(|scope| Scope::new(scope.to_owned())));
                match request.request(&send) {
                    Ok(token) => Ok(json!({"token": token.access_token().secret()})),
                    Err(RequestTokenError::ServerResponse(said)) => Ok(refusal(said.error())),
                    Err(error) => Err(error.into()),
                }
            }
            "introspect" => {
                let token = AccessToken::new($order.token.clone().unwrap_or_default());
                let said = client.introspect(&token).request(&send)?;
                Ok(json!({"active": said.active()}))
            }
            other => Err(format!("{other} is not done here").into()),
        }
    }};
}

fn refusal(error: &BasicErrorResponseType) -> Value {
    json!({"error": error.as_ref()})
}

fn obey(library: &str, issuer: &str, metadata: &Value, order: &Order) -> Result<Value, Failure> {
    let id = ClientId::new(order.id.clone());
    if library == "oauth2" {
        return obey!(BasicClient::new(id), metadata, order);
    }
    let keys = JsonWebKeySetUrl::new(metadata["jwks_uri"].as_str().unwrap_or_default().to_owned())?;
    let keys = CoreJsonWebKeySet::fetch(&keys, &send)?;
    obey!(
        CoreClient::new(id, IssuerUrl::new(issuer.to_owned())?, keys).disable_openid_scope(),
        metadata,
        order
    )
}

fn main() -> Result<(), Failure> {
    let mut words = std::env::args().skip(1);
    let (library, issuer) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let at = format!("{issuer}/.well-known/oauth-authorization-server");
    let metadata: Value = serde_json::from_reader(ureq::get(&at).call()?.into_body().into_reader())?;
    for line in std::io::stdin().lock().lines() {
        let order: Order = serde_json::from_str(&line?)?;
        let answer = obey(&library, &issuer, &metadata, &order)
            .unwrap_or_else(|error| json!({"failed": error.to_string()}));
        println!("{answer}");
        std::io::stdout().flush()?;
    }
    Ok(())
}
