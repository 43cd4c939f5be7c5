//! docs/metrics.md against the program: what is shown is documented, and what is documented shown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use podmeter::clock::Nanos;
use podmeter::config::Identity;
use podmeter::dialect::{self, Dialect, Dialects, Subject, Vitals};
use podmeter::exposition::{self, Format};
use podmeter::meter::{Meter, Outcome, Recorder, Route, RouteId, Side};
use podmeter::observe::grpc::Call;
use podmeter::observe::host::SeenHosts;
use podmeter::observe::path::PathId;
use podmeter::observe::{Event, Exchange, Flags, Method, Sink, Version};
use podmeter::process::Process;

use crate::every_sample::when_drained;
use crate::scrape::Scrape;
use crate::support::app::{TestApp, nobody};
use crate::support::script::{Signals, Step};
use crate::traffic::carry;

const DOCUMENT: &str = include_str!("../../docs/metrics.md");

/// A family as it is documented.
#[derive(Debug)]
struct Family {
    kind: String,
    /// Labels that are there, and those that may be.
    labels: Labels,
    example: String,
}

#[derive(Clone, Debug, Default)]
struct Labels {
    always: BTreeSet<String>,
    perhaps: BTreeSet<String>,
}

#[test]
fn every_family_is_documented_with_its_type_and_labels_and_every_documented_one_is_there() {
    let body = "# TYPE shop_orders counter\nshop_orders 3\nthis is no sample\n";
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    // What it is asked does not matter, but that it is.
    let steps = [Step::Expect(1), Step::Send(answer.into_bytes()), Step::Finish, Step::ReadToEnd];
    let source = TestApp::start(&steps, &Arc::new(Signals::default()));
    let carried = carry(&format!(
        "--app-metrics http://{},name=shop --app-metrics http://{},name=down",
        source.addr,
        nobody()
    ));
    when_drained(&carried);
    // What a scrape drops is told from the next one on.
    let scrape = Scrape::of(carried.proxy.stats.unwrap(), Format::TEXT);
    let mut shown = families(&scrape);
    for (name, (kind, labels)) in families(&asked_of_others()) {
        shown.entry(name).or_insert_with(|| (kind, BTreeSet::new())).1.extend(labels);
    }
    let documented = documented();
    for (name, (kind, labels)) in &shown {
        let Some(family) = documented.get(name) else { panic!("{name} is not documented") };
        assert_eq!(*kind, family.kind, "{name}");
        let (always, perhaps) = (&family.labels.always, &family.labels.perhaps);
        let missing: Vec<_> = always.difference(labels).collect();
        assert!(missing.is_empty(), "{name} is documented with {missing:?}, and has {labels:?}");
        let known = always | perhaps;
        let new: Vec<_> = labels.difference(&known).collect();
        assert!(new.is_empty(), "{name} has {new:?}, and that is not documented");
    }
    for (name, family) in &documented {
        // What is the app's takes an app of its own; `extras` has that.
        let is_of_app = name.starts_with("process_");
        assert!(is_of_app || shown.contains_key(name), "{name} is documented, and is not there");
        assert!(family.example.contains(name.as_str()), "{name} is not in its example");
    }
}

#[test]
fn every_dialect_has_its_section() {
    for dialect in Dialect::all() {
        let section = format!("\n## {}\n", dialect.as_str());
        assert!(DOCUMENT.contains(&section), "no section for {dialect:?}");
    }
}

#[test]
fn every_outcome_is_explained_under_its_fault() {
    let rows: Vec<String> = Outcome::ALL
        .map(|outcome| format!("| `{}` | `{}` | ", outcome.fault().as_str(), outcome.as_str()))
        .into();
    let start = DOCUMENT.find("| fault | outcome |").unwrap();
    let table: Vec<&str> = DOCUMENT[start..].lines().skip(2).take(rows.len() + 1).collect();
    for row in &rows {
        assert!(table.iter().any(|line| line.starts_with(row)), "no {row} in {table:#?}");
    }
    assert_eq!(table.last(), Some(&""), "the table is longer");
}

/// What is shown of what the pod asks of others, which takes interception to pass for real.
fn asked_of_others() -> Scrape {
    let names: Vec<_> = Dialect::all().collect();
    let port = Route::intercepted(Side::Outbound, 80, false);
    let meter = Meter::new(dialect::layout(&names, vec![port]));
    let shard = meter.shard(0).unwrap();
    let mut recorder = Recorder::new(&shard, RouteId(0));
    let seen = Arc::new(SeenHosts::new(10));
    let host = seen.find(b"api.example.com");
    recorder.event(Event::Began { host });
    recorder.event(Event::Exchange(Exchange {
        host,
        method: Method::Get,
        path: PathId::OTHER,
        version: Version::Http11,
        call: Call::Http,
        status: 500,
        flags: Flags::None,
        started: Nanos(0),
        ended: Nanos(9),
        first_byte: Some(Nanos(3)),
        first_data: None,
        held: 4,
        held_request: 1,
        request_bytes: 5,
        response_bytes: 6,
        probe: false,
        trace: None,
    }));
    let identity = Identity {
        workload: Some("shop".to_owned()),
        namespace: Some("test".to_owned()),
        pod: Some("shop-1".to_owned()),
        ..Identity::default()
    };
    let subject = Subject { seen: Some(&seen), ..Subject::new(&identity) };
    let vitals = Vitals {
        now: Nanos(10),
        draining: false,
        uptime: Duration::ZERO,
        workers: 1,
        process: Process::default(),
    };
    let dialects = Dialects::new(&names, &subject, meter.layout());
    let families = dialects.families(&meter.snapshot(), &vitals);
    let mut text = Vec::new();
    let merged = exposition::merge(families, Vec::new());
    exposition::render(&merged, Format::TEXT, &mut text);
    Scrape::read(&String::from_utf8_lossy(&text), Format::TEXT)
}

/// The families that are shown, but for the app's own: type and labels.
fn families(scrape: &Scrape) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let mut families: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
    let types = scrape.text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    for (name, kind) in types.filter_map(|line| line.split_once(' ')) {
        if !name.starts_with("shop_") {
            families.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new()));
        }
    }
    for line in scrape.lines() {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| {
            let base = line.name.strip_suffix(end)?;
            families.get(base).is_some_and(|(kind, _)| kind == "histogram").then_some(base)
        });
        let Some((_, labels)) = families.get_mut(base.unwrap_or(&line.name)) else { continue };
        labels.extend(line.labels.keys().filter(|name| *name != "le").cloned());
    }
    families
}

/// The families in the document's tables.
fn documented() -> BTreeMap<String, Family> {
    let mut families = BTreeMap::new();
    for section in DOCUMENT.split("\n## ").skip(1) {
        let sets = sets(section);
        for row in section.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            // The other table tells of outcomes.
            let [name, kind, _, labels, moves, example] = cells[..] else { continue };
            assert!(moves.len() > 3, "{row}");
            let family = Family {
                kind: kind.to_owned(),
                labels: read(labels, &sets),
                example: example.trim_matches('`').to_owned(),
            };
            let before = families.insert(name.trim_matches('`').to_owned(), family);
            assert!(before.is_none(), "{name} is documented twice");
        }
    }
    families
}

/// The sets of labels that a section names, each a point of a list that begins with its name.
fn sets(section: &str) -> BTreeMap<String, Labels> {
    let mut sets = BTreeMap::new();
    for part in section.split("\n- *").skip(1) {
        let (name, rest) = part.split_once("*:").expect("a set has a name");
        let text = rest.split("\n\n").next().unwrap_or(rest);
        let labels = read(text, &sets);
        sets.insert(name.to_owned(), labels);
    }
    sets
}

/// Labels in backquotes and sets in asterisks; what is in brackets may be.
fn read(text: &str, sets: &BTreeMap<String, Labels>) -> Labels {
    let mut labels = Labels::default();
    let mut rest = text;
    let mut is_certain = true;
    while let Some(at) = rest.find(['`', '*', '(', ')']) {
        let mark = rest.as_bytes()[at];
        rest = &rest[at + 1..];
        match mark {
            b'(' => is_certain = false,
            b')' => is_certain = true,
            _ => {
                let (word, after) = rest.split_once(char::from(mark)).expect("a mark has an end");
                rest = after;
                if mark == b'*' {
                    let set = sets.get(word).unwrap_or_else(|| panic!("no set {word}"));
                    labels.always.extend(set.always.iter().cloned());
                    labels.perhaps.extend(set.perhaps.iter().cloned());
                } else if word.starts_with("--") {
                    // A flag.
                } else if is_certain {
                    labels.always.insert(word.to_owned());
                } else {
                    labels.perhaps.insert(word.to_owned());
                }
            }
        }
    }
    labels
}
