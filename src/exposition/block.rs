//! The samples of a family as the text they stand in: read, judged, and found to be what would be
//! written, so that they need only be copied.
//!
//! Most families of most apps are such blocks, which is where the speed comes from. A block is never
//! the only way: [`Block::samples_from`] reads it again, one sample after another, for everything that
//! wants to look at samples.

use std::borrow::Cow;
use std::io::Write as _;

use memchr::{memchr, memrchr};

use super::model::{Kind, Sample, Suffix, Timestamp};
use super::parse::{Dialect, reread};

/// Whole lines that hold all samples of one family, each series once, in legal order.
///
/// But for a comma behind the last label, each line is byte for byte as it would be written.
#[derive(Debug, Clone)]
pub(crate) struct Block<'a> {
    /// Each line with its end.
    pub(super) text: &'a str,
    /// How long the names of the samples are, by suffix; 0 where there are none. No two names of
    /// one family are of the same length.
    pub(super) lengths: [u16; Suffix::ALL.len()],
    /// The kind by which it was judged.
    pub(super) kind: Kind,
    pub(super) samples: usize,
    pub(super) dialect: Dialect,
    /// Whether samples have a time. All have, or none; from 1970 on.
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

    /// Whether there are samples with this suffix.
    pub(crate) fn has(&self, suffix: Suffix) -> bool {
        self.lengths[suffix as usize] > 0
    }

    /// Whether samples are called by these names, each in two parts.
    pub(crate) fn is_called<'n>(&self, name: impl Fn(Suffix) -> [&'n str; 2]) -> bool {
        Suffix::ALL.into_iter().all(|suffix| {
            let [stem, ending] = name(suffix);
            let length = usize::from(self.lengths[suffix as usize]);
            length == 0 || length == stem.len() + ending.len() && self.text.starts_with(stem)
        })
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
            let length = line.bytes().position(|b| matches!(b, b'{' | b' '))?;
            let called = |suffix: &Suffix| usize::from(self.lengths[*suffix as usize]) == length;
            let suffix = Suffix::ALL.into_iter().find(called)?;
            let read = reread(line, suffix, self.kind, self.dialect);
            debug_assert!(read.is_some(), "{line} was read once");
            Some((lines.at, read?))
        })
    }

    /// Whether the lines can be copied to where exemplars are shown or not.
    pub(crate) fn is_copied(&self, exemplars: bool, seconds: bool) -> bool {
        match self.within {
            Within::Nothing | Within::Commas => true,
            Within::Exemplars => exemplars && self.has_times_in(seconds),
            Within::Both => false,
        }
    }

    /// Whether times, where there are any, are written as they stand.
    fn has_times_in(&self, seconds: bool) -> bool {
        !self.timed || self.dialect.openmetrics == seconds
    }

    /// Whether [`Block::copy`] can add a label to the lines.
    pub(crate) fn takes_label(&self, label: &str) -> bool {
        let name = label.split_inclusive('"').next().unwrap_or(label);
        matches!(self.within, Within::Nothing | Within::Commas)
            && memchr::memmem::find(self.text.as_bytes(), name.as_bytes()).is_none()
    }

    /// Appends lines from the one that begins at `from` on until `out` is `full`, each with the
    /// label, where one is given, and with times in seconds or in milliseconds. Gives the end of
    /// the last one.
    pub(crate) fn copy(
        &self,
        from: usize,
        label: Option<&str>,
        seconds: bool,
        full: usize,
        out: &mut Vec<u8>,
    ) -> usize {
        let same_times = self.has_times_in(seconds);
        if label.is_none()
            && same_times
            && matches!(self.within, Within::Nothing | Within::Exemplars)
        {
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
            // Behind the labels of such lines there are only numbers.
            let line = line.as_bytes();
            let time = if same_times { None } else { memrchr(b' ', line) };
            let (line, time) = line.split_at(time.unwrap_or(line.len()));
            copy_line(line, label, out);
            match time {
                [] => {}
                [_, time @ ..] if seconds => push_seconds(time, out),
                [_, time @ ..] => push_millis(time, out),
            }
            out.push(b'\n');
        }
        lines.at
    }
}

/// Copies a line without the comma behind its last label.
fn copy_line(line: &[u8], label: Option<&str>, out: &mut Vec<u8>) {
    let label = label.unwrap_or("").as_bytes();
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
}

/// Appends a blank and whole milliseconds since 1970 as seconds.
fn push_seconds(millis: &[u8], out: &mut Vec<u8>) {
    out.push(b' ');
    let (whole, rest) = millis.split_at(millis.len().saturating_sub(3));
    out.extend_from_slice(if whole.is_empty() { b"0" } else { whole });
    if rest.iter().any(|digit| *digit != b'0') {
        out.push(b'.');
        out.extend_from_slice(&b"000"[rest.len()..]);
        out.extend_from_slice(rest);
    }
}

/// Appends a blank and seconds as whole milliseconds.
fn push_millis(seconds: &[u8], out: &mut Vec<u8>) {
    let text = std::str::from_utf8(seconds).unwrap_or_default();
    let millis = Timestamp::Seconds(Cow::Borrowed(text)).millis().unwrap_or_default();
    let _ = write!(out, " {millis}");
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
