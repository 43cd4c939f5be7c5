//! Reads the command line of `cargo xtask e2e`.

use anyhow::{Result, bail};

/// What to try, and what to leave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// An image that the cluster can pull, or has.
    pub(crate) image: String,
    /// Leave everything in the cluster, to look at it.
    pub(crate) keep: bool,
}

impl Options {
    /// Reads flags and their values.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let image = concat!("podmeter/podmeter:", env!("CARGO_PKG_VERSION")).to_owned();
        let mut options = Self { image, keep: false };
        let mut arguments = arguments.iter();
        while let Some(flag) = arguments.next() {
            match (flag.as_str(), arguments.as_slice().first()) {
                ("--keep", _) => options.keep = true,
                ("--image", Some(image)) => {
                    options.image.clone_from(image);
                    arguments.next();
                }
                ("--image", None) => bail!("--image lacks its value"),
                _ => bail!("e2e has no {flag}"),
            }
        }
        Ok(options)
    }
}
