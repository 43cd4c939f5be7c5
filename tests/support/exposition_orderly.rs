//! Bodies for property tests as apps write them, with something out of the ordinary here and there.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::select;

const NAMES: &[&str] = &["foo", "bar", "own", "foo_total", "bar_total", "foo_created", "foo_sum"];
const SETS: &[&str] = &[
    "",
    r#"a="1""#,
    r#"a="2""#,
    r#"a="1",b="x\\y\n""#,
    r#"a="3",b="}# {""#,
    r#"b="3",a="}# {""#,
    r#"b="☃",a="9""#,
    r#"a="",b="2""#,
    r#"c="a long value that goes on and on, beyond the width of any register there is""#,
    r#"source="x""#,
];
const SPOILT: &[&str] = &[
    "foo{} 1\n",
    "foo {a=\"1\"} 7\n",
    " foo 1\n",
    "foo{a=\"7\" } 1\r\n",
    "foo{a=\"8\"}  1\n",
    "foo{a=\"8\",a=\"9\"} 1\n",
    "foo{__a=\"8\"} 1\n",
    "foo{a=\"\\z\"} 1\n",
    "foo{a=\"1\"} x\n",
    "foo 1 2 3\n",
    "foo\n",
    "bar \n",
    "foo{a=\"5\"} 0x1\n",
    "foo_bucket{le=\"1\"} 1\n",
    "foo_count 1\n",
    "{\"foo\",a=\"6\"} 1\n",
    "foo{le=\"inf\"} 1\n",
    "foo{quantile=\"1\"} 1\n",
    "# TYPE foo counter\n",
    "# TYPE foo_count gauge\n",
    "# HELP foo again\n",
    "# EOF\n",
    "\n",
];

/// How the lines of one family are written.
#[derive(Debug, Clone)]
struct Style {
    /// Behind the last label.
    comma: &'static str,
    time: &'static str,
    exemplar: &'static str,
    bound_first: bool,
    parts_first: bool,
    created: bool,
    values: Vec<&'static str>,
}

fn style() -> impl Strategy<Value = Style> {
    let values = select(
        &["0", "1", "2", "7", "12", "1.0", "3.50", "1e3", "1.6e+09", "NaN", "-1", "+Inf", "-0"][..],
    );
    (
        select(&["", "", "", "", "", "", ","][..]),
        select(
            &[
                "",
                "",
                "",
                "",
                " 1520879607789",
                " 12",
                " -1000",
                " 7120",
                " 1.5",
                " -0.25",
                " 99999999999999999999",
            ][..],
        ),
        select(
            &[
                "",
                "",
                "",
                r#" # {t="x"} 0.5"#,
                r#" # {t="x",u="y"} 1 12.5"#,
                " # {} 1",
                r#" # {t="\""} 1"#,
            ][..],
        ),
        any::<bool>(),
        any::<bool>(),
        prop::bool::weighted(0.2),
        prop::collection::vec(values, 6),
    )
        .prop_map(|(comma, time, exemplar, bound_first, parts_first, created, values)| Style {
            comma,
            time,
            exemplar,
            bound_first,
            parts_first,
            created,
            values,
        })
}

/// Families one after another, most of them in order.
pub(crate) fn orderly() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        12 => family(),
        1 => select(SPOILT).prop_map(str::to_owned),
    ];
    let end = select(&["", "", "# EOF\n", "# EOF\n", "# EOF", "foo 1"][..]);
    (prop::collection::vec(part, 0..7), end).prop_map(|(parts, end)| parts.concat() + end)
}

fn family() -> impl Strategy<Value = String> {
    let kind = select(
        &[
            "counter",
            "gauge",
            "histogram",
            "histogram",
            "summary",
            "untyped",
            "info",
            "stateset",
            "gaugehistogram",
            "",
        ][..],
    );
    let sets = prop::collection::vec(select(SETS), 0..5);
    let spoilt = prop::option::weighted(0.1, (select(SPOILT), 0..20_usize));
    (select(NAMES), kind, sets, style(), spoilt).prop_map(|(name, kind, sets, style, spoilt)| {
        let mut text = String::new();
        if kind != "info" {
            let _ = writeln!(text, "# HELP {name} Some \\\\ text.");
        }
        if !kind.is_empty() {
            let _ = writeln!(text, "# TYPE {name} {kind}");
        }
        let mut lines: Vec<String> = sets
            .iter()
            .enumerate()
            .flat_map(|(at, set)| group(name, kind, set, at, &style))
            .collect();
        if let Some((line, at)) = spoilt {
            lines.insert(at.min(lines.len()), line.to_owned());
        }
        text + &lines.concat()
    })
}

/// The lines of one label set.
fn group(name: &str, kind: &str, set: &str, at: usize, style: &Style) -> Vec<String> {
    let value = |n: usize| style.values[(at + n) % style.values.len()];
    let line = |suffix: &str, bound: Option<(&str, &str)>, value: &str| {
        let bound = bound.map(|(name, bound)| format!("{name}=\"{bound}\"")).unwrap_or_default();
        let mut labels = match (set.is_empty(), bound.is_empty()) {
            (true, _) => bound,
            (_, true) => set.to_owned(),
            _ if style.bound_first => format!("{bound},{set}"),
            _ => format!("{set},{bound}"),
        };
        if !labels.is_empty() {
            labels = format!("{{{labels}{}}}", style.comma);
        }
        let exemplar = if suffix.is_empty() || suffix == "_bucket" || suffix == "_total" {
            style.exemplar
        } else {
            ""
        };
        format!("{name}{suffix}{labels} {value}{}{exemplar}\n", style.time)
    };
    let mut lines = Vec::new();
    match kind {
        "histogram" | "gaugehistogram" => {
            let (sum, count) =
                if kind == "histogram" { ("_sum", "_count") } else { ("_gsum", "_gcount") };
            let buckets = [("0.5", "1"), ("1", "2"), ("+Inf", "5")];
            lines.extend(buckets.map(|(le, n)| line("_bucket", Some(("le", le)), n)));
            let parts = [line(sum, None, value(0)), line(count, None, "5")];
            if style.parts_first {
                lines.splice(0..0, parts);
            } else {
                lines.extend(parts);
            }
        }
        "summary" => {
            lines.push(line("", Some(("quantile", "0.5")), value(0)));
            lines.push(line("", Some(("quantile", "0.99")), value(1)));
            lines.extend([line("_sum", None, value(2)), line("_count", None, value(3))]);
        }
        "counter" if style.parts_first => lines.push(line("_total", None, value(0))),
        _ => lines.push(line("", None, value(0))),
    }
    if style.created {
        lines.push(line("_created", None, "1520430000.123"));
    }
    lines
}
