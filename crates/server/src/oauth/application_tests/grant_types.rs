//! Which grants are for applications.

use serde_json::json;

use super::World;
use crate::api::test_harness::{ISSUER, TestApp};
use crate::oauth::METADATA_PATH;

#[tokio::test]
async fn an_application_hears_which_grants_are_not_for_it() {
    let world = World::start().await;
    for client in [world.application.id.to_string(), "feedback-cli".to_owned()] {
        let ask = async |grant: &str| world.token(&format!("grant_type={grant}&client_id={client}")).await;
        World::refused(&ask("password").await, "unsupported_grant_type");
        let said = World::refused(&ask("client_credentials").await, "unauthorized_client");
        assert!(said.contains("authorization_code"), "{said}");
    }
    let key = world.server.key(world.account, "feedback-report:read").await.keypair.id;
    for nobody in ["app_00000000000000000000000000", &key.to_string()] {
        for grant in ["password", "client_credentials"] {
            let form = format!("grant_type={grant}&client_id={nobody}");
            World::refused(&world.token(&form).await, "invalid_client");
        }
    }
}

#[tokio::test]
async fn the_metadata_says_all_that_an_application_needs() {
    let server = TestApp::start().await;
    let metadata = server.get("", METADATA_PATH).await.expect(200);
    assert_eq!(metadata["authorization_endpoint"], format!("{ISSUER}/oauth2/authorize"));
    assert_eq!(metadata["response_types_supported"], json!(["code"]));
    assert_eq!(
        metadata["grant_types_supported"],
        json!(["client_credentials", "authorization_code", "refresh_token"])
    );
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
    assert!(metadata["token_endpoint_auth_methods_supported"].as_array().unwrap().contains(&json!("none")));
}
