use domain::{Account, Application, ApplicationGrant, Environment, Grant, Keypair, Query, User};
use serde_json::{Value, json};

use crate::{Invitation, SigningKey};

/// How an object stands in the audit log: without secrets, with the names that the API uses.
pub trait Record {
    /// The object as JSON.
    fn record(&self) -> Value;
}

impl Record for Account {
    fn record(&self) -> Value {
        json!({"id": self.id, "name": self.name, "closed_at": self.state.closed_at()})
    }
}

impl Record for Environment {
    fn record(&self) -> Value {
        json!({
            "id": self.id,
            "account_id": self.account,
            "name": self.name,
            "closed_at": self.state.closed_at(),
        })
    }
}

impl Record for User {
    fn record(&self) -> Value {
        json!({"id": self.id, "email": self.email.as_str()})
    }
}

impl Record for Grant {
    fn record(&self) -> Value {
        json!({"on": self.on, "role": self.role})
    }
}

impl Record for Invitation {
    fn record(&self) -> Value {
        json!({
            "email": self.email.as_str(),
            "role": self.grant.role,
            "expires_at": self.expires_at,
        })
    }
}

impl Record for Keypair {
    fn record(&self) -> Value {
        let secrets: Vec<Value> = self
            .secrets
            .iter()
            .map(|secret| {
                json!({
                    "n": secret.n,
                    "hint": secret.hint,
                    "expires_at": secret.expires_at,
                    "retire_when_idle_seconds": secret.retirement.map(|retirement| retirement.when_idle.as_secs()),
                })
            })
            .collect();
        let public_keys: Vec<Value> = self
            .public_keys
            .iter()
            .map(|public| {
                json!({
                    "n": public.n,
                    "kid": public.key.thumbprint().to_string(),
                    "algorithm": public.key.algorithm().name(),
                    "expires_at": public.expires_at,
                })
            })
            .collect();
        json!({
            "id": self.id,
            "comment": self.comment,
            "scopes": self.scopes,
            "enabled": self.enabled,
            "expires_at": self.expires_at,
            "accepts_secrets": self.accepts_secrets,
            "token_binding": self.token_binding.name(),
            "allowed_addresses": self.allowed_addresses.names(),
            "secrets": secrets,
            "public_keys": public_keys,
        })
    }
}

impl Record for Application {
    fn record(&self) -> Value {
        json!({"id": self.id, "name": self.name, "redirect_uris": self.redirect_uris})
    }
}

impl Record for ApplicationGrant {
    fn record(&self) -> Value {
        json!({
            "id": self.id,
            "application": self.client,
            "user": self.user,
            "scopes": self.scopes,
            "environment": self.narrowed_to,
        })
    }
}

impl Record for SigningKey {
    fn record(&self) -> Value {
        json!({"kid": self.kid, "algorithm": self.algorithm, "signs_from": self.signs_from})
    }
}

impl Record for Query {
    fn record(&self) -> Value {
        let closed_at = self.state.closed_at();
        json!({"id": self.id, "title": self.title, "question": self.question, "closed_at": closed_at})
    }
}
