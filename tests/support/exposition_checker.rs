//! A second opinion on expositions: slow, simple, and written from the formats' descriptions and
//! the strict Python parser rather than from the parser under test.

use std::collections::{BTreeMap, HashSet};

use podmeter::exposition::Format;

/// Says what is wrong with an answer, if anything is.
pub(crate) fn check(text: &str, format: Format) -> Result<Vec<Line>, String> {
    let openmetrics = format == Format::OPENMETRICS;
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("no newline at the end".into());
    }
    let mut lines: Vec<&str> = text.split('\n').collect();
    lines.pop();
    if openmetrics && lines.pop() != Some("# EOF") {
        return Err("no # EOF at the end".into());
    }
    let mut families: Vec<Family> = Vec::new();
    let mut samples = Vec::new();
    for line in lines {
        if let Some(comment) = line.strip_prefix("# ") {
            let (keyword, rest) = comment.split_once(' ').ok_or("a bare comment")?;
            let (name, rest) = rest.split_once(' ').ok_or("metadata without text")?;
            if families.last().is_none_or(|family| family.name != name) {
                families.push(Family { name: name.into(), ..Family::default() });
            }
            let family = families.last_mut().unwrap();
            if !family.samples.is_empty() || !family.said.insert(keyword.to_owned()) {
                return Err(format!("{keyword} of {name} late or twice"));
            }
            match keyword {
                "HELP" => {}
                "TYPE" => family.kind = rest.into(),
                "UNIT" if openmetrics && name.ends_with(&format!("_{rest}")) => {}
                _ => return Err(format!("unexpected {line:?}")),
            }
        } else {
            let sample = sample(line, openmetrics).map_err(|why| format!("{why}: {line:?}"))?;
            let family = families.last_mut().ok_or("a sample without a family")?;
            if !owns(family, &sample.name, openmetrics) {
                return Err(format!("{} stands in {}", sample.name, family.name));
            }
            samples.push(sample.clone());
            family.samples.push(sample);
        }
    }
    check_names(&families, openmetrics)?;
    let mut series = HashSet::new();
    for family in &families {
        if !family.said.contains("TYPE") {
            return Err(format!("{} has no TYPE", family.name));
        }
        for sample in &family.samples {
            if !series.insert((&sample.name, present(&sample.labels), &sample.timestamp)) {
                return Err(format!("{} twice", sample.name));
            }
        }
        if matches!(&*family.kind, "histogram" | "gaugehistogram") {
            check_histogram(family, openmetrics)?;
        }
        if openmetrics {
            check_openmetrics(family)?;
        }
    }
    Ok(samples)
}

/// One sample as it was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
    pub(crate) timestamp: Option<String>,
    pub(crate) exemplar: Option<BTreeMap<String, String>>,
}

#[derive(Default)]
struct Family {
    name: String,
    kind: String,
    said: HashSet<String>,
    samples: Vec<Line>,
}

fn suffixes(kind: &str, openmetrics: bool) -> &'static [&'static str] {
    match (kind, openmetrics) {
        ("counter", true) => &["_total", "_created"],
        ("summary", true) => &["", "_count", "_sum", "_created"],
        ("histogram", true) => &["_count", "_sum", "_bucket", "_created"],
        ("gaugehistogram", true) => &["_gcount", "_gsum", "_bucket"],
        ("info", true) => &["_info"],
        ("summary", false) => &["", "_count", "_sum"],
        ("histogram", false) => &["_count", "_sum", "_bucket"],
        ("gauge" | "unknown" | "stateset", true) | ("counter" | "gauge" | "untyped", false) => {
            &[""]
        }
        _ => &[],
    }
}

fn owns(family: &Family, sample: &str, openmetrics: bool) -> bool {
    suffixes(&family.kind, openmetrics).iter().any(|s| format!("{}{s}", family.name) == sample)
}

fn check_names(families: &[Family], openmetrics: bool) -> Result<(), String> {
    let mut names = HashSet::new();
    for family in families {
        let mut all: HashSet<String> = suffixes(&family.kind, openmetrics)
            .iter()
            .map(|suffix| format!("{}{suffix}", family.name))
            .collect();
        all.insert(family.name.clone());
        for name in all {
            if !is_name(&name, true) || !names.insert(name.clone()) {
                return Err(format!("{name} is no name or two families' name"));
            }
        }
    }
    Ok(())
}

fn present(labels: &BTreeMap<String, String>) -> Vec<(&String, &String)> {
    labels.iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// Buckets as bound and count, and counts.
type Group = (Vec<(f64, f64)>, Vec<f64>);

fn check_histogram(family: &Family, openmetrics: bool) -> Result<(), String> {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for sample in &family.samples {
        let mut labels = sample.labels.clone();
        let suffix = sample.name.strip_prefix(&family.name).unwrap();
        if suffix == "_created" {
            continue;
        }
        let le = if suffix == "_bucket" { labels.remove("le") } else { None };
        let group =
            groups.entry(format!("{:?} {:?}", present(&labels), sample.timestamp)).or_default();
        if suffix == "_bucket" {
            let text = le.ok_or("a bucket without le")?;
            let le: f64 = text.parse().map_err(|_| "le is no number")?;
            if le.is_infinite() && text.bytes().any(|b| b.is_ascii_digit()) {
                return Err(format!("le {text} is out of range"));
            }
            group.0.push((le, sample.value));
        } else if suffix.ends_with("count") {
            group.1.push(sample.value);
        }
    }
    for (group, (buckets, counts)) in groups {
        let ascending = buckets.windows(2).all(|b| b[0].0 < b[1].0 && b[0].1 <= b[1].1);
        let last = buckets.last().copied().unwrap_or((0.0, 0.0));
        if !ascending || last.0 != f64::INFINITY || counts.iter().any(|n| *n != last.1) {
            return Err(format!("{} {group} does not add up", family.name));
        }
        if openmetrics && buckets.iter().any(|(_, n)| n.fract() != 0.0) {
            return Err(format!("{} {group} has parts of observations", family.name));
        }
    }
    Ok(())
}

fn check_openmetrics(family: &Family) -> Result<(), String> {
    let mut seen = HashSet::new();
    let mut last: Option<(String, bool)> = None;
    // The bounds of the group at hand: Python's client skips what it has met at an earlier time,
    // unless it is the first of its own.
    let mut met = HashSet::new();
    let mut time: Option<&String> = None;
    for sample in &family.samples {
        let suffix = &sample.name[family.name.len()..];
        let kind = &*family.kind;
        let mut labels = sample.labels.clone();
        let aside = match (kind, suffix) {
            ("histogram" | "gaugehistogram", "_bucket") => Some("le".to_owned()),
            ("summary", "") => Some("quantile".to_owned()),
            ("stateset", _) => Some(family.name.clone()),
            _ => None,
        };
        if let Some(aside) = aside {
            let value = labels.remove(&aside).ok_or(format!("no {aside} in {}", sample.name))?;
            if aside == "quantile" && !value.parse().is_ok_and(|q| (0.0..=1.0).contains(&q)) {
                return Err(format!("quantile {value}"));
            }
        }
        let group = if kind == "info" { String::new() } else { format!("{:?}", present(&labels)) };
        let timed = sample.timestamp.is_some();
        match &last {
            Some((before, was)) if *before == group && *was != timed => {
                return Err(format!("{group} of {} has times and has not", family.name));
            }
            Some((before, _)) if *before != group && seen.contains(&group) => {
                return Err(format!("{group} of {} is scattered", family.name));
            }
            _ => {}
        }
        if last.as_ref().is_none_or(|(before, _)| *before != group) {
            met.clear();
            time = None;
        }
        if kind.ends_with("histogram") && suffix == "_bucket" || kind == "summary" {
            let bound = sample.labels.get(if kind == "summary" { "quantile" } else { "le" });
            let again = !met.insert((suffix, bound));
            if again && time == sample.timestamp.as_ref() {
                return Err(format!("{suffix} {bound:?} of {group} is told at several times"));
            }
        }
        time = sample.timestamp.as_ref();
        seen.insert(group.clone());
        last = Some((group, timed));
        let counts = matches!(suffix, "_total" | "_sum" | "_count" | "_bucket" | "_gcount");
        let wrong = match kind {
            "info" => sample.value != 1.0,
            "stateset" => sample.value != 0.0 && sample.value != 1.0,
            "summary" if suffix.is_empty() => sample.value < 0.0,
            _ => false,
        };
        if wrong || counts && !(sample.value >= 0.0) {
            return Err(format!("{} of {kind} is {}", sample.name, sample.value));
        }
        let carries = matches!((kind, suffix), ("counter", "_total"))
            || kind.ends_with("histogram") && suffix == "_bucket";
        if sample.exemplar.is_some() && !carries {
            return Err(format!("{} has an exemplar", sample.name));
        }
    }
    Ok(())
}

fn sample(line: &str, openmetrics: bool) -> Result<Line, String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let name = &line[..end];
    if !is_name(name, true) {
        return Err("bad name".into());
    }
    let mut rest = &line[end..];
    let mut labels = BTreeMap::new();
    if rest.starts_with('{') {
        (labels, rest) = label_set(rest)?;
    }
    let mut exemplar = None;
    if let Some((before, after)) = rest.split_once(" # ") {
        if !openmetrics {
            return Err("an exemplar in text".into());
        }
        let (set, tail) = label_set(after)?;
        if set.iter().map(|(k, v)| k.chars().count() + v.chars().count()).sum::<usize>() > 128 {
            return Err("a long exemplar".into());
        }
        numbers(tail, true)?;
        exemplar = Some(set);
        rest = before;
    }
    let (value, timestamp) = numbers(rest, openmetrics)?;
    Ok(Line { name: name.into(), labels, value, timestamp, exemplar })
}

fn numbers(text: &str, seconds: bool) -> Result<(f64, Option<String>), String> {
    let mut words = text.strip_prefix(' ').ok_or("no space")?.split(' ');
    let value = words.next().ok_or("no value")?;
    let legal = |word: &str| word.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    if !legal(value) && !["NaN", "+Inf", "-Inf"].contains(&value) {
        return Err(format!("value {value:?}"));
    }
    let number = value.parse().map_err(|_| "no number")?;
    let timestamp = words.next();
    let timely = |word: &str| {
        if seconds {
            legal(word) && word.parse::<f64>().is_ok()
        } else {
            word.parse::<i64>().is_ok()
        }
    };
    if timestamp.is_some_and(|word| !timely(word)) || words.next().is_some() {
        return Err("bad timestamp".into());
    }
    Ok((number, timestamp.map(str::to_owned)))
}

fn label_set(text: &str) -> Result<(BTreeMap<String, String>, &str), String> {
    let mut labels = BTreeMap::new();
    let mut rest = text.strip_prefix('{').ok_or("no brace")?;
    while !rest.starts_with('}') {
        let (name, after) = rest.split_once("=\"").ok_or("no label value")?;
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next().ok_or("no closing quote")? {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next() {
                    Some((_, 'n')) => '\n',
                    Some((_, c @ ('"' | '\\'))) => c,
                    _ => return Err("bad escape".into()),
                }),
                (_, c) => value.push(c),
            }
        };
        if !is_name(name, false) || name.starts_with("__") {
            return Err(format!("label name {name:?}"));
        }
        if labels.insert(name.to_owned(), value).is_some() {
            return Err(format!("{name} twice"));
        }
        rest = &after[end + 1..];
        rest = match rest.strip_prefix(',') {
            Some(more) if !more.starts_with('}') => more,
            _ if rest.starts_with('}') => rest,
            _ => return Err("bad label set".into()),
        };
    }
    Ok((labels, &rest[1..]))
}

fn is_name(name: &str, colon: bool) -> bool {
    let legal = |c: char| c.is_ascii_alphabetic() || c == '_' || colon && c == ':';
    name.chars().next().is_some_and(legal) && name.chars().all(|c| legal(c) || c.is_ascii_digit())
}
