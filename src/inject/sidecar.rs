//! What is added to pods.

use super::Refusal;

/// What holds for every pod that says nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sidecar {
    settings: Vec<(String, String)>,
}

impl Sidecar {
    /// Reads settings: pairs of a name, as in an annotation behind `podmeter.io/`, and a value.
    pub fn new(settings: impl IntoIterator<Item = (String, String)>) -> Result<Self, Refusal> {
        Ok(Self { settings: settings.into_iter().collect() })
    }
}
