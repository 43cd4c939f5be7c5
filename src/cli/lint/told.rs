//! Writes findings, for people and for programs.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::super::source::{Given, ReadError};
use super::excerpt::excerpt;
use super::{Look, Tell};
use crate::exposition::{InputFormat, Report, Severity};

/// One line for each finding.
pub(super) struct Text {
    look: Look,
    named: bool,
    summary: bool,
}

impl Text {
    /// `named` puts the source's name before each line; `summary` says something about what is
    /// valid, too.
    pub(super) fn new(look: Look, named: bool, summary: bool) -> Self {
        Self { look, named, summary }
    }

    fn paint(&self, color: &str, text: &str) -> String {
        if self.look.color { format!("\x1b[{color}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

impl Tell for Text {
    fn judged(
        &mut self,
        given: &Given,
        body: &[u8],
        report: &Report,
        valid: bool,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let name = if self.named { format!("{}:", given.shown) } else { String::new() };
        let mut lines = Lines::of(body);
        for finding in report.findings() {
            let place = self.paint(BOLD, &format!("{name}{}:{}:", finding.line, finding.column));
            // The names in it are the source's, which may say anything.
            let sentence = super::super::source::one_line(&finding.sentence());
            match finding.severity {
                Severity::Error if self.look.color => {
                    writeln!(out, "{place} {} {sentence}", self.paint(RED, "error:"))?;
                }
                Severity::Error => writeln!(out, "{place} {sentence}")?,
                Severity::Warning => {
                    writeln!(out, "{place} {} {sentence}", self.paint(YELLOW, "warning:"))?;
                }
            }
            if self.look.caret
                && report.format != InputFormat::Protobuf
                && let Some(line) = lines.get(finding.line)
            {
                let (shown, caret) = excerpt(line, finding.column);
                let number = format!("{:>5} | ", finding.line);
                writeln!(out, "{}{shown}", self.paint(DIM, &number))?;
                let caret = format!("{}^", " ".repeat(caret));
                writeln!(out, "{}{}", self.paint(DIM, "      | "), self.paint(GREEN, &caret))?;
            }
        }
        let told = report.findings().len() as u64;
        let all = report.errors() + report.warnings();
        if told < all {
            writeln!(out, "{name} and {} more", all - told)?;
        }
        if self.summary {
            let word =
                if valid { self.paint(GREEN, "valid") } else { self.paint(RED, "not valid") };
            writeln!(
                out,
                "{}: {word} as {}, {}, {}, {}, {}",
                given.shown,
                format_name(report.format),
                counted(report.families, "family", "families"),
                counted(report.samples, "sample", "samples"),
                counted(report.errors(), "error", "errors"),
                counted(report.warnings(), "warning", "warnings"),
            )?;
        }
        Ok(())
    }

    fn unread(&mut self, _: &Given, error: &ReadError, out: &mut dyn Write) -> io::Result<()> {
        // What was found so far comes first, also where both go to one terminal.
        out.flush()?;
        let _ = writeln!(io::stderr(), "podmeter: {error}");
        Ok(())
    }

    fn end(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// One array of all sources.
#[derive(Default)]
pub(super) struct Json(Vec<Value>);

impl Tell for Json {
    fn judged(
        &mut self,
        given: &Given,
        _: &[u8],
        report: &Report,
        valid: bool,
        _: &mut dyn Write,
    ) -> io::Result<()> {
        let findings: Vec<_> = report
            .findings()
            .iter()
            .map(|finding| {
                json!({
                    "line": finding.line,
                    "column": finding.column,
                    "severity": finding.severity.as_str(),
                    "rule": finding.rule.code(),
                    "about": finding.about,
                    "message": finding.sentence(),
                })
            })
            .collect();
        self.0.push(json!({
            "source": given.shown,
            "valid": valid,
            "format": format_name(report.format),
            "families": report.families,
            "samples": report.samples,
            "errors": report.errors(),
            "warnings": report.warnings(),
            "findings": findings,
        }));
        Ok(())
    }

    fn unread(&mut self, given: &Given, error: &ReadError, _: &mut dyn Write) -> io::Result<()> {
        self.0.push(json!({ "source": given.shown, "valid": null, "error": error.to_string() }));
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, &self.0)?;
        writeln!(out)
    }
}

/// The lines of a body, found in one walk because findings come in their order.
struct Lines<'b> {
    rest: &'b [u8],
    number: usize,
    line: &'b [u8],
}

impl<'b> Lines<'b> {
    fn of(body: &'b [u8]) -> Self {
        Self { rest: body, number: 0, line: b"" }
    }

    fn get(&mut self, number: usize) -> Option<&'b [u8]> {
        while self.number < number {
            if self.rest.is_empty() {
                return None;
            }
            let end = memchr::memchr(b'\n', self.rest).unwrap_or(self.rest.len());
            self.line = &self.rest[..end];
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            self.number += 1;
        }
        Some(self.line)
    }
}

fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn format_name(format: InputFormat) -> &'static str {
    match format {
        InputFormat::OpenMetrics => "openmetrics",
        InputFormat::Protobuf => "protobuf",
        _ => "text",
    }
}

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "1;31";
const GREEN: &str = "1;32";
const YELLOW: &str = "1;33";
