//! Cases from the test suites of other HTTP implementations: every accepted message is counted as
//! the answer that the app gave, and no other case yields an exchange that did not happen.

use crate::law::{Script, Seen, Step, check_each_split};
use crate::skip::skip;
use podmeter::observe::{Direction, Ending};
use serde_json::Value;
use std::path::PathBuf;

#[test]
fn every_accepted_message_counts_as_its_answer() {
    let test = "every_accepted_message_counts_as_its_answer";
    for case in cases(test, |class| class == "accept") {
        let accepted = case.verdicts(&["accept"]);
        let statuses: Vec<_> = (200..).take(accepted).collect();
        let answers = statuses.iter().map(|status| {
            let answer = format!("HTTP/1.1 {status} Here\r\nContent-Length: 0\r\n\r\n");
            Step::Says(Direction::Response, answer.into_bytes())
        });
        let seen = case.play(answers.collect(), Ending::ClientReset);
        let expected: Vec<_> = statuses.iter().map(|status| format!("{status} -")).collect();
        assert_eq!(counts(&seen), expected, "{}: {seen:#?}", case.id);
    }
}

#[test]
fn what_is_never_answered_has_no_status_and_what_is_malformed_no_exchange() {
    let test = "what_is_never_answered_has_no_status_and_what_is_malformed_no_exchange";
    for case in cases(test, |class| class != "accept" && class != "response") {
        let whole = case.verdicts(&["accept", "incomplete", "normalise"]);
        let seen = case.play(vec![], Ending::ClientReset);
        let counted = counts(&seen);
        assert!(counted.len() <= whole, "{}: {seen:#?}", case.id);
        assert!(counted.iter().all(|count| count == "0 DC"), "{}: {seen:#?}", case.id);
    }
}

#[test]
fn what_is_answered_by_400_and_a_close_counts_as_one_400() {
    let test = "what_is_answered_by_400_and_a_close_counts_as_one_400";
    for case in cases(test, |class| class != "accept" && class != "response") {
        let bad = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 3\r\n\r\nBad";
        let answer = Step::Says(Direction::Response, bad.to_vec());
        let answer = vec![answer, Step::Finishes(Direction::Response)];
        let seen = case.play(answer, Ending::ClientReset);
        // The first message is the one that is answered.
        let expected = match case.verdict(0) {
            "accept" | "normalise" => &["400 -", "400 DPE"][..],
            "incomplete" => &["400 -", "400 DPE"],
            _ => &["400 DPE"],
        };
        let counted = counts(&seen);
        assert_eq!(counted.len(), 1, "{}: {seen:#?}", case.id);
        assert!(expected.contains(&counted[0].as_str()), "{}: {seen:#?}", case.id);
    }
}

#[test]
fn an_answer_counts_once_with_the_status_that_it_has() {
    let test = "an_answer_counts_once_with_the_status_that_it_has";
    for case in cases(test, |class| class == "response") {
        let get = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
        let steps = vec![
            Step::Says(Direction::Request, get),
            Step::Says(Direction::Response, case.raw.clone()),
            Step::Finishes(Direction::Response),
        ];
        let seen = play(&case.id, steps, Ending::ClientReset);
        let counted = counts(&seen);
        assert!(counted.len() <= 1, "{}: {seen:#?}", case.id);
        let status = counted.first().map(|count| count[..3].to_owned());
        match final_status(&case.raw) {
            Some(expected) if case.is_accepted => {
                assert_eq!(status, Some(expected), "{}: {seen:#?}", case.id);
            }
            // The laws saw to it that a status which was counted was said.
            Some(_) => {}
            // A line that ends in LF alone still has its status, and is the app's fault.
            None if status.is_some_and(|status| counted == [format!("{status} UPE")]) => {}
            None => assert!(counted.is_empty() || counted == ["503 UC"], "{}: {seen:#?}", case.id),
        }
    }
}

/// The status of the first whole head that is no interim answer.
fn final_status(mut raw: &[u8]) -> Option<String> {
    loop {
        while let Some(rest) = raw.strip_prefix(b"\r\n") {
            raw = rest;
        }
        let end = raw.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
        let status = raw.strip_prefix(b"HTTP/1.")?.get(2..5)?;
        if status[0] != b'1' || status == b"101" {
            return Some(String::from_utf8_lossy(status).into_owned());
        }
        raw = &raw[end..];
    }
}

fn counts(seen: &Seen) -> Vec<String> {
    let count = |e: &podmeter::observe::Exchange| format!("{} {}", e.status, e.flags.as_str());
    seen.exchanges().map(count).collect()
}

fn play(id: &str, steps: Vec<Step>, ending: Ending) -> Seen {
    let script = Script { max_head_bytes: 64 * 1024, steps, ending };
    check_each_split(&script).unwrap_or_else(|broken| panic!("{id}: {broken}"))
}

/// A case that its sources and the RFC agree on.
struct Case {
    id: String,
    raw: Vec<u8>,
    verdicts: Vec<String>,
    is_accepted: bool,
}

impl Case {
    /// The client says all of it, and then these steps follow.
    fn play(&self, then: Vec<Step>, ending: Ending) -> Seen {
        let mut steps = vec![Step::Says(Direction::Request, self.raw.clone())];
        steps.extend(then);
        play(&self.id, steps, ending)
    }

    fn verdict(&self, message: usize) -> &str {
        &self.verdicts[message]
    }

    /// How many messages have one of these verdicts.
    fn verdicts(&self, of: &[&str]) -> usize {
        self.verdicts.iter().filter(|verdict| of.contains(&verdict.as_str())).count()
    }
}

/// The cases of some classes. A malformed one that is unfinished as well comes a second time,
/// finished.
fn cases(test: &str, wanted: fn(&str) -> bool) -> Vec<Case> {
    let path = reference_data().join("http/cases.json");
    let Ok(file) = std::fs::read(&path) else {
        skip(test, &format!("there is no {}", path.display()));
        return vec![];
    };
    let all: Vec<Value> = serde_json::from_slice(&file).expect("the reference cases are JSON");
    let mut cases = Vec::new();
    for case in &all {
        let string = |key: &str| case[key].as_str();
        let is_disputed = case["source_agrees"] == false || case["policy_specific"] == true;
        if is_disputed || !wanted(string("class").unwrap_or_default()) {
            continue;
        }
        let messages = case["rfc9112_messages"].as_array().map_or(&[][..], Vec::as_slice);
        let verdict = |m: &Value| m["verdict"].as_str().unwrap_or_default().to_owned();
        let raw = string("raw_with_host_base64").or(string("raw_base64"));
        for raw in [raw, string("raw_completed_base64")].into_iter().flatten() {
            cases.push(Case {
                id: string("id").unwrap_or_default().to_owned(),
                raw: base64(raw),
                verdicts: messages.iter().map(verdict).collect(),
                is_accepted: string("source_expectation").is_some_and(|e| e.starts_with("accept")),
            });
        }
    }
    assert!(cases.len() > 40, "only {} cases are left of {}", cases.len(), all.len());
    cases
}

#[expect(clippy::disallowed_methods, reason = "a test's surroundings are told by variables")]
fn reference_data() -> PathBuf {
    std::env::var_os("PODMETER_REFERENCE_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    )
}

/// RFC 4648, section 4.
fn base64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    for digit in text.trim_end_matches('=').bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => panic!("{text:?} is not base64"),
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    bytes
}
