//! Reads what Envoy's statistics are to be called: `--envoy-cluster-name` and `--envoy-label`.

use super::error::{ConfigError, shown};
use super::template::Template;

/// How the families of Envoy name a port of the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvoyNames {
    /// The label `envoy_cluster_name` of what comes in.
    pub cluster: Template,
    /// Labels besides; their names are valid, and none is there twice or Envoy's own.
    pub labels: Vec<(String, Template)>,
}

impl EnvoyNames {
    pub(super) fn read<'a>(
        cluster: &str,
        labels: impl Iterator<Item = &'a str>,
    ) -> Result<Self, ConfigError> {
        let setting = "envoy-cluster-name";
        let cluster =
            Template::read(cluster).map_err(|expected| invalid(setting, cluster, expected))?;
        let mut read: Vec<(String, Template)> = Vec::new();
        for text in labels {
            let wrong = |expected: &str| invalid("envoy-label", text, expected.to_owned());
            let (name, template) = text.split_once('=').ok_or_else(|| wrong(SHAPE))?;
            if !is_label_name(name) {
                return Err(wrong(SHAPE));
            }
            if is_taken(name) || read.iter().any(|(other, _)| other == name) {
                return Err(wrong("a name that no label has yet"));
            }
            read.push((name.to_owned(), Template::read(template).map_err(|e| wrong(&e))?));
        }
        Ok(Self { cluster, labels: read })
    }
}

fn is_label_name(name: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| is_word(c) && !c.is_ascii_digit())
        && name.chars().all(is_word)
        && name.len() <= 100
}

/// Names that Envoy's labels, Prometheus' own or a histogram's bounds have.
fn is_taken(name: &str) -> bool {
    name.starts_with("__") || name.starts_with("envoy_") || name == "le"
}

fn invalid(setting: &'static str, text: &str, expected: String) -> ConfigError {
    ConfigError::Invalid { setting, value: shown(text), expected }
}

const SHAPE: &str = "NAME=TEMPLATE, such as service={service}_{namespace}_svc_{port}";
