//! The laws over made-up conversations: the same cases in every run, and a failing one is printed.

use crate::conversations::{acts, conversation};
use crate::law::{Script, Seen, Step, check};
use crate::model::Model;
use crate::wire::{hello, hello_back};
use podmeter::observe::{Direction, Ending, Event};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn seeded(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(9113),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn endings() -> impl Strategy<Value = Ending> {
    let all = [Ending::Finished, Ending::ClientReset, Ending::AppReset, Ending::GivenUp];
    prop::sample::select(all.to_vec())
}

/// Status and flags of each exchange.
fn counted(seen: &Seen) -> Vec<(u16, &'static str)> {
    seen.exchanges().map(|exchange| (exchange.status, exchange.flags.as_str())).collect()
}

fn counted_by(model: &Model) -> Vec<(u16, &'static str)> {
    model.exchanges.iter().map(|&(_, status, flags)| (status, flags)).collect()
}

fn is_lost(seen: &Seen) -> bool {
    seen.events.iter().any(|event| matches!(event, Event::Unparsed { .. }))
}

proptest! {
    #![proptest_config(seeded(800))]

    #[test]
    fn what_is_counted_is_what_another_reading_counts(acts in acts(), ending in endings()) {
        let script = conversation(&acts, ending).script;
        let seen = check(&script).map_err(TestCaseError::fail)?;
        let model = Model::of(&script);
        prop_assert!(!model.is_broken && !is_lost(&seen), "{}", script);
        prop_assert_eq!(counted(&seen), counted_by(&model), "{}", script);
    }

    #[test]
    fn no_byte_of_any_content_changes_anything(
        acts in acts(),
        ending in endings(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let whole = conversation(&acts, ending);
        let bytes = whole.content.iter().flat_map(|(step, range)| range.clone().map(|at| (*step, at)));
        let bytes: Vec<(usize, usize)> = bytes.collect();
        prop_assume!(!bytes.is_empty());
        let (step, at) = bytes[place.index(bytes.len())];
        let mut changed = whole.script.clone();
        change(&mut changed, step, at, byte);
        let seen = [&whole.script, &changed].map(|script| check(script).map_err(TestCaseError::fail));
        let [seen, otherwise] = seen;
        prop_assert_eq!(seen?, otherwise?);
    }

    /// Whatever byte it is: what was over before it stays as it was; and what comes after is what
    /// another reading of the changed bytes counts, or it is given up.
    #[test]
    fn one_wrong_byte_changes_no_exchange_that_was_over_and_none_into_a_wrong_one(
        acts in acts(),
        ending in endings(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut script = conversation(&acts, ending).script;
        let before = Model::of(&script);
        let (step, at) = byte_at(&script, place);
        change(&mut script, step, at, byte);
        let seen = check(&script).map_err(TestCaseError::fail)?;
        let (counted, model) = (counted(&seen), Model::of(&script));
        let over = if step == 0 { 0 } else { before.after_step[step - 1] };
        prop_assert_eq!(&counted[..over.min(counted.len())], &counted_by(&before)[..over]);
        if is_lost(&seen) {
            let as_far = counted_by(&model);
            let http1 = seen.exchanges().any(|exchange| exchange.flags.as_str() == "DPE");
            prop_assert!(!http1);
            let agreed = counted.iter().zip(&as_far).filter(|(a, b)| a == b).count();
            prop_assert!(agreed == counted.len().min(as_far.len()), "{:?} {:?}", counted, as_far);
        } else if !model.is_broken {
            prop_assert_eq!(counted, counted_by(&model), "{}", script);
        }
    }

    #[test]
    fn the_laws_hold_for_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        check(&crate::fuzzed::script(&bytes, 256)).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn the_laws_hold_for_any_bytes_in_any_frames(
        says in proptest::collection::vec((any::<bool>(), frames()), 0..12),
        ending in endings(),
        max_head_bytes in prop_oneof![1_usize..200, Just(64 * 1024)],
    ) {
        let mut steps = vec![
            Step::Says(Direction::Request, hello()),
            Step::Says(Direction::Response, hello_back()),
        ];
        for (by_app, bytes) in says {
            let by = if by_app { Direction::Response } else { Direction::Request };
            steps.push(Step::Says(by, bytes));
        }
        let ending = if ending == Ending::Finished { Ending::GivenUp } else { ending };
        check(&Script { max_head_bytes, steps, ending }).map_err(TestCaseError::fail)?;
    }
}

/// Frames whose heads are plausible and whose payloads are anything.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let small =
        prop_oneof![Just(0_u8), Just(1), Just(4), Just(5), Just(8), Just(0x25), any::<u8>()];
    let payload = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..30),
        proptest::collection::vec(
            prop::sample::select(&[0x82_u8, 0x88, 0xbe, 0x84, 0x40][..]),
            0..9
        ),
    ];
    let frame = (0..11_u8, small, 0..6_u32, payload).prop_map(|(kind, flags, stream, payload)| {
        crate::wire::frame(kind, flags, stream, &payload)
    });
    proptest::collection::vec(frame, 0..4).prop_map(|frames| frames.concat())
}

/// Where a byte of a script is that was picked among all.
fn byte_at(script: &Script, place: prop::sample::Index) -> (usize, usize) {
    let mut at = place.index(script.bytes());
    for (i, step) in script.steps.iter().enumerate() {
        let Step::Says(_, bytes) = step else { continue };
        if at < bytes.len() {
            return (i, at);
        }
        at -= bytes.len();
    }
    (0, 0)
}

fn change(script: &mut Script, step: usize, at: usize, byte: u8) {
    if let Step::Says(_, bytes) = &mut script.steps[step] {
        bytes[at] = byte;
    }
}
