//! What every reference parser refuses is a problem at the right place, what they all accept is
//! none, and where they do not agree we take what can be understood.
//!
//! The verdicts are those of Prometheus 2.42 and 3, Go's `expfmt` and Python's `prometheus_client`.

use podmeter::exposition::{Exposition, InputFormat, parse};

/// Text that all of them refuse, and what is wrong with it: `line:column:reason`.
const REFUSED_TEXT: &[(&str, &str)] = &[
    ("a\n", "1:2:bad_value"),
    ("a{b='c'} 1\n", "1:5:bad_labels"),
    ("a{b=\n", "1:5:bad_labels"),
    ("a true\n", "1:3:bad_value"),
    ("a{b=\"\n", "1:5:bad_labels"),
    ("a{=\"\"} 0\n", "1:3:bad_labels"),
    ("a 1_2\n", "1:3:bad_value"),
    ("a 0x1p-3\n", "1:3:bad_value"),
    ("a 0B1\n", "1:3:bad_value"),
    ("a 0o1\n", "1:3:bad_value"),
    ("a 0 1_2\n", "1:5:bad_timestamp"),
    ("{a=\"ok\"} 1\n", "1:8:bad_name"),
    ("a{b=\u{0}\"c\"} 1\n", "1:5:bad_labels"),
    ("a{b\u{0}=\"c\"}\t1\n", "1:4:bad_labels"),
    ("\na{b=\"new\nline\"} 3.14\n", "2:5:bad_labels"),
    ("a{@=\"b\"} 1\n", "1:3:bad_labels"),
    ("a{__name__=\"b\"} 1\n", "1:3:reserved_label"),
    ("a{b+=\"c\"} 1\n", "1:4:bad_labels"),
    ("a{b=c} 1\n", "1:5:bad_labels"),
    ("a{b=\"c\"+} 1\n", "1:8:bad_labels"),
    ("a{b=\"c\"} d\n", "1:10:bad_value"),
    ("# TYPE a b\n", "1:10:bad_type"),
    ("# TYPE a-b gauge\n", "1:9:bad_metadata"),
    ("a{b=\"1\",b=\"2\"} 1\n", "1:9:duplicate_label"),
    ("{\"a.b\",\"c.d\"} 1\n", "1:13:bad_labels"),
    ("{\"a.b\".c=\"d\"} 1\n", "1:7:bad_labels"),
    ("a{b=\"c\",,} 1\n", "1:9:bad_labels"),
    ("a{b=\"c\"d=\"e\"} 1\n", "1:8:bad_labels"),
    ("a-b 1\n", "1:2:bad_name"),
    ("a.b 1\n", "1:2:bad_name"),
    ("9a 1\n", "1:1:bad_name"),
    ("a{1b=\"1\"} 1\n", "1:3:bad_labels"),
    ("a{b=\"1\"\n", "1:8:bad_labels"),
    ("a{b} 1\n", "1:4:bad_labels"),
    ("{} 1\n", "1:2:bad_name"),
    ("a 1,5\n", "1:3:bad_value"),
    ("a --1\n", "1:3:bad_value"),
    ("a 1e\n", "1:3:bad_value"),
];

/// Text that all of them accept, with the number of samples.
const ACCEPTED_TEXT: &[(&str, usize)] = &[
    ("", 0),
    ("\n\n", 0),
    ("a 1\n", 1),
    ("a{} 1\n", 1),
    ("a{ } 1\n", 1),
    ("a{b=\"c\",} 1\n", 1),
    ("a{b=\"c\", } 1\n", 1),
    ("a{b = \"c\"} 1\n", 1),
    ("a{b=\"c\"\t,\td=\"e\"} 1\n", 1),
    ("a {b=\"c\"} 1\n", 1),
    ("a\t{b=\"c\"}\t1\t5\n", 1),
    ("a{b=\"c\"}1\n", 1),
    ("  a  1\n", 1),
    ("a 1 -5\n", 1),
    ("a 1 +5\n", 1),
    ("a 1.\na .5\n", 2),
    ("a +Inf\na -inf\na infinity\na Nan\n", 4),
    (":a 1\n", 1),
    ("#\n##\n#comment\n# EOF\n", 0),
    ("# HELP\n", 0),
    ("# HELP a\n", 0),
    ("# HELP a x\\\\y\\n\n", 0),
    ("# TYPE  a  gauge\na 1\n", 1),
    ("# UNIT a b\n", 0),
    ("a 1\n# HELP a late\n", 1),
    ("# TYPE h histogram\nh 1\n", 1),
    ("# TYPE c counter\nc -1\n", 1),
];

/// OpenMetrics, each with `# EOF` at its end, that all refuse.
const REFUSED_OPENMETRICS: &[(&str, &str)] = &[
    ("a 1\n\n", "2:1:blank_line"),
    ("a{a=1} 1\n", "1:5:bad_labels"),
    ("a{a=\"1\",,b=\"2\"} 1\n", "1:9:bad_labels"),
    ("a{,b=\"c\"} 1\n", "1:3:bad_labels"),
    ("a{a=\" # \",b=}1\n", "1:13:bad_labels"),
    ("a \n", "1:3:bad_value"),
    ("# HELP\n", "1:8:bad_name"),
    ("# HELP a\n", "1:9:bad_metadata"),
    (" # HELP a meh\n", "1:1:bad_name"),
    ("# TYPE a meh\n", "1:10:bad_type"),
    ("# TYPE a gauge \n", "1:10:bad_type"),
    ("# TYPE a untyped\n", "1:10:bad_type"),
    ("# UNIT a seconds\n", "1:10:bad_unit"),
    ("# UNIT metricsuffix suffix\n", "1:21:bad_unit"),
    ("# FOO a x\n", "1:1:bad_metadata"),
    ("#\tTYPE c counter\n", "1:1:bad_metadata"),
    ("a  1\n", "1:3:bad_value"),
    ("a\t1\n", "1:2:bad_name"),
    ("a 1 \n", "1:5:bad_timestamp"),
    ("a 1 z\n", "1:5:bad_timestamp"),
    ("a 1 1.1.1\n", "1:5:bad_timestamp"),
    ("a 1 NaN\n", "1:5:bad_timestamp"),
    ("a 1 1 1\n", "1:6:bad_exemplar"),
    ("# TYPE a counter\na_total 1 # {} 1 \n", "2:17:bad_exemplar"),
    ("# TYPE a counter\na_total 1# {} 1\n", "2:9:bad_value"),
    ("# TYPE a counter\na_total 1 # {}1\n", "2:15:bad_exemplar"),
    ("# TYPE a counter\na_total 1 # {a=b} 1\n", "2:16:bad_labels"),
    ("# TYPE a counter\na_total 1 # {a=\"b\"} 0x1p-3\n", "2:21:bad_exemplar"),
    ("# TYPE a counter\na_total 1 # {a=\"b\"} 1 NaN\n", "2:22:bad_exemplar"),
];

#[test]
fn text_that_everybody_refuses_is_a_problem_at_its_place() {
    for (body, expected) in REFUSED_TEXT {
        let read = parse(body.as_bytes(), InputFormat::Text);
        assert_eq!(first(&read), *expected, "{body:?}");
    }
}

#[test]
fn text_that_everybody_accepts_is_read_without_a_problem() {
    for (body, samples) in ACCEPTED_TEXT {
        let read = parse(body.as_bytes(), InputFormat::Text);
        assert_eq!(first(&read), "", "{body:?}");
        let count: usize = read.families.iter().map(|family| family.samples().len()).sum();
        assert_eq!(count, *samples, "{body:?}");
    }
}

#[test]
fn openmetrics_that_everybody_refuses_is_a_problem_at_its_place() {
    for (start, expected) in REFUSED_OPENMETRICS {
        let body = format!("{start}# EOF\n");
        let read = parse(body.as_bytes(), InputFormat::OpenMetrics);
        assert_eq!(first(&read), *expected, "{body:?}");
    }
}

#[test]
fn the_end_of_openmetrics_is_one_line_and_the_last() {
    for (body, expected) in [
        ("# EOF", ""),
        ("# EOF\n", ""),
        ("", "1:1:missing_eof"),
        ("a 1\n", "2:1:missing_eof"),
        ("# EOF\na 1\n", "2:1:data_after_eof"),
        ("# EOF\n# EOF\n", "2:1:data_after_eof"),
    ] {
        let read = parse(body.as_bytes(), InputFormat::OpenMetrics);
        assert_eq!(first(&read), expected, "{body:?}");
    }
}

#[test]
fn where_they_do_not_agree_what_can_be_understood_is_taken() {
    for (body, samples) in [
        // No newline at the end, blanks and carriage returns there.
        ("a 1\nb 2", 2),
        ("a 1 \r\n", 1),
        // Escapes that stand for themselves.
        ("a{b=\"\\x\"} 1\n", 1),
        // Saying the same twice.
        ("# TYPE a counter\n# TYPE a counter\na 1\n# HELP a x\n", 1),
        // Names in quotes, which older ones do not know.
        ("{\"a.b\",c=\"d\"} 1\na{\"b\"=\"1\"} 1\n", 2),
        // A bound that is no number.
        ("# TYPE h histogram\nh_bucket{le=\"x\"} 1\n", 1),
    ] {
        let read = parse(body.as_bytes(), InputFormat::Text);
        assert_eq!(first(&read), "", "{body:?}");
        let count: usize = read.families.iter().map(|family| family.samples().len()).sum();
        assert_eq!(count, samples, "{body:?}");
    }
}

/// The first problem as `line:column:reason`, or nothing.
fn first(read: &Exposition<'_>) -> String {
    let first = read.problems.first().first();
    first.map_or(String::new(), |p| format!("{}:{}:{}", p.line, p.column, p.reason.as_str()))
}
