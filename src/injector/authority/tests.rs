use super::*;
use proptest::prelude::*;
use serde_json::json;

const NOW: u64 = 1_800_000_000;
const DAY: u64 = 86_400;

fn rules() -> Rules {
    Rules {
        names: vec!["hook".to_owned(), "hook.mesh.svc".to_owned()],
        lifetime: Duration::from_secs(90 * DAY),
        authority_lifetime: Duration::from_secs(900 * DAY),
    }
}

fn change(authority: &Authority, now: u64, trusted: bool) -> Option<(Authority, Change)> {
    authority.next(&rules(), now, trusted).unwrap()
}

/// Whether whoever was told `bundle` believes what `server` shows.
fn believes(bundle: &Authority, server: &Authority, now: u64) -> bool {
    server.bundle_trusts(&bundle.bundle, &rules(), now)
}

#[test]
fn what_was_just_made_is_good_and_stays() {
    let authority = Authority::new(&rules(), NOW).unwrap();
    assert!(believes(&authority, &authority, NOW));
    assert!(change(&authority, NOW, true).is_none());
    assert!(change(&authority, NOW + 59 * DAY, true).is_none());
}

#[test]
fn a_certificate_is_renewed_when_a_third_of_its_life_is_left() {
    let authority = Authority::new(&rules(), NOW).unwrap();
    let (renewed, what) = change(&authority, NOW + 60 * DAY, true).unwrap();
    assert_eq!(what, Change::NewCertificate);
    assert_eq!(renewed.bundle, authority.bundle);
    assert!(believes(&authority, &renewed, NOW + 149 * DAY));
    assert_ne!(renewed.certificate_key, authority.certificate_key);
}

#[test]
fn a_new_authority_signs_only_once_it_is_trusted() {
    let authority = Authority::new(&rules(), NOW).unwrap();
    let late = NOW + 600 * DAY;
    let (first, what) = change(&authority, late, true).unwrap();
    assert_eq!(what, Change::NewAuthority);
    assert_eq!(first.certificate, authority.certificate);
    // What was served has expired in this story, so that there is nothing to wait for.
    let (second, what) = change(&first, late, false).unwrap();
    assert_eq!(what, Change::NewCertificate);
    assert!(second.bundle_trusts(&second.bundle[..1], &rules(), late));

    let fresh = Authority::new(&rules(), NOW).unwrap().succeeded(&rules(), NOW).unwrap();
    assert!(change(&fresh, NOW, false).is_none(), "the old certificate is good, so it waits");
    let (signed, what) = change(&fresh, NOW, true).unwrap();
    assert_eq!(what, Change::NewCertificate);
    assert!(signed.bundle_trusts(&signed.bundle[..1], &rules(), NOW));
}

#[test]
fn an_authority_that_has_expired_leaves_the_bundle() {
    let old = Authority::new(&rules(), NOW).unwrap();
    let both = old.succeeded(&rules(), NOW + 600 * DAY).unwrap();
    let (renewed, _) = change(&both, NOW + 890 * DAY, true).unwrap();
    assert!(change(&renewed, NOW + 890 * DAY, true).is_none());
    let (alone, what) = change(&renewed, NOW + 900 * DAY, true).unwrap();
    assert_eq!(what, Change::ExpiredAuthority);
    assert_eq!(alone.bundle.len(), 1);
}

#[test]
fn other_names_make_another_certificate() {
    let authority = Authority::new(&rules(), NOW).unwrap();
    let renamed = Rules { names: vec!["other.mesh.svc".to_owned()], ..rules() };
    let (renewed, what) = authority.next(&renamed, NOW, false).unwrap().unwrap();
    assert_eq!(what, Change::NewCertificate);
    assert!(renewed.bundle_trusts(&authority.bundle, &renamed, NOW));
}

#[test]
fn a_secret_gives_back_what_was_put_into_it() {
    let authority = Authority::new(&rules(), NOW).unwrap().succeeded(&rules(), NOW).unwrap();
    let data = json!(authority.to_data());
    let read = Authority::from_data(&data).unwrap();
    assert_eq!(read.to_data(), authority.to_data());
    assert!(!format!("{read:?}").contains("BEGIN"), "{read:?}");
    let signed = change(&read, NOW, true).unwrap().0;
    assert!(believes(&authority, &signed, NOW), "the key alone is enough to sign");
}

#[test]
fn a_secret_that_somebody_changed_is_not_used() {
    let (one, other) =
        (Authority::new(&rules(), NOW).unwrap(), Authority::new(&rules(), NOW).unwrap());
    let unusable = |edit: &dyn Fn(&mut serde_json::Value)| {
        let mut data = json!(one.to_data());
        edit(&mut data);
        Authority::from_data(&data).map(|_| ()).unwrap_err()
    };
    assert_eq!(unusable(&|data| *data = json!(null)), Unusable::Missing("ca.crt"));
    assert_eq!(unusable(&|data| data["ca.key"] = json!("")), Unusable::Missing("ca.key"));
    assert_eq!(unusable(&|data| data["ca.key"] = json!("%%%")), Unusable::Broken("ca.key"));
    assert_eq!(unusable(&|data| data["ca.crt"] = json!("YWJj")), Unusable::Broken("ca.crt"));
    let theirs = json!(other.to_data());
    assert_eq!(unusable(&|data| data["ca.key"] = theirs["ca.key"].clone()), Unusable::OtherKey);
    assert_eq!(
        unusable(&|data| data["tls.key"] = theirs["tls.key"].clone()),
        Unusable::Broken("tls.crt")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Time goes by in steps of any length up to a month, and whoever verifies is told of the bundle
    /// now and then. No step of ours takes trust away, whenever that is.
    #[test]
    fn no_step_takes_trust_away(
        steps in proptest::collection::vec((0..30_u64, any::<bool>()), 1..160)
    ) {
        let mut now = NOW;
        let mut state = Authority::new(&rules(), now).unwrap();
        let mut told = state.clone();
        for (days, tell) in steps {
            now += days * DAY;
            if tell {
                told = state.clone();
            }
            loop {
                let trusted = state.is_trusted_by(told.bundle_pem().as_bytes());
                let Some((next, what)) = change(&state, now, trusted) else { break };
                let lost = believes(&told, &state, now) && !believes(&told, &next, now);
                prop_assert!(!lost, "{what:?} on day {}", (now - NOW) / DAY);
                state = next;
            }
            prop_assert!(believes(&state, &state, now));
            prop_assert!(state.bundle.len() <= 4, "{} authorities", state.bundle.len());
        }
    }
}
