//! Delimited protobuf: what is read, what is written, and what breaks.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "../support/exposition_bodies.rs"]
mod bodies;
mod broken;
#[path = "../support/exposition_checker.rs"]
#[expect(clippy::float_cmp, reason = "readers compare numbers exactly")]
#[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN is not at least zero")]
mod checker;
mod conversions;
mod laws;
#[path = "../support/exposition_messages.rs"]
mod messages;
mod names;
mod parts;
mod reading;
mod reference;
#[path = "../support/skip.rs"]
mod skip;

use std::fmt::Write as _;

use podmeter::exposition::{
    Exposition, Family, Format, InputFormat, Merged, Source, merge, merge_for, parse, render,
};

fn read(body: &[u8]) -> Exposition<'_> {
    parse(body, InputFormat::Protobuf)
}

/// Every sample of what was read, as one line each.
fn lines(read: &Exposition<'_>) -> Vec<String> {
    read.families.iter().flat_map(|family| family_lines(family)).collect()
}

fn family_lines(family: &Family<'_>) -> Vec<String> {
    let mut all = Vec::new();
    for sample in family.samples() {
        let labels: Vec<_> =
            family.labels(sample).iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut line = format!(
            "{}{{{}}} {}",
            family.sample_name(sample),
            labels.join(","),
            sample.value().to_text()
        );
        if let Some(at) = sample.timestamp() {
            let _ = write!(line, " @{}", at.millis().unwrap());
        }
        if let Some(exemplar) = sample.exemplar() {
            let _ = write!(
                line,
                " # {:?} {} {:?}",
                exemplar.labels(),
                exemplar.value().to_text(),
                exemplar.timestamp()
            );
        }
        if let Some(native) = sample.native() {
            let _ = write!(
                line,
                " schema {} sum {} zero {}<={} {:?} {:?}",
                native.schema(),
                native.sum(),
                native.zero_count(),
                native.zero_threshold(),
                native.positive(),
                native.negative()
            );
        }
        all.push(line);
    }
    all
}

fn problems(read: &Exposition<'_>) -> Vec<String> {
    let told = read.problems.first().iter();
    told.map(|p| {
        let cost = if p.costs_sample { "!" } else { "" };
        format!("{}:{}:{}{cost}", p.line, p.column, p.reason.as_str())
    })
    .collect()
}

fn merged(body: &[u8]) -> Merged<'_> {
    merge(vec![], vec![Source::new("app", parse(body, InputFormat::Unknown))])
}

fn written(merged: &Merged<'_>, format: Format) -> Vec<u8> {
    let mut out = Vec::new();
    render(merged, format, &mut out);
    out
}

fn text(body: &[u8], format: Format) -> String {
    String::from_utf8(written(&merged(body), format)).unwrap()
}

fn protobuf(body: &[u8]) -> Vec<u8> {
    written(&merged(body), Format::PROTOBUF)
}

fn merged_for(format: Format, body: &[u8]) -> Merged<'_> {
    merge_for(format, vec![], vec![Source::new("app", parse(body, InputFormat::Unknown))])
}
