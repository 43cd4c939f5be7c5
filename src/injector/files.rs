//! A certificate and a key in files that somebody else writes, and may write anew at any time.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::pair::{NoPair, Pair};

/// Two files, and what was in them.
#[derive(Debug)]
pub(super) struct Files {
    certificate: PathBuf,
    key: PathBuf,
    /// What was read last, good or bad.
    seen: Option<Contents>,
}

#[derive(Debug, PartialEq, Eq)]
enum Contents {
    /// Never shown: one of them is a key.
    Read(Vec<u8>, Vec<u8>),
    Unreadable(String),
}

/// Why the files are of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilesError {
    /// One could not be read.
    #[error("{setting} is {}, which could not be read: {why}", path.display())]
    Unreadable {
        /// The flag that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// They are no pair.
    #[error("--tls-cert is {} and --tls-key is {}, but {why}", certificate.display(), key.display())]
    NoPair {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What is wrong.
        why: String,
    },
}

impl Files {
    pub(super) fn new(certificate: &Path, key: &Path) -> Self {
        Self { certificate: certificate.to_owned(), key: key.to_owned(), seen: None }
    }

    /// Reads both, and gives what they hold if that is anything new.
    ///
    /// Kubernetes swaps the folder of a mounted Secret in one step, but that can happen between two
    /// reads; others write one file after the other. Either way the two do not go together then,
    /// and will when they are read again.
    pub(super) fn read(&mut self) -> Result<Option<Pair>, FilesError> {
        let contents = self.contents();
        let (seen, result) = match contents {
            Err(error) => (Contents::Unreadable(error.to_string()), Err(error)),
            Ok((certificate, key)) => {
                let pair = Pair::from_pem(&certificate, &key).map_err(|why| self.no_pair(&why));
                (Contents::Read(certificate, key), pair.map(Some))
            }
        };
        if self.seen.as_ref() == Some(&seen) {
            return Ok(None);
        }
        self.seen = Some(seen);
        result
    }

    fn contents(&self) -> Result<(Vec<u8>, Vec<u8>), FilesError> {
        let read = |setting, path: &Path| {
            contents(path).map_err(|error| FilesError::Unreadable {
                setting,
                path: path.to_owned(),
                why: error.to_string(),
            })
        };
        Ok((read("--tls-cert", &self.certificate)?, read("--tls-key", &self.key)?))
    }

    fn no_pair(&self, why: &NoPair) -> FilesError {
        let (certificate, key) = (self.certificate.clone(), self.key.clone());
        FilesError::NoPair { certificate, key, why: why.to_string() }
    }
}

fn contents(path: &Path) -> io::Result<Vec<u8>> {
    // A pipe would be waited for.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// How often the files are looked at. They are small, and a change is meant for now.
pub(super) const LOOK: Duration = Duration::from_secs(2);
const MOST_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use std::fs;

    fn made() -> (String, String) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["a".to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    #[test]
    fn a_new_pair_is_given_once_and_a_half_written_one_never() {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let mut files = Files::new(&cert, &key);
        let missing = files.read().unwrap_err().to_string();
        assert!(missing.starts_with("--tls-cert is ") && missing.contains("No such file"));
        assert!(files.read().unwrap().is_none(), "it is said once");

        let ((one, one_key), (two, two_key)) = (made(), made());
        fs::write(&cert, &one).unwrap();
        fs::write(&key, &one_key).unwrap();
        assert!(files.read().unwrap().is_some());
        assert!(files.read().unwrap().is_none());
        fs::write(&cert, &two).unwrap();
        let mismatch = files.read().unwrap_err().to_string();
        assert!(mismatch.ends_with("do not belong together"), "{mismatch}");
        assert!(files.read().unwrap().is_none());
        fs::write(&key, &two_key).unwrap();
        assert!(files.read().unwrap().is_some());
    }
}
