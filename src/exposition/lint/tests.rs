//! Each rule by its smallest example, with the place where it is told.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::*;

/// What is found, as `line:column code`, errors before warnings about the same place.
fn found(body: &str, format: InputFormat) -> Vec<String> {
    let report = lint(body.as_bytes(), format, usize::MAX);
    let style = |finding: &&Finding| finding.rule != Rule::NoHelp;
    let findings = report.findings().iter().filter(style);
    findings.map(|f| format!("{}:{} {}", f.line, f.column, f.rule.code())).collect()
}

fn errors(body: &str, format: InputFormat) -> Vec<String> {
    let report = lint(body.as_bytes(), format, usize::MAX);
    let findings = report.findings().iter().filter(|f| f.severity == Severity::Error);
    findings.map(|f| format!("{}:{} {}", f.line, f.column, f.rule.code())).collect()
}

#[test]
fn what_readers_of_text_refuse_is_told_where_it_is() {
    for (body, expected) in [
        ("a 1", "1:4 missing_newline"),
        ("a 1\r\nb 2\r\n", "1:4 carriage_return"),
        ("<html>\n", "1:1 not_an_exposition"),
        ("0a 1\n", "1:1 bad_name"),
        ("a-b 1\n", "1:2 bad_name"),
        ("a\n", "1:2 bad_value"),
        ("a{b=\"c\"}\n", "1:9 bad_value"),
        ("a x\n", "1:3 bad_value"),
        ("a 0x1p-3\n", "1:3 bad_value"),
        ("a 1_2\n", "1:3 bad_value"),
        ("a 1 \n", "1:4 blank"),
        ("a 1 2.5\n", "1:5 bad_timestamp"),
        ("a 1 -5\n", "1:5 bad_timestamp"),
        ("a{b=\"c\"} 1 +5\n", "1:12 bad_timestamp"),
        ("a 1 -0\n", "1:5 bad_timestamp"),
        ("a 1 2 3\n", "1:7 trailing_text"),
        ("a 1 # {t=\"x\"} 1\n", "1:5 exemplar_not_allowed"),
        ("a{1=\"x\"} 1\n", "1:3 bad_label_name"),
        ("a{b:c=\"x\"} 1\n", "1:4 missing_equals"),
        ("a{b} 1\n", "1:4 missing_equals"),
        ("a{b=c} 1\n", "1:5 bad_label_value"),
        ("a{b=\"c} 1\n", "1:5 open_quote"),
        ("a{b=\"\\t\"} 1\n", "1:6 bad_escape"),
        ("a{b=\"c\"d=\"e\"} 1\n", "1:8 missing_comma"),
        ("a{b=\"c\",,} 1\n", "1:9 extra_comma"),
        ("a{b=\"c\",b=\"d\"} 1\n", "1:9 duplicate_label"),
        ("a{__b=\"c\"} 1\n", "1:3 reserved_label"),
        ("a{\"b\"} 1\n", "1:3 name_twice"),
        ("{b=\"c\"} 1\n", "1:1 bad_name"),
        ("{\"\"} 1\n", "1:2 bad_name"),
        ("# HELP a \\t\n", "1:10 bad_escape"),
        ("# HELP 0a x\n", "1:8 bad_name"),
        ("# HELP a-b x\n", "1:9 bad_name"),
        ("# TYPE a\n", "1:9 bad_metadata"),
        ("# TYPE a info\na 1\n", "1:10 bad_type"),
        ("# TYPE a unknown\na 1\n", "1:10 bad_type"),
        ("# TYPE a gauge \na 1\n", "1:10 bad_type"),
        ("# TYPE a  gauge\na 1\n", "1:10 blank"),
        ("## TYPE a\n", "1:1 bad_metadata"),
        ("#x TYPE a nonsense\n", "1:1 bad_metadata"),
        ("## HELP a-b\n", "1:1 bad_metadata"),
        ("# TYPE a histogram\na_count{le=\"x\"} 1\n", "2:13 bad_bound"),
        ("# TYPE a histogram\na{le=\"x\"} 1\n", "2:7 bad_bound"),
        ("# TYPE a summary\na_sum{quantile=\"x\"} 1\n", "2:17 bad_quantile"),
        ("# TYPE a summary\na_count 1\n# TYPE a_count counter\n", "3:8 name_clash"),
        ("# TYPE a histogram\n# TYPE a_sum counter\n", "2:8 name_clash"),
        ("# TYPE a summary\n# HELP a x\n# HELP a_sum x\n", "3:8 name_clash"),
        ("# TYPE a gauge\n# TYPE a gauge\n", "2:8 repeated_metadata"),
        ("# HELP a x\n# HELP a y\n", "2:8 repeated_metadata"),
        ("a 1\n# TYPE a gauge\n", "2:8 late_metadata"),
    ] {
        assert_eq!(errors(body, InputFormat::Text), [expected], "{body}");
    }
    let bytes = b"# HELP a x\na{b=\"\xff\"} 1\n";
    let report = lint(bytes, InputFormat::Text, 9);
    assert_eq!(report.findings()[0].to_string(), "2:6: the line is not UTF-8");
}

#[test]
fn what_all_readers_of_text_take_is_valid() {
    for body in [
        "",
        "\n \t\n",
        "# a comment\n#\n# HELP\n#HELP a\n\t # HELP\tb  x\na 1\n",
        "# TYPE a counter\n# TYPE b gauge\na 1\nb 1\na{x=\"1\"} 2\n",
        "a{} 1\na{b=\"c\",} 1\na { b = \"d\" , } 1\na{b=\"e\"}1\n",
        "a 1\na 1 5\na 2 6\n",
        "{\"a.b\",\"c.d\"=\"e\"} 1\n{f=\"g\",\"a.b\"} +Inf\n# TYPE \"x.y\" gauge\n",
        "# TYPE h histogram\nh_bucket{le=\"1\"} 1.5\nh_count 2\nh_sum -3\n",
        "# TYPE h summary\nh{quantile=\"-7\"} NaN\nh_sum -1\n",
        "# TYPE c counter\nc -1\nc{x=\"1\"} NaN\n",
        "# HELP a x\n# TYPE a gauge\na 08\n# HELP a\n",
        "a 1\n\t",
        "## HELP a\n## TYPE a gauge\n# # TYPE a\n#TYPEa b\n",
        "# TYPE a histogram\na_count{le=\"7\"} 1\n# TYPE b gauge\nb{le=\"x\"} 1\n",
        "# TYPE a summary\na_count 1\n# HELP a_count x\n",
        "# TYPE a_sum gauge\n# TYPE a summary\na_sum 1\na_count 1\n",
        "# HELP a x\r\na 1\n",
    ] {
        assert_eq!(errors(body, InputFormat::Text), [""; 0], "{body}");
    }
}

#[test]
fn what_readers_of_openmetrics_refuse_is_told_where_it_is() {
    for (body, expected) in [
        ("a 1\n", "2:1 missing_eof"),
        ("", "1:1 missing_eof"),
        ("# TYPE a gauge\na 1", "2:4 missing_eof"),
        ("#\tTYPE a gauge\n# EOF\n", "1:1 bad_metadata"),
        ("# TYPE a gauge\r\n# EOF\n", "1:15 carriage_return"),
        ("# UNIT a_s s\n# TYPE a_s info\n# EOF\n", "2:12 unit_not_allowed"),
        ("# UNIT a_s s\n# TYPE a_s stateset\n# HELP a_s x\n# EOF\n", "2:12 unit_not_allowed"),
        ("a 1\n# EOF\n\n", "3:1 data_after_eof"),
        ("\n# EOF\n", "1:1 blank_line"),
        (" a 1\n# EOF\n", "1:1 blank"),
        ("a  1\n# EOF\n", "1:3 blank"),
        ("a 1 \n# EOF\n", "1:5 blank"),
        ("a{ b=\"c\"} 1\n# EOF\n", "1:3 blank"),
        ("a{b=\"c\",} 1\n# EOF\n", "1:8 extra_comma"),
        ("a{b=\"c\"}1\n# EOF\n", "1:9 bad_value"),
        ("# FOO a x\n# EOF\n", "1:1 bad_metadata"),
        ("# HELP a\n# EOF\n", "1:9 bad_metadata"),
        ("# TYPE a untyped\n# EOF\n", "1:10 bad_type"),
        ("# UNIT a seconds\n# EOF\n", "1:10 bad_unit"),
        ("# TYPE a_s info\n# UNIT a_s s\n# EOF\n", "2:12 unit_not_allowed"),
        ("a 1 NaN\n# EOF\n", "1:5 bad_timestamp"),
        ("# TYPE a counter\na_total 1 #{} 1\n# EOF\n", "2:12 bad_exemplar"),
        ("# TYPE a counter\na_total 1 # {} x\n# EOF\n", "2:16 bad_exemplar"),
        ("# TYPE a counter\na_total 1 # {} 1 Inf\n# EOF\n", "2:18 bad_timestamp"),
        ("# TYPE a gauge\na 1 # {} 1\n# EOF\n", "2:5 exemplar_not_allowed"),
        ("# TYPE a gauge\na 1\n# HELP a x\n# EOF\n", "3:8 late_metadata"),
        ("# TYPE a gauge\n# TYPE b gauge\n# HELP a x\n# EOF\n", "3:8 split_family"),
        ("# TYPE a gauge\na 1\nb 1\na{x=\"1\"} 1\n# EOF\n", "4:1 split_family"),
        ("# TYPE a counter\na 1\n# EOF\n", "2:1 foreign_sample"),
        ("# TYPE a summary\n# TYPE a_sum gauge\n# EOF\n", "2:8 name_clash"),
        ("a 1\na 1 2\n# EOF\n", "2:5 mixed_timestamps"),
        ("a 1 2\na 1 1\n# EOF\n", "2:5 time_goes_back"),
        ("# TYPE a counter\na_total -1\n# EOF\n", "2:9 negative_value"),
        ("# TYPE a counter\na_total NaN\n# EOF\n", "2:9 not_a_number"),
        ("# TYPE a stateset\na{a=\"x\"} 2\n# EOF\n", "2:10 bad_state"),
        ("# TYPE a stateset\na 1\n# EOF\n", "2:1 missing_state"),
        ("# TYPE a info\na_info 2\n# EOF\n", "2:8 bad_info"),
        ("# TYPE a summary\na{quantile=\"2\"} 1\n# EOF\n", "2:13 quantile_range"),
        ("# TYPE a summary\na 1\n# EOF\n", "2:1 bad_quantile"),
        ("# TYPE a summary\na_count 1.5\n# EOF\n", "2:9 not_whole"),
    ] {
        assert_eq!(errors(body, InputFormat::OpenMetrics), [expected], "{body}");
    }
    assert_eq!(errors("a 1 -5.5\n# EOF\n", InputFormat::OpenMetrics), [""; 0]);
    // A carriage return is a character of help like any other.
    let help = "# HELP a x\r\na 1\n# HELP b \r\n# EOF\n";
    assert_eq!(errors(help, InputFormat::OpenMetrics), [""; 0]);
    let interleaved = "a{x=\"1\"} 1 1\na{x=\"2\"} 1 1\na{x=\"1\"} 1 2\n# EOF\n";
    assert_eq!(errors(interleaved, InputFormat::OpenMetrics), ["3:1 interleaved_series"]);
    let long = "x".repeat(128);
    let long = format!("# TYPE a counter\na_total 1 # {{t=\"{long}\"}} 1\n# EOF\n");
    assert_eq!(errors(&long, InputFormat::OpenMetrics), ["2:11 exemplar_too_long"]);
}

#[test]
fn histograms_have_to_add_up() {
    let body = |rest: &str| {
        let mut body = "# TYPE h histogram\n".to_owned();
        for part in rest.split(' ') {
            let (name, value) = part.split_once('=').unwrap();
            let _ = match name.strip_prefix("le") {
                Some(bound) => writeln!(body, "h_bucket{{le=\"{bound}\"}} {value}"),
                None => writeln!(body, "h_{name} {value}"),
            };
        }
        body
    };
    for (rest, expected) in
        [("lex=1 le+Inf=1", "2:14 bad_bound"), ("le1e400=1 le+Inf=1", "2:14 bad_bound")]
    {
        assert_eq!(errors(&body(rest), InputFormat::Text), [expected], "{rest}");
        let om = body(rest) + "# EOF\n";
        assert_eq!(errors(&om, InputFormat::OpenMetrics), [expected], "{rest}");
    }
    for (rest, expected) in [
        ("le1=1", "2:1 missing_infinity"),
        ("le2=1 le1=1 le+Inf=1", "3:1 bucket_order"),
        ("le1=1 le1.0=1 le+Inf=1", "3:1 bucket_order"),
        ("le1=2 le2=1 le+Inf=2", "3:1 falling_buckets"),
        ("le1=2 le+Inf=2 sum=1 count=3", "5:1 count_mismatch"),
        ("le1=2 le+Inf=2 le+Inf=3 sum=1 count=3", "6:1 count_mismatch"),
        ("leNaN=1 le+Inf=1", "2:14 nan_bound"),
        ("leinf=1", "2:14 odd_infinity"),
        ("le+Inf=1 sum=1", "3:1 sum_alone"),
        ("le-1=0 le+Inf=1 sum=1 count=1", "4:1 negative_sum"),
        ("le+Inf=1.5", "2:21 not_whole"),
    ] {
        assert_eq!(errors(&body(rest), InputFormat::Text), [""; 0], "{rest}");
        let om = body(rest) + "# EOF\n";
        assert_eq!(errors(&om, InputFormat::OpenMetrics), [expected], "{rest}");
    }
}

#[test]
fn what_could_be_better_is_a_warning() {
    for (body, expected) in [
        ("# TYPE a counter\na 1\n", "1:8 counter_name"),
        ("# TYPE a gauge\na{le=\"1\"} 1\na{le=\"2\"} 1\n", "2:3 le_label"),
        ("# TYPE a gauge\na{quantile=\"1\"} 1\n", "2:3 quantile_label"),
        ("a{fooBar=\"1\"} 1\n", "1:3 camel_case"),
        ("a 1\nb 1\na{x=\"1\"} 1\na{x=\"2\"} 1\n", "3:1 split_family"),
        ("a 1 2\na 1 2\n", "2:1 repeated_time"),
        ("a 1\na 2\n", "2:1 duplicate_series"),
        ("a{b=\"1\",c=\"2\"} 1\na{c=\"2\",b=\"1\",d=\"\"} 2\n", "2:1 duplicate_series"),
        ("# TYPE a summary\na{quantile=\"NaN\"} 1\n", "2:13 nan_bound"),
        ("# TYPE h histogram\nh 1\n", "2:1 foreign_sample"),
    ] {
        assert_eq!(found(body, InputFormat::Text), [expected], "{body}");
        assert_eq!(errors(body, InputFormat::Text), [""; 0], "{body}");
    }
    for (body, expected) in [
        ("a 1\na 1\n# EOF\n", "2:1 duplicate_series"),
        (
            "# TYPE a summary\na{quantile=\"0.5\"} 1\na{quantile=\"0.50\"} 1\n# EOF\n",
            "3:1 duplicate_series",
        ),
        (
            "# TYPE a histogram\na_bucket{le=\"1\"} 1\na_bucket{le=\"1\"} 1\n\
             a_bucket{le=\"+Inf\"} 1\n# EOF\n",
            "3:1 duplicate_series",
        ),
        (
            "# TYPE a histogram\na_bucket{le=\"+Inf\",b=\"\"} 1\na_bucket{le=\"+Inf\"} 1\n# EOF\n",
            "3:1 duplicate_series",
        ),
    ] {
        assert_eq!(found(body, InputFormat::OpenMetrics), [expected], "{body}");
        assert_eq!(errors(body, InputFormat::OpenMetrics), [""; 0], "{body}");
    }
    let report = lint(b"a 1\n", InputFormat::Text, 9);
    assert_eq!(report.findings()[0].to_string(), "1:1: a: the family has no # HELP");
    let report = lint(b"# HELP a_total x\na_total 1\n# EOF\n", InputFormat::Unknown, 9);
    assert_eq!((report.errors(), report.warnings()), (0, 0));
}

#[test]
fn every_finding_counts_though_few_are_kept() {
    let report = lint("x\n".repeat(50).as_bytes(), InputFormat::Text, 3);
    assert_eq!((report.findings().len(), report.errors()), (3, 50));
}

#[test]
fn the_format_is_told_from_the_content() {
    for (body, format) in [
        (&b""[..], InputFormat::Text),
        (b"a 1\n", InputFormat::Text),
        (b"a 1\n# EOF", InputFormat::OpenMetrics),
        (b"a 1\n# EOF\njunk\n", InputFormat::OpenMetrics),
        (b"# HELP a # EOF\n", InputFormat::Text),
        (b"a\n b 1\n", InputFormat::Text),
        (b"\n\n\n\n\n\n\n\n\n\n\n\n\n", InputFormat::Text),
        (b"\x0c\n\x01a\x18\x01\x22\x05\x12\x03\x09\x00\x00", InputFormat::Protobuf),
    ] {
        assert_eq!(detect(body), format, "{body:?}");
    }
}

#[test]
fn labels_that_one_family_repeats_are_told_once() {
    let mut body = String::new();
    for n in 0..1000 {
        let _ = writeln!(body, "a{{fooBar=\"{n}\"}} 1");
    }
    let told: HashSet<_> = found(&body, InputFormat::Text).into_iter().collect();
    assert_eq!(told.len(), 1);
}

#[test]
fn protobuf_is_judged_by_its_messages() {
    let check = |body: &[u8]| {
        let report = lint(body, InputFormat::Protobuf, 99);
        let findings = report.findings().iter();
        findings.map(|f| format!("{}:{} {}", f.line, f.column, f.rule.code())).collect::<Vec<_>>()
    };
    // A gauge `a` with help and the value 0.
    let metric = b"\x22\x0b\x12\x09\x09\x00\x00\x00\x00\x00\x00\x00\x00";
    let head = b"\x0a\x01a\x12\x01h\x18\x01";
    let message = |metrics: usize| {
        let mut message = head.to_vec();
        message.extend(metric.repeat(metrics));
        let mut body = vec![u8::try_from(message.len()).unwrap()];
        body.extend(message);
        body
    };
    assert_eq!(check(&message(1)), [""; 0]);
    assert_eq!(check(b""), [""; 0]);
    assert_eq!(check(&message(2)), ["1:1 duplicate_series"]);
    assert_eq!(check(b"a 1\n"), ["1:1 unreadable"]);
    let cut = &message(1)[..15];
    assert_eq!(check(cut).len(), 1, "{:?}", check(cut));
    assert_eq!(lint(&message(1), InputFormat::Unknown, 9).format, InputFormat::Protobuf);
}

#[test]
fn what_prometheus_takes_of_protobuf_is_a_warning() {
    let delimited = |message: &[u8]| [&[u8::try_from(message.len()).unwrap()], message].concat();
    let family = |metric: &[u8]| {
        let field = [&[0x22, u8::try_from(metric.len()).unwrap()], metric].concat();
        delimited(&[b"\x0a\x01a\x12\x01h\x18\x01", &*field].concat())
    };
    let value = b"\x12\x09\x09\0\0\0\0\0\0\0\0";
    let labelled = |name: &[u8]| {
        let pair = [&[0x0a, u8::try_from(name.len()).unwrap()], name, b"\x12\x01v"].concat();
        let field = [&[0x0a, u8::try_from(pair.len()).unwrap()], &*pair].concat();
        family(&[&*field, value].concat())
    };
    let good = family(value);
    for (body, code, valid) in [
        ([&*good, &*good].concat(), "repeated_metadata", true),
        ([&*good, b"\0"].concat(), "bad_name", true),
        (family(b""), "bad_value", true),
        (labelled(b"__x"), "reserved_label", true),
        ([&*good, &*labelled(b"__x")].concat(), "repeated_metadata", true),
        (labelled(b"__name__"), "reserved_label", false),
        (labelled(b""), "unreadable", false),
    ] {
        let report = lint(&body, InputFormat::Protobuf, 99);
        let codes: Vec<_> = report.findings().iter().map(|f| f.rule.code()).collect();
        assert!(codes.contains(&code), "{code} in {codes:?}");
        assert_eq!(report.errors() == 0, valid, "{code}");
    }
}

#[test]
fn native_histograms_are_held_to_what_prometheus_stores() {
    // Counted in parts, with one bucket above zero.
    let histogram = |count: f64, bucket: f64| {
        let [count, bucket] = [count, bucket].map(f64::to_le_bytes);
        let fields: [&[u8]; 5] = [b"\x21", &count, b"\x62\x04\x08\0\x10\x01", b"\x71", &bucket];
        let histogram = fields.concat();
        let length = |of: &[u8]| u8::try_from(of.len()).unwrap();
        let metric = [&[0x3a, length(&histogram)], &*histogram].concat();
        let head: [&[u8]; 3] = [b"\x0a\x01a\x12\x01h\x18\x05", &[0x22, length(&metric)], &metric];
        let message = head.concat();
        lint(&[&[length(&message)], &*message].concat(), InputFormat::Protobuf, 9)
    };
    for (count, bucket, code, severity) in [
        (1.5, 1.5, None, None),
        (1.5, -0.5, Some("below_zero"), Some(Severity::Warning)),
        (1.5, 2.5, Some("inconsistent"), Some(Severity::Error)),
    ] {
        let report = histogram(count, bucket);
        let first = report.findings().first();
        assert_eq!(first.map(|f| f.rule.code()), code, "{count} {bucket}");
        assert_eq!(first.map(|f| f.severity), severity);
        assert_eq!(first.and_then(|f| f.about.as_deref()).is_some(), code == Some("below_zero"));
    }
}
