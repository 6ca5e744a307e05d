//! The key that everything secret in the store is sealed under: 64 hexadecimal digits in a file of mode 0600.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use domain::Entropy;
use zeroize::Zeroizing;

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MasterKeyError {
    #[error("the master key in {0} (setting master_key_file) can't be used: {1}")]
    File(PathBuf, #[source] std::io::Error),
    #[error("the master key in {0} can't be used: expected 64 hexadecimal digits")]
    Form(PathBuf),
}

/// Reads the master key.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<[u8; 32]>, MasterKeyError> {
    let failed = |error| MasterKeyError::File(path.to_owned(), error);
    let mut text = Zeroizing::new(String::new());
    std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text)).map_err(failed)?;
    let digits = text.trim().as_bytes();
    let mut key = Zeroizing::new([0; 32]);
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != key.len() || !rest.is_empty() {
        return Err(MasterKeyError::Form(path.to_owned()));
    }
    for (byte, [high, low]) in key.iter_mut().zip(pairs) {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
            return Err(MasterKeyError::Form(path.to_owned()));
        };
        *byte = high << 4 | low;
    }
    Ok(key)
}

/// Reads the master key; makes one if there is no file yet. Of several that start at once, one makes it.
pub(crate) fn read_or_create(
    path: &Path,
    entropy: &dyn Entropy,
) -> Result<Zeroizing<[u8; 32]>, MasterKeyError> {
    let failed = |error| MasterKeyError::File(path.to_owned(), error);
    if path.exists() {
        return read(path);
    }
    let key = Zeroizing::new(entropy.bytes::<32>());
    let digits = key.iter().fold(Zeroizing::new(String::new()), |mut digits, byte| {
        digits.push_str(&format!("{byte:02x}"));
        digits
    });
    // Written whole under another name first: a key that was cut off by a crash must not be taken for one.
    let draft = path.with_extension(format!("{:016x}.draft", u64::from_be_bytes(entropy.bytes())));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            writeln!(file, "{}", *digits)?;
            file.sync_all()
        })
        // A hard link fails where a file stands already, where a rename would replace it.
        .and_then(|()| std::fs::hard_link(&draft, path));
    let _ = std::fs::remove_file(&draft);
    match written {
        Ok(()) => {
            tracing::info!(path = %path.display(), "made the master key; keep a copy of it in a safe place");
            Ok(key)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => read(path),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::SystemEntropy;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_is_made_once_and_kept_to_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let made = read_or_create(&path, &SystemEntropy).unwrap();
        assert_eq!(*made, *read_or_create(&path, &SystemEntropy).unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_broken_one_is_refused_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        std::fs::write(&path, "abc").unwrap();
        assert!(read_or_create(&path, &SystemEntropy).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "abc");
    }
}
