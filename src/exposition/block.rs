//! The samples of a family as the text they stand in: read, judged, and found to be what would be
//! written, so that they need only be copied.
//!
//! Most families of most apps are such blocks, which is where the speed comes from. A block is never
//! the only way: [`Block::samples_from`] reads it again, one sample after another, for everything that
//! wants to look at samples.

use memchr::{memchr, memrchr};

use super::model::{Kind, Sample, Suffix};
use super::parse::{Dialect, reread};

/// Whole lines that hold all samples of one family, each series once, in legal order.
///
/// But for a comma behind the last label, each line is byte for byte as it would be written.
#[derive(Debug, Clone)]
pub(crate) struct Block<'a> {
    /// Each line with its end.
    pub(super) text: &'a str,
    /// The names of the samples, by suffix.
    pub(super) names: [Option<&'a str>; Suffix::ALL.len()],
    /// The kind by which it was judged.
    pub(super) kind: Kind,
    pub(super) samples: usize,
    pub(super) dialect: Dialect,
    /// Whether samples have a time. All have, or none.
    pub(super) timed: bool,
    /// What must be looked at within the lines.
    pub(super) within: Within,
    /// Whether strict readers of OpenMetrics take all of it.
    pub(super) strict: bool,
}

/// What the lines of a block have that is not copied everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    Nothing,
    /// Some have a comma behind the last label, and none has an exemplar.
    Commas,
    /// Some have an exemplar, and none a comma.
    Exemplars,
    /// Some have this, some that.
    Both,
}

impl<'a> Block<'a> {
    /// How many samples there are.
    pub(crate) fn len(&self) -> usize {
        self.samples
    }

    /// What samples with this suffix are called, where there are some.
    pub(crate) fn name(&self, suffix: Suffix) -> Option<&'a str> {
        self.names[suffix as usize]
    }

    pub(crate) fn to_samples(&self) -> Vec<Sample<'a>> {
        let mut samples = Vec::with_capacity(self.samples);
        samples.extend(self.samples_from(0).map(|(_, sample)| sample));
        samples
    }

    /// The samples from a line that begins at `from` on, as the reader of single lines reads them,
    /// each with the end of its line.
    pub(crate) fn samples_from(&self, from: usize) -> impl Iterator<Item = (usize, Sample<'a>)> {
        let mut lines = Lines { text: self.text, at: from };
        std::iter::from_fn(move || {
            let line = lines.next()?;
            let suffix = suffix_of(line, &self.names)?;
            let read = reread(line, suffix, self.kind, self.dialect);
            debug_assert!(read.is_some(), "{line} was read once");
            Some((lines.at, read?))
        })
    }

    /// Whether the lines can be copied where times are told in `seconds` or not, and exemplars or
    /// not.
    pub(crate) fn is_copied(&self, seconds: bool, exemplars: bool) -> bool {
        (!self.timed || self.dialect.openmetrics == seconds)
            && match self.within {
                Within::Nothing | Within::Commas => true,
                Within::Exemplars => exemplars,
                Within::Both => false,
            }
    }

    /// Whether [`Block::copy`] can add a label to the lines.
    pub(crate) fn takes_label(&self, label: &str) -> bool {
        let name = label.split_inclusive('"').next().unwrap_or(label);
        matches!(self.within, Within::Nothing | Within::Commas)
            && memchr::memmem::find(self.text.as_bytes(), name.as_bytes()).is_none()
    }

    /// Appends lines from the one that begins at `from` on until `out` is `full`, each with the
    /// label, where one is given. Gives the end of the last one.
    pub(crate) fn copy(
        &self,
        from: usize,
        label: Option<&str>,
        full: usize,
        out: &mut Vec<u8>,
    ) -> usize {
        if label.is_none() && matches!(self.within, Within::Nothing | Within::Exemplars) {
            let rest = &self.text.as_bytes()[from..];
            let room = full.saturating_sub(out.len());
            let end = if rest.len() <= room {
                rest.len()
            } else {
                // To the end of the line that is one too many, so that there is one at least.
                memchr(b'\n', &rest[room..]).map_or(rest.len(), |end| room + end + 1)
            };
            out.extend_from_slice(&rest[..end]);
            return from + end;
        }
        let mut lines = Lines { text: self.text, at: from };
        while out.len() < full
            && let Some(line) = lines.next()
        {
            copy_line(line.as_bytes(), label, out);
        }
        lines.at
    }
}

/// Copies a line without exemplar, without the comma behind its last label.
fn copy_line(line: &[u8], label: Option<&str>, out: &mut Vec<u8>) {
    let label = label.unwrap_or("").as_bytes();
    // Behind the labels there are only numbers.
    if let Some(brace) = memrchr(b'}', line) {
        let comma = line[..brace].last() == Some(&b',');
        out.extend_from_slice(&line[..brace - usize::from(comma)]);
        if !label.is_empty() {
            out.push(b',');
            out.extend_from_slice(label);
        }
        out.extend_from_slice(&line[brace..]);
    } else {
        let name = memchr(b' ', line).unwrap_or(line.len());
        out.extend_from_slice(&line[..name]);
        if !label.is_empty() {
            out.push(b'{');
            out.extend_from_slice(label);
            out.push(b'}');
        }
        out.extend_from_slice(&line[name..]);
    }
    out.push(b'\n');
}

fn suffix_of(line: &str, names: &[Option<&str>; Suffix::ALL.len()]) -> Option<Suffix> {
    let end = line.bytes().position(|b| matches!(b, b'{' | b' '))?;
    Suffix::ALL.into_iter().find(|suffix| names[*suffix as usize] == Some(&line[..end]))
}

/// Lines without their ends.
struct Lines<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a str;

    #[inline]
    fn next(&mut self) -> Option<&'a str> {
        let rest = &self.text.as_bytes()[self.at..];
        let start = self.at;
        self.at += memchr(b'\n', rest)? + 1;
        Some(&self.text[start..self.at - 1])
    }
}
