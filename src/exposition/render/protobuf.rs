//! How families stand in delimited protobuf: one `MetricFamily` for each, its length in front.

mod exact;
mod histogram;
mod metric;

use self::metric::{Shape, encode};
use super::lines::Suffixes;
use super::wire;
use crate::exposition::merge::{Merged, MergedFamily, Piece};
use crate::exposition::model::{Kind, Sample, Suffix};

/// A family as one message, or as several where one cannot hold it, and how far it is written.
#[derive(Debug)]
pub(super) struct Message {
    parts: Vec<Part>,
    part: usize,
    /// Whether the length and the head of the current part are written.
    begun: bool,
    piece: usize,
    /// The next sample, or where it begins in a block.
    sample: usize,
    scratch: Vec<u8>,
}

/// What becomes one `MetricFamily`.
#[derive(Debug)]
struct Part {
    name: String,
    shape: Shape,
    suffixes: Suffixes,
    with_unit: bool,
}

/// Messages up to this length are encoded once and kept; of longer ones the length is taken first.
const KEPT_BYTES: usize = 32 << 10;

impl Message {
    pub(super) fn new(family: &MergedFamily<'_>) -> Self {
        Self {
            parts: parts(family),
            part: 0,
            begun: false,
            piece: 0,
            sample: 0,
            scratch: Vec::new(),
        }
    }

    /// Writes until `out` is `full`, and tells whether the family is done.
    pub(super) fn advance(
        &mut self,
        merged: &Merged<'_>,
        family: &MergedFamily<'_>,
        full: usize,
        out: &mut Vec<u8>,
    ) -> bool {
        while let Some(part) = self.parts.get(self.part) {
            if !self.begun {
                self.begun = !part.begin(merged, family, &mut self.scratch, out);
            }
            if self.begun {
                while let Some(piece) = family.pieces.get(self.piece) {
                    while let Some((samples, end)) =
                        part.shape.group(family.kind, piece, self.sample)
                    {
                        if out.len() >= full {
                            return false;
                        }
                        part.metric(merged, piece, &samples, out);
                        self.sample = end;
                    }
                    (self.piece, self.sample) = (self.piece + 1, 0);
                }
            }
            (self.part, self.piece, self.sample) = (self.part + 1, 0, 0);
            self.begun = false;
        }
        true
    }
}

impl Part {
    /// Writes the length and the head, and the metrics if they are few; tells whether they were.
    fn begin(
        &self,
        merged: &Merged<'_>,
        family: &MergedFamily<'_>,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> bool {
        let mut head = Vec::new();
        wire::string(1, &self.name, &mut head);
        if let Some(help) = family.help.as_deref() {
            wire::string(2, help, &mut head);
        }
        wire::uint(3, self.shape.number(), &mut head);
        let mut tail = Vec::new();
        if let Some(unit) = family.unit.as_deref()
            && self.with_unit
        {
            wire::string(5, unit, &mut tail);
        }
        head.append(&mut tail);
        let mut length = head.len() as u64;
        let mut is_kept = true;
        scratch.clear();
        for piece in &family.pieces {
            let mut at = 0;
            while let Some((samples, end)) = self.shape.group(family.kind, piece, at) {
                let before = scratch.len();
                self.metric(merged, piece, &samples, scratch);
                length += (scratch.len() - before) as u64;
                if scratch.len() > KEPT_BYTES {
                    is_kept = false;
                }
                if !is_kept {
                    scratch.clear();
                }
                at = end;
            }
        }
        wire::varint(length, out);
        out.append(&mut head);
        if is_kept {
            out.append(scratch);
        }
        is_kept
    }

    fn metric(
        &self,
        merged: &Merged<'_>,
        piece: &Piece<'_>,
        samples: &[Sample<'_>],
        out: &mut Vec<u8>,
    ) {
        let source = merged.labels[piece.source].as_deref();
        encode(self.shape, self.suffixes, samples, &piece.bounds, source, out);
    }
}

fn parts(family: &MergedFamily<'_>) -> Vec<Part> {
    let shape = Shape::of(family);
    let with_unit = family.unit.as_deref().is_some_and(|unit| {
        let ending = if family.kind == Kind::Counter { "_total" } else { "" };
        let name = family.name.strip_suffix(ending).unwrap_or(&family.name);
        name.strip_suffix(unit).is_some_and(|name| name.ends_with('_'))
    });
    let mut parts = Vec::with_capacity(1);
    if let Some(shape) = shape
        && family.has_other_than(Suffix::Created)
    {
        let suffixes = Suffixes::all_but(Suffix::Created);
        let suffixes = if shape.has_created() { Suffixes::all() } else { suffixes };
        parts.push(Part { name: family.name.to_string(), shape, suffixes, with_unit });
    }
    for suffix in Suffix::ALL {
        let beside = match shape {
            Some(shape) => suffix == Suffix::Created && !shape.has_created(),
            None => true,
        };
        if beside && family.has(suffix) {
            let is_gauge = suffix == Suffix::Created || family.kind == Kind::GaugeHistogram;
            parts.push(Part {
                name: family.sample_name(suffix),
                shape: if is_gauge { Shape::Gauge } else { Shape::Untyped },
                suffixes: Suffixes::only(suffix),
                with_unit: false,
            });
        }
    }
    parts
}
