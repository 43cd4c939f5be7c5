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
fn native_histograms_of_fractions_add_up_as_readers_add_their_buckets() {
    use crate::messages::Message;
    // Added one after the other, the buckets of both come to more than their counts do.
    let of = |counts: [f64; 3], classic: bool| {
        let sum = counts.iter().fold(0.0, |sum, count| sum + count);
        let span = Message::default().sint(1, 0).uint(2, 3);
        let native = Message::default().double(4, sum).double(2, 1.5).sint(5, 3).double(6, 1e-9);
        let native = counts.iter().fold(native.message(12, span), |m, c| m.double(14, *c));
        let bound = Message::default().double(2, 1.0).double(4, counts[0]);
        let all = Message::default().double(2, f64::INFINITY).double(4, sum);
        let native = if classic { native.message(3, bound).message(3, all) } else { native };
        messages::delimited([messages::family("h", 4, [Message::default().message(7, native)])])
    };
    let mut off = 0;
    for (step, classic) in (1..50_u32).flat_map(|step| [(step, false), (step, true)]) {
        let step = f64::from(step);
        let bodies = [[0.1, 0.2, 0.7], [0.3, step * 0.1, 0.1], [step / 3.0, 0.6, 0.7]];
        let bodies = bodies.map(|counts| of(counts, classic));
        let read = bodies.iter().map(|body| parse(body, InputFormat::Protobuf));
        let counts = read.clone().map(|e| e.families[0].samples()[0].native().unwrap().count());
        let members = read.map(|read| Member::new("a", read)).collect();
        let added = sum(members, &GaugeRules::default()).exposition;
        let merged = merge(vec![], vec![Source::new("sum", added)]);
        assert_eq!(merged.outcomes()[0].dropped.total(), 0);
        let mut out = Vec::new();
        render(&merged, Format::PROTOBUF, &mut out);
        let again = parse(&out, InputFormat::Protobuf);
        let native = again.families[0].samples()[0].native().expect("it is still native").clone();
        let found = native.positive().iter().fold(0.0, |sum, (_, count)| sum + count);
        assert!(found <= native.count(), "{found} in buckets, {} counted", native.count());
        off += usize::from(found > counts.fold(0.0, |sum, count| sum + count));
    }
    assert!(off > 0, "no such case among them");
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
