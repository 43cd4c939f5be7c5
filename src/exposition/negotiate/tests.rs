//! What real scrapers send, and what the specification says of all others.

use super::*;
use proptest::prelude::*;

const PROTO: &str =
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
const OM: &str = "application/openmetrics-text";
const OM_UTF8: Format = Format::new(Syntax::OpenMetrics, Escaping::AllowUtf8).told();
const TEXT_UTF8: Format = Format::new(Syntax::QuotedText, Escaping::AllowUtf8).told();

#[track_caller]
fn gives(accept: &str, format: Format) {
    assert_eq!(negotiate([accept]), format, "{accept}");
}

#[test]
fn each_prometheus_2_gets_what_it_likes_best_of_what_we_have() {
    // 2.5 to 2.34: OpenMetrics 1.0.0 is more than it would understand.
    gives(
        "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        Format::TEXT,
    );
    // Before 2.5, and VictoriaMetrics until today.
    gives("text/plain;version=0.0.4;q=1,*/*;q=0.1", Format::TEXT);
    // Before 2.0.
    gives(&format!("{PROTO};q=0.7,text/plain;version=0.0.4;q=0.3"), Format::PROTOBUF);
    // 2.35 to 2.48, without and with native histograms.
    let usual = "application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;\
                 q=0.5,*/*;q=0.1";
    gives(&format!("{OM};version=1.0.0,{usual}"), Format::OPENMETRICS);
    gives(&format!("{PROTO},{OM};version=1.0.0;q=0.8,{usual}"), Format::PROTOBUF);
    // 2.49 to 2.55, where the order is a setting (`scrape_protocols`).
    let text = "text/plain;version=0.0.4";
    gives(
        &format!("{OM};version=1.0.0;q=0.5,{OM};version=0.0.1;q=0.4,{text};q=0.3,*/*;q=0.2"),
        Format::OPENMETRICS,
    );
    gives(
        &format!(
            "{PROTO};q=0.5,{OM};version=1.0.0;q=0.4,{OM};version=0.0.1;q=0.3,{text};q=0.2,\
             */*;q=0.1"
        ),
        Format::PROTOBUF,
    );
    gives(&format!("{text};q=0.5,*/*;q=0.4"), Format::TEXT);
    gives(&format!("{OM};version=0.0.1;q=0.5,{text};q=0.4,*/*;q=0.3"), Format::TEXT);
    // Even if only a wildcard fits: the ranges that do not fit say nothing.
    gives(&format!("{OM};version=0.0.1;q=0.5,*/*;q=0.4"), Format::TEXT);
}

/// The OpenTelemetry collector and Grafana Alloy scrape with Prometheus's own code, and so alike.
#[test]
fn each_prometheus_3_gets_what_it_likes_best_of_what_we_have() {
    // The first ones, names of any script allowed: the parameter stands in each range.
    let utf8 = "escaping=allow-utf-8";
    gives(
        &format!(
            "{OM};version=1.0.0;{utf8};q=0.5,{OM};version=0.0.1;{utf8};q=0.4,text/plain;\
             version=0.0.4;{utf8};q=0.3,*/*;q=0.2"
        ),
        OM_UTF8,
    );
    gives(
        &format!("{PROTO};{utf8};q=0.5,{OM};version=1.0.0;{utf8};q=0.4,*/*;q=0.3"),
        Format::new(Syntax::Protobuf, Escaping::AllowUtf8).told(),
    );
    // Later it stands where the format knows it.
    let texts = format!("text/plain;version=1.0.0;{utf8};q=0.4,text/plain;version=0.0.4;q=0.3");
    gives(
        &format!("{OM};version=1.0.0;{utf8};q=0.6,{OM};version=0.0.1;q=0.5,{texts},*/*;q=0.2"),
        OM_UTF8,
    );
    gives(
        &format!("{PROTO};q=0.6,{OM};version=1.0.0;{utf8};q=0.5,{OM};version=0.0.1;q=0.4,{texts}"),
        Format::PROTOBUF,
    );
    gives(&format!("{texts},*/*;q=0.2"), TEXT_UTF8);
    gives("text/plain;version=0.0.4;q=0.6,*/*;q=0.5", Format::TEXT);
    // With the names of old (`metric_name_escaping_scheme`).
    for (name, escaping) in [
        ("underscores", Escaping::Underscores),
        ("dots", Escaping::Dots),
        ("values", Escaping::Values),
    ] {
        gives(
            &format!("{OM};version=1.0.0;escaping={name};q=0.6,text/plain;version=0.0.4;q=0.3"),
            Format::new(Syntax::OpenMetrics, escaping).told(),
        );
    }
}

#[test]
fn other_programs_get_what_they_ask_for() {
    // Datadog's agent, before and since its OpenMetrics check.
    gives("text/plain", Format::TEXT);
    gives(
        &format!(
            "{OM};version=1.0.0,{OM};version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
        ),
        Format::OPENMETRICS,
    );
    gives(&PROTO.replace(';', "; "), Format::PROTOBUF);
    // curl, wget, Go's and Python's clients.
    gives("*/*", Format::TEXT);
    assert_eq!(negotiate([]), Format::TEXT);
    // Firefox, Chrome, and one that asks for images.
    gives("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Format::TEXT);
    gives(
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,\
         */*;q=0.8,application/signed-exchange;v=b3;q=0.7",
        Format::TEXT,
    );
    gives("image/avif,image/webp,image/png;q=0.8,*/*;q=0.5", Format::TEXT);
    // Spring's clients.
    gives("application/openmetrics-text; version=1.0.0; charset=utf-8", Format::OPENMETRICS);
    gives("application/json, text/plain, */*", Format::TEXT);
}

#[test]
fn whoever_asks_for_nothing_that_we_have_gets_text() {
    for accept in [
        "",
        "text/html",
        "image/png",
        "application/json",
        ",;=,;q=",
        "\"",
        "\\",
        "/",
        "*",
        "text/plain;q=0",
        "*/*;q=0",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;version=2.0.0",
        "application/vnd.google.protobuf",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
         encoding=compact-text",
        "application/vnd.google.protobuf;proto=my.Message;encoding=delimited",
    ] {
        gives(accept, Format::TEXT);
    }
}

#[test]
fn the_heaviest_wins_and_between_equals_the_first() {
    gives(&format!("{OM};q=0.5,text/plain;q=0.4"), Format::OPENMETRICS);
    gives(&format!("{OM};q=0.4,text/plain;q=0.5"), Format::TEXT);
    gives(&format!("{OM};q=0.499,text/plain;q=0.5"), Format::TEXT);
    gives(&format!("{OM},text/plain"), Format::OPENMETRICS);
    gives(&format!("text/plain,{OM}"), Format::TEXT);
    gives(&format!("{PROTO},{OM}"), Format::PROTOBUF);
    gives(&format!("{OM},{PROTO}"), Format::OPENMETRICS);
    gives("text/plain;version=1.0.0,text/plain;version=0.0.4", TEXT_1);
    gives("text/plain;version=0.0.4,text/plain;version=1.0.0", Format::TEXT);
}

#[test]
fn the_most_specific_range_tells_the_weight() {
    gives(&format!("*/*,{OM};q=0.1"), Format::TEXT);
    gives(&format!("{OM};q=0,*/*"), Format::TEXT);
    gives("application/*;q=0,*/*;q=0.5", Format::TEXT);
    gives("text/plain;q=0,*/*", Format::OPENMETRICS);
    gives("text/*;q=0.2,*/*;q=0.8", Format::OPENMETRICS);
    gives("application/*", Format::OPENMETRICS);
    gives("application/*,text/*", Format::TEXT);
    // A wildcard says that text will do as well, not that it is wanted.
    gives(&format!("{OM};q=0.5,*/*;q=0.5"), Format::OPENMETRICS);
    gives(&format!("*/*;q=0.5,{OM};q=0.5"), Format::OPENMETRICS);
    // Twice the same: the heavier one.
    gives(&format!("{OM};q=0.1,text/plain;q=0.5,{OM}"), Format::OPENMETRICS);
}

#[test]
fn several_lines_are_one_header() {
    assert_eq!(negotiate([OM, "text/plain"]), Format::OPENMETRICS);
    assert_eq!(negotiate(["text/plain", OM]), Format::TEXT);
    assert_eq!(negotiate(["text/plain;q=0.4", "*/*;q=0.1", OM]), Format::OPENMETRICS);
}

#[test]
fn spelling_is_read_generously() {
    gives("APPLICATION/OpenMetrics-Text ; VERSION=\"1.0.0\"", Format::OPENMETRICS);
    gives(" application/openmetrics-text\t;\tversion = 1.0.0 ; Q = 0.9 , text/plain;q=0.8", {
        Format::OPENMETRICS
    });
    gives(&format!("{OM};note=\"a,b;q=0\";version=1.0.0"), Format::OPENMETRICS);
    gives(&format!("{OM};version=1.0.0;escaping=backwards"), Format::OPENMETRICS);
    gives(&format!("{OM};version=1.0.0;escaping=\"values\""), {
        Format::new(Syntax::OpenMetrics, Escaping::Values).told()
    });
    // Text 0.0.4 has no place for names of any script.
    gives("text/plain;version=0.0.4;escaping=allow-utf-8", Format::TEXT.told());
    gives("text/plain;escaping=values", Format::new(Syntax::Text, Escaping::Values).told());
}

#[test]
fn what_is_no_weight_counts_as_one() {
    for (text, thousandths) in [
        ("1", 1000),
        ("1.000", 1000),
        ("0", 0),
        ("0.", 0),
        ("0.0", 0),
        ("0.001", 1),
        ("0.5", 500),
        ("0.123", 123),
        ("", 1000),
        ("x", 1000),
        ("1.1", 1000),
        ("-1", 1000),
        ("NaN", 1000),
        ("inf", 1000),
        ("1e9", 1000),
    ] {
        assert_eq!(weight(text), thousandths, "{text}");
    }
}

#[test]
fn a_header_without_end_costs_no_more_than_one_with_a_handful() {
    let many = "text/html,".repeat(MAX_RANGES) + OM;
    gives(&many, Format::TEXT);
}

proptest! {
    #[test]
    fn any_header_gives_a_format(lines in prop::collection::vec(".*", 0..3)) {
        negotiate(lines.iter().map(String::as_str));
    }

    #[test]
    fn white_space_and_case_mean_nothing(weights in prop::array::uniform4(0u16..=1000)) {
        let types = ["text/plain", OM, PROTO, "text/plain;version=1.0.0"];
        let ranges = types.iter().zip(weights);
        let tight: Vec<_> =
            ranges.clone().map(|(name, q)| format!("{name};q={}", f32::from(q) / 1000.0)).collect();
        let loose: Vec<_> = ranges
            .map(|(name, q)| format!(" {} ; Q = {:.3} ", name.replace(';', " ; "), f32::from(q) / 1000.0))
            .collect();
        let (tight, loose) = (tight.join(","), loose.join(" , "));
        let format = negotiate([&*tight]);
        prop_assert_eq!(format, negotiate([&*loose]));
        // The heaviest, and of equals the first.
        let best = weights.iter().max().copied().unwrap_or_default();
        let first = weights.iter().position(|weight| *weight == best).unwrap_or_default();
        let given = [Format::TEXT, Format::OPENMETRICS, Format::PROTOBUF, TEXT_1][first];
        prop_assert_eq!(format, if best == 0 { Format::TEXT } else { given });
    }
}

const TEXT_1: Format = Format::new(Syntax::QuotedText, Escaping::Underscores);
