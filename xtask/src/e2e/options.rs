//! Reads the command line of `cargo xtask e2e`.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::workspace::root;

/// What to try, and what to leave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// An image that the cluster can pull, or has.
    pub(crate) image: String,
    /// The chart to install.
    pub(crate) chart: PathBuf,
    /// More values for the chart, as `helm --set` takes them.
    pub(crate) values: Vec<String>,
    /// Leave everything in the cluster, to look at it.
    pub(crate) keep: bool,
}

impl Options {
    /// Reads flags and their values.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let image = concat!("podmeter/podmeter:", env!("CARGO_PKG_VERSION")).to_owned();
        let chart = root().join("charts/podmeter");
        let mut options = Self { image, chart, values: Vec::new(), keep: false };
        let mut arguments = arguments.iter();
        while let Some(flag) = arguments.next() {
            match (flag.as_str(), arguments.as_slice().first()) {
                ("--keep", _) => options.keep = true,
                ("--image", Some(image)) => {
                    options.image.clone_from(image);
                    arguments.next();
                }
                ("--chart", Some(folder)) => {
                    options.chart = folder.into();
                    arguments.next();
                }
                ("--set", Some(value)) => {
                    options.values.push((*value).clone());
                    arguments.next();
                }
                (flag @ ("--image" | "--chart" | "--set"), None) => bail!("{flag} lacks its value"),
                _ => bail!("e2e has no {flag}"),
            }
        }
        Ok(options)
    }
}
