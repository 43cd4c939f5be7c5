//! Bodies for property tests: few names and labels, so that everything meets everything.

use proptest::prelude::*;
use proptest::sample::select;

const NAMES: &[&str] = &[
    "foo",
    "foo_total",
    "foo_count",
    "foo_sum",
    "foo_bucket",
    "foo_created",
    "foo_info",
    "foo_gcount",
    "foo_gsum",
    "bar",
    "bar_total",
    "bar_created",
    "foo_seconds",
    "foo_seconds_total",
    "foo_count_total",
    "own",
    "own_count",
    "own_bucket",
    "x:y",
    "_info",
    "_total",
    "0bad",
];
const VALUES: &[&str] = &[
    "0", "1", "1", "2", "3", "5", "-1", "-0", "NaN", "+Inf", "-inf", "2.5", "1e5", "+7", "x", "1_0",
];
const LABELS: &[&str] = &[
    "",
    "",
    "",
    "{}",
    r#"{a="1"}"#,
    r#"{a="2"}"#,
    r#"{a="1",b="2"}"#,
    r#"{b="2",a="1"}"#,
    r#"{ a = "1" , }"#,
    r#"{a=""}"#,
    r#"{a="q\"u\\o\nte }# "}"#,
    r#"{a="\z"}"#,
    r#"{source="s"}"#,
    r#"{source="s",exported_source="t"}"#,
    r#"{foo="on"}"#,
    r#"{bar="on",a="1"}"#,
    r#"{a="1",a="2"}"#,
    r#"{__a="1"}"#,
    r#"{le="1"}"#,
    r#"{le="+Inf"}"#,
    r#"{le="-1",a="1"}"#,
    r#"{a="1",le="+Inf"}"#,
    r#"{le="x"}"#,
    r#"{a="1",le="1e400"}"#,
    r#"{quantile="0.5"}"#,
    r#"{quantile="7"}"#,
    r#"{quantile="1",a="1"}"#,
    r#"{"u.v"="w"}"#,
    r#"{a="☃"}"#,
    r#"{a="1"#,
];
const TIMES: &[&str] = &[
    "",
    "",
    "",
    "",
    "",
    "",
    " 1",
    " 2",
    " 2.5",
    " 1520879607789",
    " -1000",
    " 1e3",
    " NaN",
    " 99999999999999999999",
];
const EXEMPLARS: &[&str] = &[
    "",
    "",
    "",
    "",
    r#" # {t="x"} 1"#,
    r#" # {t="x"} 0.5 12.5"#,
    " # {} 1",
    r#" # {t="a\"b"} 1"#,
    r#" # {t="1"} NaN"#,
    " # {",
    " #",
    r#" # {__t="x"} 1"#,
];
const TYPES: &[&str] = &[
    "counter",
    "gauge",
    "histogram",
    "summary",
    "untyped",
    "unknown",
    "info",
    "stateset",
    "gaugehistogram",
    "nonsense",
];

/// [`body_of`] with and without times.
pub(crate) fn body() -> impl Strategy<Value = String> {
    prop_oneof![body_of(TIMES), body_of(&[""])]
}

/// Whole lines and histograms, in any order, with or without `# EOF`.
pub(crate) fn body_of(times: &'static [&'static str]) -> impl Strategy<Value = String> {
    let part = prop_oneof![
        6 => sample(times),
        3 => (select(NAMES), select(TYPES)).prop_map(|(n, t)| format!("# TYPE {n} {t}\n")),
        1 => select(NAMES).prop_map(|n| format!("# HELP {n} Some \\\\ \"text\" \\n \\x of {n}.\n")),
        1 => select(NAMES).prop_map(|n| format!("# UNIT {n} seconds\n")),
        2 => histogram(times),
        1 => select(&[
            "\n", "# EOF\n", "# comment\n", "junk {\n", "a 1\r\n", "{\"u.v\"} 1\n",
            "{\"u.v\",\"w.x\"=\"1\"} 2\n", "# TYPE \"u.v\" counter\n", "\u{0}\n", " \t\n", "foo",
        ][..]).prop_map(str::to_owned),
    ];
    let end = select(&["", "", "# EOF\n", "# EOF", "# EOF\n# EOF\n"][..]);
    (prop::collection::vec(part, 0..24), end).prop_map(|(parts, end)| parts.concat() + end)
}

fn sample(times: &'static [&'static str]) -> impl Strategy<Value = String> {
    (select(NAMES), select(LABELS), select(VALUES), select(times), select(EXEMPLARS))
        .prop_map(|(n, l, v, t, e)| format!("{n}{l} {v}{t}{e}\n"))
}

fn histogram(times: &'static [&'static str]) -> impl Strategy<Value = String> {
    let labels = select(&["", "a=\"1\",", "a=\"2\","][..]);
    (select(&["foo", "bar", "own"][..]), labels, any::<bool>(), 0..4_u8, select(times)).prop_map(
        |(name, labels, typed, spoilt, at)| {
            let ty = if typed { format!("# TYPE {name} histogram\n") } else { String::new() };
            let one = if spoilt == 1 { 9 } else { 1 };
            let count = if spoilt == 2 { 4 } else { 3 };
            let tail = labels.trim_end_matches(',');
            let inf = if spoilt == 3 {
                String::new()
            } else {
                format!("{name}_bucket{{{labels}le=\"+Inf\"}} 3{at}\n")
            };
            format!(
                "{ty}{name}_bucket{{{labels}le=\"1\"}} {one}{at}\n{inf}{name}_sum{{{tail}}} 4.5{at}\n\
                 {name}_count{{{tail}}} {count}{at}\n"
            )
        },
    )
}
