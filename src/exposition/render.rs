//! Writes a merged exposition in one of the formats, in parts of a bounded size.

mod lines;
mod openmetrics;
mod protobuf;
mod text;
mod wire;

use self::lines::{Names, Section};
use self::openmetrics::Claims;
use self::protobuf::Message;
use super::format::{Format, Syntax};
use super::merge::{Merged, MergedFamily};
use super::model::Kind;

/// Appends the exposition to `out`.
///
/// The body is valid in its format for the strictest of Prometheus's own parser, Go's `expfmt` and
/// Python's `prometheus_client`, and belongs with [`Format::content_type`].
pub fn render(merged: &Merged<'_>, format: Format, out: &mut Vec<u8>) {
    let mut rendering = Rendering::new(format);
    while rendering.advance(merged, out) {}
}

/// How much one part should hold: enough to be worth a chunk, little enough to keep.
const PART_BYTES: usize = 64 << 10;

/// How far an exposition has been written, so that a large one can be written in parts.
#[derive(Debug)]
pub struct Rendering {
    format: Format,
    /// The family that comes next.
    family: usize,
    /// What is still to be written of the one before it.
    rest: Rest,
    claims: Option<Claims>,
    ended: bool,
}

#[derive(Debug)]
enum Rest {
    Nothing,
    Lines(Lines),
    Message(Message),
}

/// The sections of one family, and how far they are written.
#[derive(Debug)]
struct Lines {
    sections: Vec<Section>,
    /// Once they are needed; what is copied has them already.
    names: Option<Names>,
    section: usize,
    /// Whether the head of the section is written.
    begun: bool,
    piece: usize,
    /// The next sample, or where it begins in a block.
    sample: usize,
}

impl Rendering {
    /// At the beginning.
    pub fn new(format: Format) -> Self {
        Self { format, family: 0, rest: Rest::Nothing, claims: None, ended: false }
    }

    /// Appends the next part to `out`, about 64 KiB or less however large a family is, and tells
    /// whether there may be more. Always to be called with the same exposition.
    pub fn advance(&mut self, merged: &Merged<'_>, out: &mut Vec<u8>) -> bool {
        let full = out.len() + PART_BYTES;
        while out.len() < full {
            let current = self.family.checked_sub(1).and_then(|at| merged.families.get(at));
            let done = match (&mut self.rest, current) {
                (Rest::Nothing, _) | (_, None) => true,
                (Rest::Lines(lines), Some(family)) => {
                    lines.advance(merged, family, self.format.syntax(), full, out)
                }
                (Rest::Message(message), Some(family)) => {
                    message.advance(merged, family, full, out)
                }
            };
            if !done {
                return true;
            }
            let Some(family) = merged.families.get(self.family) else {
                if self.format.syntax() == Syntax::OpenMetrics && !self.ended {
                    out.extend_from_slice(b"# EOF\n");
                }
                self.rest = Rest::Nothing;
                self.ended = true;
                return false;
            };
            self.family += 1;
            self.rest = self.begin(merged, family);
        }
        true
    }

    fn begin(&mut self, merged: &Merged<'_>, family: &MergedFamily<'_>) -> Rest {
        let sections = match self.format.syntax() {
            Syntax::Text | Syntax::QuotedText => text::sections(family),
            Syntax::OpenMetrics => {
                let claims = self.claims.get_or_insert_with(|| Claims::new(merged));
                openmetrics::sections(family, claims)
            }
            Syntax::Protobuf => return Rest::Message(Message::new(family)),
        };
        Rest::Lines(Lines { sections, names: None, section: 0, begun: false, piece: 0, sample: 0 })
    }
}

impl Lines {
    /// Writes until `out` is `full`, and tells whether the family is done.
    fn advance(
        &mut self,
        merged: &Merged<'_>,
        family: &MergedFamily<'_>,
        syntax: Syntax,
        full: usize,
        out: &mut Vec<u8>,
    ) -> bool {
        while let Some(section) = self.sections.get(self.section) {
            if !std::mem::replace(&mut self.begun, true) {
                section.write_head(family, syntax, out);
            }
            while let Some(piece) = family.pieces.get(self.piece) {
                let source = merged.labels[piece.source].as_deref();
                if let Some(block) = &piece.block
                    && section.copies(block, syntax)
                {
                    let seconds = syntax == Syntax::OpenMetrics;
                    self.sample = block.copy(self.sample, source, seconds, full, out);
                    if self.sample < block.text.len() {
                        return false;
                    }
                    (self.piece, self.sample) = (self.piece + 1, 0);
                    continue;
                }
                let names = self.names.get_or_insert_with(|| Names::new(family));
                let is_gauge = family.kind == Kind::GaugeHistogram;
                let writer = lines::Writer { section, names, source, is_gauge, syntax };
                if let Some(block) = &piece.block {
                    self.sample = writer.block(block, self.sample, full, out);
                    if self.sample < block.text.len() {
                        return false;
                    }
                }
                for sample in piece.samples.iter().skip(self.sample) {
                    if out.len() >= full {
                        return false;
                    }
                    self.sample += 1;
                    writer.sample(sample, &piece.bounds, out);
                }
                (self.piece, self.sample) = (self.piece + 1, 0);
            }
            (self.section, self.piece, self.sample) = (self.section + 1, 0, 0);
            self.begun = false;
        }
        true
    }
}
