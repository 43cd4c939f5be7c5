//! What real programs say, added up.

use podmeter::exposition::{
    Format, GaugeRules, InputFormat, Kind, Member, Source, Suffix, merge, parse, render, sum,
};

use crate::{count, messages, process, series, served, skip};

#[test]
fn native_histograms_add_up_at_the_coarser_resolution() {
    use crate::messages::Message;
    let of = |schema: i64, offset: i64, counts: &[i64]| {
        let sum = counts.iter().sum::<i64>().cast_unsigned() + 1;
        let span = Message::default().sint(1, offset).uint(2, counts.len() as u64);
        let native = Message::default().uint(1, sum).double(2, 1.5).sint(5, schema).double(6, 0.0);
        let mut native = native.uint(7, 1).message(12, span);
        let mut last = 0;
        for count in counts {
            native = native.sint(13, count - std::mem::replace(&mut last, *count));
        }
        messages::delimited([messages::family("h", 4, [Message::default().message(7, native)])])
    };
    let bodies = [of(1, 1, &[1, 2, 3, 4]), of(0, 1, &[10, 20]), of(1, 3, &[100])];
    let members = bodies.iter().map(|body| Member::new("a", parse(body, InputFormat::Protobuf)));
    let added = sum(members.collect(), &GaugeRules::default());
    let native = added.exposition.families[0].samples()[0].native().unwrap().clone();
    assert_eq!(native.schema(), 0);
    assert_eq!(native.positive(), [(1, 13.0), (2, 127.0)]);
    assert_eq!((native.zero_count(), native.count(), native.sum()), (3.0, 143.0, 4.5));

    let merged = merge(vec![], vec![Source::new("sum", added.exposition)]);
    let mut out = Vec::new();
    render(&merged, Format::PROTOBUF, &mut out);
    let again = parse(&out, InputFormat::Protobuf);
    assert_eq!(again.problems.total(), 0);
    assert_eq!(again.families[0].samples()[0].native(), Some(&native));
}

#[test]
fn what_real_programs_say_can_be_added_to_itself() {
    let Some(data) = process::reference_data() else {
        skip::skip("what_real_programs_say_can_be_added_to_itself", "it needs the reference data");
        return;
    };
    let mut files = 0;
    for folder in ["corpora", "corpora/protobuf"] {
        for file in std::fs::read_dir(data.join(folder)).unwrap() {
            let path = file.unwrap().path();
            let name = path.display();
            if path.is_dir() {
                continue;
            }
            let body = std::fs::read(&path).unwrap();
            let once = parse(&body, InputFormat::Unknown);
            if count(&once) == 0 {
                continue;
            }
            files += 1;
            let members =
                ["one", "two"].map(|name| Member::new(name, parse(&body, InputFormat::Unknown)));
            let added = sum(members.into(), &GaugeRules::default());
            let (once, twice) = (series(&once), series(&added.exposition));
            for family in &added.exposition.families {
                let adds = matches!(family.kind(), Kind::Counter | Kind::Histogram | Kind::Summary);
                for sample in family.samples().iter().filter(|s| s.suffix() != Suffix::Created) {
                    let mut labels = family.labels(sample);
                    labels.sort();
                    let series = (family.sample_name(sample), labels);
                    let was: f64 = once[&series].parse().unwrap();
                    let is: f64 = twice[&series].parse().unwrap();
                    let doubled = is.total_cmp(&(was * 2.0)).is_eq();
                    assert!(!adds || doubled, "{name}: {series:?} {was} {is}");
                }
            }
            for format in [Format::TEXT, Format::OPENMETRICS] {
                let members = ["one", "two"]
                    .map(|name| Member::new(name, parse(&body, InputFormat::Unknown)));
                served(sum(members.into(), &GaugeRules::default()).exposition, format);
            }
        }
    }
    assert!(files >= 8, "{files}");
}
