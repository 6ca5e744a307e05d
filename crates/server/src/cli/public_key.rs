//! The public keys of `feedback key …`.

use std::path::{Path, PathBuf};

use domain::{Timestamp, VerifyingKey};

use super::arguments;
use super::failure::{Failure, Result};

/// No file of a public key is longer.
const LONGEST: u64 = 64 * 1024;

/// A public key in a file.
#[derive(Debug, clap::Args)]
#[group(id = "file", multiple = false)]
struct File {
    /// A file with the public key as PEM (BEGIN PUBLIC KEY)
    #[arg(long, value_name = "FILE")]
    pem_file: Option<PathBuf>,
    /// A file with the public key as a JWK
    #[arg(long, value_name = "FILE")]
    jwk_file: Option<PathBuf>,
}

/// A public key to register.
#[derive(Debug, clap::Args)]
pub(super) struct PublicKey {
    #[command(flatten)]
    file: File,
    /// What an RSA key is used with, RS256 or PS256; RS256 without it
    #[arg(long, value_name = "ALG", requires = "file")]
    algorithm: Option<String>,
    /// When the public key stops by itself: an instant, or a time from now as in 90d; never without it
    #[arg(long, value_name = "WHEN", requires = "file")]
    public_key_expires: Option<String>,
}

impl PublicKey {
    /// The key, and until when it works; none without a file.
    pub(super) fn read(&self, now: Timestamp) -> Result<Option<(VerifyingKey, Option<Timestamp>)>> {
        let (file, is_jwk) = match (&self.file.pem_file, &self.file.jwk_file) {
            (Some(file), _) => (file, false),
            (None, Some(file)) => (file, true),
            (None, None) => return Ok(None),
        };
        let algorithm = self.algorithm.as_deref().map(str::parse).transpose().map_err(Failure::new)?;
        let text = text(file)?;
        let key = match is_jwk {
            true => VerifyingKey::from_text(&text, algorithm),
            false => VerifyingKey::from_pem(&text, algorithm),
        };
        let key = key.map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
        let until =
            self.public_key_expires.as_deref().map(|when| arguments::moment(when, now)).transpose()?;
        Ok(Some((key, until)))
    }
}

fn text(file: &Path) -> Result<String> {
    use std::io::Read;

    let mut text = String::new();
    let read = std::fs::File::open(file).and_then(|file| file.take(LONGEST).read_to_string(&mut text));
    read.map_err(|error| Failure::new(format!("{} can't be read: {error}", file.display())))?;
    Ok(text)
}
