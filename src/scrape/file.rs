//! Reads the files that a source's options name: secrets and certificates.
//!
//! They are read anew for each use. They are small, and whoever changes them, as Kubernetes does
//! with a mounted Secret, need tell nobody.

use super::error::Cause;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The bytes of the file that an option names.
pub(super) fn read(option: &'static str, path: &Path) -> Result<Vec<u8>, Cause> {
    read_regular(path).map_err(|error| wrong(option, path, format!("could not be read ({error})")))
}

/// The secret in the file that an option names: all of it but the line ends that editors leave
/// behind it.
pub(super) fn secret(option: &'static str, path: &Path) -> Result<Vec<u8>, Cause> {
    let mut bytes = read(option, path)?;
    while matches!(bytes.last(), Some(b'\n' | b'\r')) {
        bytes.pop();
    }
    if bytes.is_empty() { Err(wrong(option, path, "is empty".to_owned())) } else { Ok(bytes) }
}

/// Why the file that an option names is of no use; never with what is in it.
pub(super) fn wrong(option: &'static str, path: &Path, why: String) -> Cause {
    Cause::File { option, path: path.to_owned(), why }
}

fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    // A pipe would be waited for, by everybody else too.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::other("it is longer than 1 MiB"));
    }
    Ok(bytes)
}

/// A bundle of all public authorities takes a quarter of it.
const MAX_BYTES: u64 = 1 << 20;
