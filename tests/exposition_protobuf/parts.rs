//! Answers are written in parts of a bounded size, however large a family is.

use std::fmt::Write as _;

use podmeter::exposition::{Format, Rendering};

use crate::messages::{Message, delimited, families, family};
use crate::{merged, written};

/// What one part may hold at most: 64 KiB and the sample that did not fit any more.
const MOST: usize = (64 << 10) + 1024;

#[test]
fn a_family_of_many_samples_is_written_in_parts_that_add_up() {
    let mut gauges = "# HELP g Help.\n# TYPE g gauge\n".to_owned();
    let mut histograms = "# TYPE h histogram\n".to_owned();
    for n in 0..5000 {
        let _ = writeln!(gauges, "g{{n=\"{n}\",path=\"/some/path/that/is/not/short\"}} {n}");
        let _ = writeln!(
            histograms,
            "h_bucket{{n=\"{n}\",le=\"1\"}} 1\nh_bucket{{n=\"{n}\",le=\"+Inf\"}} 2\n\
             h_sum{{n=\"{n}\"}} 1.5\nh_count{{n=\"{n}\"}} 2"
        );
    }
    let small = "# TYPE s gauge\ns 1\n".to_owned();
    let body = gauges + &histograms + &small;
    let merged = merged(body.as_bytes());
    for format in [Format::TEXT, Format::OPENMETRICS, Format::PROTOBUF] {
        let mut rendering = Rendering::new(format);
        let mut whole = Vec::new();
        let mut parts = 0;
        loop {
            let mut part = Vec::new();
            let more = rendering.advance(&merged, &mut part);
            assert!(part.len() <= MOST, "{format:?}: {} bytes", part.len());
            assert!(!more || part.len() > 30 << 10, "{format:?}: a part of {}", part.len());
            whole.extend(part);
            parts += 1;
            if !more {
                break;
            }
        }
        assert!(parts > 5, "{format:?}: {parts} parts");
        assert!(whole == written(&merged, format), "{format:?}");
        let mut after = Vec::new();
        assert!(!rendering.advance(&merged, &mut after) && after.is_empty(), "{format:?}");
    }
    let answer = written(&merged, Format::PROTOBUF);
    let counts: Vec<_> = families(&answer).iter().map(|family| family[&4].len()).collect();
    assert_eq!(counts, [5000, 5000, 1]);
}

#[test]
fn the_length_of_a_family_is_right_on_either_side_of_every_border() {
    for help in (32_600..32_800).step_by(7).chain([0, 100, 127, 128, 16_383, 16_384, 70_000]) {
        let metrics = (0..600).map(|n: u32| {
            let gauge = Message::default().double(1, f64::from(n));
            Message::default().label("n", &format!("{n:050}")).message(2, gauge)
        });
        let text = "h".repeat(help);
        let body = delimited([
            family("g", 1, metrics).text(2, &text),
            family("after", 1, [Message::default().message(2, Message::default().double(1, 1.0))]),
        ]);
        let answer = written(&merged(&body), Format::PROTOBUF);
        let read = families(&answer);
        assert_eq!((read.len(), read[0][&4].len()), (2, 600), "{help}");
    }
}
