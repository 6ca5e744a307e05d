//! The key that everything secret in the store is sealed under: 64 hexadecimal digits in a file of mode 0600.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use domain::Entropy;
use zeroize::Zeroizing;

use crate::crypto::Sealer;

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
    // What is sealed under it must not outlast it: its name must be on the disk, too.
    match written.and_then(|()| sync_folder_of(path)) {
        Ok(()) => {
            tracing::info!(path = %path.display(), "made the master key; keep a copy of it in a safe place");
            Ok(key)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => read(path),
        Err(error) => Err(failed(error)),
    }
}

/// Where a key lies that is to take the place of the one at `path`, until everything is sealed under it.
pub(crate) fn next_to(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// The sealer under the master key, and what it opens; none if there is no key that opens it. A key that was about to take the
/// place of the one at `path` does so now, if it is the one that opens.
pub(crate) fn that_opens<T>(
    path: &Path,
    opens: impl Fn(&Sealer) -> Option<T>,
) -> Result<Option<(Sealer, T)>, MasterKeyError> {
    let sealer = Sealer::new(&*read(path)?);
    if let Some(opened) = opens(&sealer) {
        return Ok(Some((sealer, opened)));
    }
    let next = next_to(path);
    if !next.exists() {
        return Ok(None);
    }
    let sealer = Sealer::new(&*read(&next)?);
    let Some(opened) = opens(&sealer) else {
        return Ok(None);
    };
    match take_place(path) {
        Ok(()) => {
            tracing::info!(path = %path.display(), "put the new master key in the place of the old one")
        }
        // It opens the store where it lies, too.
        Err(error) => tracing::warn!(%error, "the new master key stays beside the old one"),
    }
    Ok(Some((sealer, opened)))
}

/// Puts the key that lies beside the one at `path` in its place.
pub(crate) fn take_place(path: &Path) -> Result<(), MasterKeyError> {
    let failed = |error| MasterKeyError::File(next_to(path), error);
    match std::fs::rename(next_to(path), path) {
        // Somebody else that has just started did it.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        renamed => renamed.and_then(|()| sync_folder_of(path)).map_err(failed),
    }
}

/// Waits until the key in the file at `path` is on the disk, whoever wrote it.
pub(crate) fn keep(path: &Path) -> Result<(), MasterKeyError> {
    let kept = std::fs::File::open(path).and_then(|file| file.sync_all()).and_then(|()| sync_folder_of(path));
    kept.map_err(|error| MasterKeyError::File(path.to_owned(), error))
}

/// Waits until the names in the folder of `path` are on the disk.
fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
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
    fn the_key_that_opens_the_store_is_in_place_after_any_crash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let sealer = |path: &Path| Sealer::new(&read_or_create(path, &SystemEntropy).unwrap());
        let (old, new) = (sealer(&path), sealer(&next_to(&path)));
        let content = |path: &Path| std::fs::read_to_string(path).unwrap();
        let (old_text, new_text) = (content(&path), content(&next_to(&path)));
        let opened = |by: &Sealer| {
            let sealed = by.seal("x", b"plain", &SystemEntropy);
            that_opens(&path, |sealer| sealer.open("x", &sealed).ok()).unwrap().is_some()
        };
        assert!(opened(&old), "before everything was sealed anew");
        assert_eq!((content(&path), content(&next_to(&path))), (old_text, new_text.clone()));
        assert!(!opened(&Sealer::new(&[1; 32])) && next_to(&path).exists(), "neither opens it");
        assert!(opened(&new), "after that");
        assert!(content(&path) == new_text && !next_to(&path).exists());
        assert!(opened(&new) && !opened(&old), "and ever after");
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
