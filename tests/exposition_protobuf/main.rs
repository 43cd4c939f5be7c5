//! Delimited protobuf: what is read, what is written, and what breaks.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod broken;
mod conversions;
#[path = "../support/exposition_messages.rs"]
#[expect(clippy::cast_possible_truncation, reason = "bytes of integers")]
#[expect(clippy::float_cmp, reason = "types are small integers")]
mod messages;
mod names;
mod parts;
mod reading;
mod reference;
#[path = "../support/skip.rs"]
mod skip;

use podmeter::exposition::{
    Escaping, Exposition, Family, Format, InputFormat, Merged, Source, merge, merge_for, parse,
    render,
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
            line += &format!(" @{}", at.millis().unwrap());
        }
        if let Some(exemplar) = sample.exemplar() {
            line += &format!(
                " # {:?} {} {:?}",
                exemplar.labels(),
                exemplar.value().to_text(),
                exemplar.timestamp()
            );
        }
        if let Some(native) = sample.native() {
            line += &format!(
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

fn merged_for(escaping: Escaping, body: &[u8]) -> Merged<'_> {
    merge_for(escaping, vec![], vec![Source::new("app", parse(body, InputFormat::Unknown))])
}
