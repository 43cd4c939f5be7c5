//! Whatever the configuration, the tools of the kernel take the rules that it makes.

use std::io::Write;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::pod;
use crate::pod::TestPod;
use crate::text_law;

/// Ports and ranges, as one writes them.
fn ports() -> impl Strategy<Value = String> {
    let port = 1..=u16::MAX;
    let range = (port.clone(), 0..5000_u16)
        .prop_map(|(first, n)| format!("{first}-{}", first.saturating_add(n)));
    prop::collection::vec(prop_oneof![port.prop_map(|p| p.to_string()), range], 1..8)
        .prop_map(|items| items.join(","))
}

fn networks() -> impl Strategy<Value = String> {
    let four = (any::<[u8; 4]>(), 0..=32_u8)
        .prop_map(|(a, prefix)| format!("{}/{prefix}", std::net::Ipv4Addr::from(a)));
    let six = (any::<[u8; 16]>(), 0..=128_u8)
        .prop_map(|(a, prefix)| format!("{}/{prefix}", std::net::Ipv6Addr::from(a)));
    let address = any::<[u8; 4]>().prop_map(|a| std::net::Ipv4Addr::from(a).to_string());
    prop::collection::vec(prop_oneof![four, six, address], 1..8).prop_map(|items| items.join(","))
}

fn flag(name: &'static str, value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::option::of(value)
        .prop_map(move |value| value.map(|value| format!(" --{name} {value}")).unwrap_or_default())
}

/// A command line that intercepts something.
fn plan() -> impl Strategy<Value = String> {
    let interfaces = "[a-z][a-z0-9]{0,9}([-._][a-z0-9]{1,3})?(,[0-9a-z]{1,15})?";
    let ids = "(0|[1-9][0-9]{0,8})(,[1-9][0-9]{0,8})?";
    let both = (
        flag("include-inbound-ports", Just("80-90".to_owned())),
        flag("exclude-inbound-ports", "(2[0-9]{3}|3[0-9]{3}-4[0-9]{3})".prop_map(|p| p)),
        flag("mode", prop_oneof![Just("redirect".to_owned()), Just("tproxy".to_owned())]),
        flag("exclude-interfaces", interfaces.prop_map(|i| i)),
    );
    let outbound = (
        flag("include-outbound-ports", ports()),
        flag("exclude-outbound-cidrs", networks()),
        flag("include-outbound-cidrs", networks()),
        flag("proxy-uid", ids.prop_map(|i| i)),
        flag("proxy-gid", ids.prop_map(|i| i)),
    );
    (both, prop::option::of(outbound)).prop_map(|((a, b, c, d), outbound)| {
        let outbound =
            outbound.map(|(e, f, g, h, i)| format!(" --redirect-outbound{e}{f}{g}{h}{i}"));
        format!("{a}{b}{c}{d}{}", outbound.unwrap_or_default())
    })
}

/// Has a program read `text` in the pod; its complaint if it has one.
fn checks(pod: &TestPod, program: &[&str], text: &str) -> Result<(), TestCaseError> {
    let mut child = Command::new("ip")
        .args(["netns", "exec", &pod.name])
        .args(program)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    prop_assert!(output.status.success(), "{program:?}: {complaint}\n{text}");
    Ok(())
}

#[test]
fn the_tools_take_the_rules_of_any_configuration_and_the_kernel_does() {
    let Some(pod) = pod("laws") else { return };
    let mut runner = TestRunner::new(Config { cases: 40, ..Config::default() });
    let outcome = runner.run(&plan(), |plan| {
        let script = pod.redirect(&format!("apply --dry-run --backend nftables {plan}"));
        checks(&pod, &["nft", "--check", "--file", "-"], &script)?;
        let script = pod.redirect(&format!("apply --dry-run --backend iptables {plan}"));
        let (four, six) = script.split_once("# ip6tables-restore --noflush\n").unwrap();
        checks(&pod, &["iptables-restore", "--noflush", "--test"], four)?;
        checks(&pod, &["ip6tables-restore", "--noflush", "--test"], six)?;
        // By netlink no tool stands between.
        pod.redirect(&format!("apply {plan}"));
        pod.redirect("remove");
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

proptest! {
    #![proptest_config(Config { cases: 1_000, ..Config::default() })]

    #[test]
    fn whatever_is_written_is_refused_in_one_line_or_becomes_rules_and_nothing_else(
        wild in any::<[String; 11]>(),
        tame in prop::array::uniform11("[-,:./*0-9a-f ]{0,20}|none|tproxy|eth0|[0-9]{1,5}"),
        pick: [bool; 11],
    ) {
        let mut texts = tame;
        for (index, wild) in wild.into_iter().enumerate() {
            if pick[index] && pick.iter().filter(|pick| **pick).count() < 3 {
                texts[index] = wild;
            }
        }
        if let Err(broken) = text_law::check(&texts) {
            return Err(TestCaseError::fail(broken));
        }
    }
}
