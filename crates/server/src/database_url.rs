//! The address of a PostgreSQL database, with a password in it as a rule.

/// Where a PostgreSQL database is, `postgres://user:password@host:port/database`. Prints without what may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The whole of it, to connect with.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for DatabaseUrl {
    type Err = &'static str;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
        match rest {
            Some(rest) if !rest.is_empty() => Ok(Self(url.to_owned())),
            _ => Err("expected a URL as in postgres://user:password@host:5432/database"),
        }
    }
}

impl std::fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (_, rest) = self.0.split_once("://").unwrap_or_default();
        // Whatever stands before the last @ may be a password, and without one it may be all of it.
        match rest.rsplit_once('@') {
            Some((_, after)) => write!(f, "postgres://{}", after.split('?').next().unwrap_or_default()),
            None => f.write_str("postgres://…"),
        }
    }
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_prints_of_a_database_s_url_is_no_secret() {
        for (url, printed) in [
            ("postgres://u:p@ss@db.example:5432/feedback?password=x", "postgres://db.example:5432/feedback"),
            ("postgres://u:open?sesame@db.example/feedback", "postgres://db.example/feedback"),
            ("postgres://feedback:opensesame", "postgres://…"),
        ] {
            let url: DatabaseUrl = url.parse().unwrap();
            assert_eq!((url.to_string(), format!("{url:?}")), (printed.to_owned(), printed.to_owned()));
        }
    }
}
