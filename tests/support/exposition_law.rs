//! The laws that fuzzing tries on the exposition engine, each a function of bytes.

use std::collections::BTreeMap;

use podmeter::exposition::{
    Exposition, Finding, Format, InputFormat, Limits, Merged, Severity, Source, Timestamp, detect,
    lint, merge_for, parse, parse_with, render, scan_for,
};

use crate::checker;
use crate::simple::{self, Sample};

/// Text is read as the simple reader reads it, line by line.
pub(crate) fn text(bytes: &[u8]) -> Result<(), String> {
    // A body that ends so is OpenMetrics, and one that begins so is a page of HTML.
    if ends_with_eof(bytes) || bytes.trim_ascii_start().starts_with(b"<") {
        return Ok(());
    }
    same(bytes, InputFormat::Text, false)?;
    judged(bytes, InputFormat::Text)
}

/// OpenMetrics likewise; the bytes are given its end.
pub(crate) fn openmetrics(bytes: &[u8]) -> Result<(), String> {
    if bytes.trim_ascii_start().starts_with(b"<") {
        return Ok(());
    }
    let body = [bytes, b"\n# EOF\n"].concat();
    same(&body, InputFormat::OpenMetrics, true)?;
    judged(bytes, InputFormat::OpenMetrics)?;
    judged(&body, InputFormat::OpenMetrics)
}

/// Whatever the messages are, what is written of them is valid, and read again it is written again
/// the same.
pub(crate) fn protobuf(bytes: &[u8]) -> Result<(), String> {
    let limits = Limits { samples: 10_000, families: 1_000, ..Limits::default() };
    let _ = (detect(bytes), lint(bytes, InputFormat::Protobuf, 100));
    for (format, name) in FORMATS {
        let read = parse_with(bytes, InputFormat::Protobuf, &limits);
        let merged = merge_for(format, vec![], vec![Source::new("app", read)]);
        let once = written(&merged, format);
        valid(&once, format, name)?;
    }
    let read = parse_with(bytes, InputFormat::Protobuf, &limits);
    let again = |read| {
        let merged = merge_for(Format::PROTOBUF, vec![], vec![Source::new("app", read)]);
        let mut answer = Vec::new();
        render(&merged, Format::PROTOBUF, &mut answer);
        answer
    };
    let once = again(read);
    let twice = again(parse(&once, InputFormat::Protobuf));
    if once == twice { Ok(()) } else { Err("protobuf is not written again the same".into()) }
}

/// The first byte says how the rest falls into sources (at lines of `%`) and what they are called.
/// However they are read, the answer is valid, and the same by the fast way and by the careful one.
pub(crate) fn merged(bytes: &[u8]) -> Result<(), String> {
    let Some((flags, rest)) = bytes.split_first() else { return Ok(()) };
    let bodies: Vec<&[u8]> = rest.split(|b| *b == b'%').take(4).collect();
    let declared = match flags & 3 {
        0 => InputFormat::Unknown,
        1 => InputFormat::Text,
        _ => InputFormat::OpenMetrics,
    };
    let labelled = |at: usize| flags & (4 << at) != 0;
    let limits =
        Limits { line_bytes: 1000, samples: 1000, families: 100, problems: 5, ..Limits::default() };
    for (format, name) in FORMATS {
        let mut answers = Vec::new();
        for fast in [true, false] {
            let sources = bodies.iter().enumerate().map(|(at, body)| {
                let source = format!("s{at}");
                let source = if fast {
                    Source::new(source, scan_for(format, body, declared, &limits))
                } else {
                    Source::new(source, parse_with(body, declared, &limits))
                };
                if labelled(at) { source.labelled() } else { source }
            });
            let merged = merge_for(format, vec![], sources.collect());
            let outcomes = format!("{:?}", merged.outcomes());
            answers.push((written(&merged, format), outcomes, merged.samples()));
        }
        valid(&answers[0].0, format, name)?;
        if answers[0] != answers[1] {
            return Err(format!("fast {:?}\ncareful {:?}", answers[0], answers[1]));
        }
    }
    Ok(())
}

const FORMATS: [(Format, InputFormat); 2] =
    [(Format::TEXT, InputFormat::Text), (Format::OPENMETRICS, InputFormat::OpenMetrics)];

fn valid(answer: &str, format: Format, name: InputFormat) -> Result<(), String> {
    checker::check(answer, format).map_err(|why| format!("{why}\n{answer}"))?;
    let report = lint(answer.as_bytes(), name, 1000);
    let is_fault = |f: &Finding| f.severity == Severity::Error;
    if report.findings().iter().any(is_fault) {
        return Err(format!("{:?}\n{answer}", report.findings()));
    }
    Ok(())
}

/// What the linter calls valid costs no sample.
fn judged(bytes: &[u8], format: InputFormat) -> Result<(), String> {
    let report = lint(bytes, format, 5);
    let read = parse(bytes, format);
    if report.errors() == 0 && !read.problems.is_empty() {
        return Err(format!("valid, but {:?}", read.problems.first()));
    }
    Ok(())
}

fn same(bytes: &[u8], format: InputFormat, strict: bool) -> Result<(), String> {
    let read = parse(bytes, format);
    let dropped = read.problems.dropped().total();
    let mut ours = told(&read);
    let (mut theirs, bad) = simple::read(bytes, strict);
    for sample in ours.iter_mut().chain(&mut theirs) {
        bounds_as_numbers(&mut sample.labels);
    }
    // The parser gives samples by family.
    let order = |a: &Sample, b: &Sample| format!("{a:?}").cmp(&format!("{b:?}"));
    ours.sort_by(order);
    theirs.sort_by(order);
    if ours != theirs {
        let odd = ours.iter().zip(&theirs).find(|(a, b)| a != b);
        return Err(format!("{} and {}: {odd:?}", ours.len(), theirs.len()));
    }
    if dropped != bad {
        return Err(format!("{dropped} dropped, not {bad}: {:?}", read.problems.first()));
    }
    Ok(())
}

fn told(read: &Exposition<'_>) -> Vec<Sample> {
    let mut all = Vec::new();
    for family in &read.families {
        for sample in family.samples() {
            let time = sample.timestamp().map(|time| match time {
                Timestamp::Millis(millis) => (*millis as f64).to_bits(),
                Timestamp::Seconds(text) => bits(text),
            });
            all.push(Sample {
                name: family.sample_name(sample),
                labels: family.labels(sample).into_iter().collect(),
                value: sample.value().as_f64().to_bits(),
                time,
                exemplar: sample.exemplar().map(|exemplar| {
                    let labels = exemplar.labels().into_iter().collect();
                    (labels, exemplar.value().as_f64().to_bits(), exemplar.timestamp().map(bits))
                }),
            });
        }
    }
    all
}

fn bits(seconds: &str) -> u64 {
    seconds.parse::<f64>().unwrap_or(f64::NAN).to_bits()
}

/// The parser spells bounds that are infinite in one way.
fn bounds_as_numbers(labels: &mut BTreeMap<String, String>) {
    for name in ["le", "quantile"] {
        if let Some(value) = labels.get_mut(name)
            && let Ok(number) = value.parse::<f64>()
        {
            *value = number.to_string();
        }
    }
}

fn ends_with_eof(bytes: &[u8]) -> bool {
    let end = bytes.trim_ascii_end().strip_suffix(b"# EOF");
    end.is_some_and(|before| before.is_empty() || before.ends_with(b"\n"))
}

fn written(merged: &Merged<'_>, format: Format) -> String {
    let mut out = Vec::new();
    render(merged, format, &mut out);
    // What is not UTF-8 is then not valid either.
    String::from_utf8(out).unwrap_or_else(|error| format!("not UTF-8: {error}"))
}
