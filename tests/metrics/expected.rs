//! Samples as they should be.

use std::collections::BTreeMap;

/// A sample's name and labels.
pub(crate) type Series = (String, BTreeMap<String, String>);

/// What its value may be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Range {
    least: f64,
    most: f64,
}

/// All samples that there should be.
#[derive(Debug, Default)]
pub(crate) struct Expected(pub(crate) BTreeMap<Series, Range>);

/// Labels by name.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// The bounds of a histogram, and whether its values are known to the last bit or only that they are
/// no more than this.
#[derive(Clone, Copy)]
pub(crate) enum Bounds {
    Exact(&'static [&'static str]),
    AtMost(&'static [&'static str]),
}

impl Range {
    pub(crate) fn contains(self, value: f64) -> bool {
        // Sums are written with as many digits as they need, but added up in another order here.
        let slack = 1e-9 * self.most.abs();
        (self.least - slack..=self.most + slack).contains(&value)
    }
}

impl Expected {
    /// So much more of a series; 0 sees to it that it is there.
    pub(crate) fn add(&mut self, name: &str, labels: &Labels, more: u64) {
        self.within(name, labels, more as f64, more as f64);
    }

    /// Values of a histogram, of which there may be none yet.
    pub(crate) fn histogram(
        &mut self,
        name: &str,
        labels: &Labels,
        bounds: Bounds,
        values: &[f64],
    ) {
        let (texts, is_exact) = match bounds {
            Bounds::Exact(texts) => (texts, true),
            Bounds::AtMost(texts) => (texts, false),
        };
        let all = values.len() as f64;
        for le in texts.iter().chain(&["+Inf"]) {
            let bound: f64 = le.parse().unwrap();
            let least = values.iter().filter(|value| **value <= bound).count() as f64;
            let most = if is_exact { least } else { all };
            let mut labels = labels.clone();
            labels.push(("le", (*le).to_owned()));
            self.within(&format!("{name}_bucket"), &labels, least, most);
        }
        let sum: f64 = values.iter().sum();
        self.within(&format!("{name}_sum"), labels, if is_exact { sum } else { 0.0 }, sum);
        self.within(&format!("{name}_count"), labels, all, all);
    }

    fn within(&mut self, name: &str, labels: &Labels, least: f64, most: f64) {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let range = self.0.entry((name.to_owned(), labels.collect())).or_default();
        range.least += least;
        range.most += most;
    }
}
