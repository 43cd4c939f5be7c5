//! Names of any script in every syntax and escaping.

use podmeter::exposition::{Escaping, Format, InputFormat, Source, Syntax, merge_for, parse};

use crate::messages::families;
use crate::{lines, merged_for, protobuf, read, written};

const BODY: &str = "# HELP \"my.rq_total\" H\n# TYPE \"my.rq_total\" counter\n\
                    {\"my.rq_total\",\"a.b\"=\"1\",c=\"2\"} 1\n\
                    # TYPE \"h ü\" histogram\n{\"h ü_bucket\",le=\"+Inf\"} 1\n{\"h ü_sum\"} 1\n{\"h ü_count\"} 1\n\
                    # TYPE plain gauge\nplain{x_y=\"1\"} 1\n";

fn spelt(syntax: Syntax, escaping: Escaping) -> String {
    let format = Format::new(syntax, escaping);
    String::from_utf8(written(&merged_for(format, BODY.as_bytes()), format)).unwrap()
}

#[test]
fn text_1_0_0_keeps_names_in_quotes() {
    assert_eq!(spelt(Syntax::QuotedText, Escaping::AllowUtf8), BODY);
    let read = parse(BODY.as_bytes(), InputFormat::Text);
    assert_eq!(read.problems.first(), []);
}

#[test]
fn openmetrics_keeps_names_in_quotes_and_takes_the_ending_off_a_counter() {
    assert_eq!(
        spelt(Syntax::OpenMetrics, Escaping::AllowUtf8),
        "# HELP \"my.rq\" H\n# TYPE \"my.rq\" counter\n{\"my.rq_total\",\"a.b\"=\"1\",c=\"2\"} 1\n\
         # TYPE \"h ü\" histogram\n{\"h ü_bucket\",le=\"+Inf\"} 1\n{\"h ü_sum\"} 1\n{\"h ü_count\"} 1\n\
         # TYPE plain gauge\nplain{x_y=\"1\"} 1\n# EOF\n"
    );
}

#[test]
fn each_escaping_spells_what_is_not_classic_and_nothing_else() {
    for (escaping, counter, histogram, label) in [
        (Escaping::Underscores, "my_rq_total", "h__", "a_b"),
        (Escaping::Dots, "my_dot_rq__total", "h____", "a_dot_b"),
        (Escaping::Values, "U__my_2e_rq__total", "U__h_20__fc_", "U__a_2e_b"),
    ] {
        let expected = format!(
            "# HELP {counter} H\n# TYPE {counter} counter\n{counter}{{{label}=\"1\",c=\"2\"}} 1\n\
             # TYPE {histogram} histogram\n{histogram}_bucket{{le=\"+Inf\"}} 1\n\
             {histogram}_sum 1\n{histogram}_count 1\n# TYPE plain gauge\nplain{{x_y=\"1\"}} 1\n"
        );
        assert_eq!(spelt(Syntax::Text, escaping), expected);
        assert_eq!(spelt(Syntax::QuotedText, escaping), expected);
        let om = spelt(Syntax::OpenMetrics, escaping);
        assert!(om.contains(&format!("\n{counter}{{{label}=\"1\",c=\"2\"}} 1\n")), "{om}");
        assert!(
            om.contains(&format!("# TYPE {} counter\n", counter.trim_end_matches("_total")))
                || escaping != Escaping::Underscores,
            "{om}"
        );
    }
}

#[test]
fn protobuf_has_names_as_they_are() {
    let format = Format::new(Syntax::Protobuf, Escaping::AllowUtf8);
    let answer = written(&merged_for(format, BODY.as_bytes()), format);
    let names: Vec<_> = families(&answer).iter().map(|family| family[&1][0].text()).collect();
    assert_eq!(names, ["my.rq_total", "h ü", "plain"]);
    assert_eq!(lines(&read(&answer))[0], "my.rq_total{a.b=1,c=2} 1");
    assert_eq!(lines(&read(&protobuf(BODY.as_bytes())))[0], "my_rq_total{a_b=1,c=2} 1");
}

#[test]
fn names_that_are_one_once_spelt_are_one_family() {
    let body = "# TYPE \"a.b\" gauge\n{\"a.b\"} 1\n# TYPE a_b gauge\na_b 2\n";
    let merged = merged_for(Format::TEXT, body.as_bytes());
    assert_eq!(written(&merged, Format::TEXT), b"# TYPE a_b gauge\na_b 1\n");
    assert_eq!(merged.outcomes()[0].dropped.total(), 1);
    let format = Format::new(Syntax::QuotedText, Escaping::AllowUtf8);
    let merged = merged_for(format, body.as_bytes());
    assert_eq!(String::from_utf8(written(&merged, format)).unwrap(), body);
}

#[test]
fn a_source_label_stands_beside_names_in_quotes() {
    let body = b"{\"a.b\",\"c.d\"=\"1\",source=\"x\",e=\"\"} 1\n";
    let source = Source::new("s", parse(body, InputFormat::Text)).labelled();
    let format = Format::new(Syntax::QuotedText, Escaping::AllowUtf8);
    let merged = merge_for(format, vec![], vec![source]);
    assert_eq!(
        String::from_utf8(written(&merged, format)).unwrap(),
        "# TYPE \"a.b\" untyped\n{\"a.b\",\"c.d\"=\"1\",exported_source=\"x\",e=\"\",source=\"s\"} 1\n"
    );
}

#[test]
fn names_that_a_source_escaped_are_what_they_were_before() {
    let escaped = spelt(Syntax::OpenMetrics, Escaping::Values);
    let read = parse(escaped.as_bytes(), InputFormat::OpenMetrics).unescaped();
    let format = Format::new(Syntax::QuotedText, Escaping::AllowUtf8);
    let merged = merge_for(format, vec![], vec![Source::new("app", read)]);
    assert_eq!(String::from_utf8(written(&merged, format)).unwrap(), BODY);
}
