//! The rules themselves: what is put in the kernel, and that nothing else there is touched.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use crate::pod;
use crate::pod::{POD, TestPod};
use crate::process::program;

/// Flags that between them make every kind of rule.
const PLANS: [&str; 6] = [
    "",
    "--only-listening --exclude-inbound-ports 22",
    "--include-inbound-ports 80,443,8000-9000 --exclude-interfaces net1,net2",
    "--mode tproxy --exclude-inbound-ports 22",
    "--include-inbound-ports none --redirect-outbound --exclude-outbound-ports 5432 \
     --exclude-outbound-cidrs 10.96.0.0/12,192.0.2.7,fd00::/7,2001:db8::1,128.0.0.0/1",
    "--mode tproxy --redirect-outbound --include-outbound-cidrs 10.0.0.0/8,0.0.0.0/0,::/0,fd00::/9 \
     --include-outbound-ports 80,443 --proxy-uid 1337,1338 --proxy-gid 1339",
];

/// Everything in the pod's kernel that a redirection could change.
fn everything(pod: &TestPod) -> String {
    let mut text = String::new();
    for line in [
        "nft list ruleset",
        "iptables-legacy-save",
        "ip6tables-legacy-save",
        "ip rule",
        "ip -6 rule",
        "ip route show table all",
        "ip -6 route show table all",
    ] {
        text += &pod.root(line);
    }
    // Counters and the date go their own way, and so does IPv6 on a link that has just come up.
    let is_still = |line: &&str| {
        !line.starts_with('#') && !["fe80:", "ff00:"].iter().any(|moving| line.contains(moving))
    };
    let lines = text.lines().filter(is_still);
    lines.map(|line| line.split(" [").next().unwrap().to_owned() + "\n").collect()
}

/// Rules of others, by every tool.
fn foreign_rules(pod: &TestPod) {
    for line in [
        "nft add table inet podmeterlike",
        "nft add table ip podmeter",
        "nft add chain ip podmeter inbound { type nat hook prerouting priority -100 ; }",
        "nft add rule ip podmeter inbound tcp dport 7 redirect to :8",
        "iptables-legacy -t nat -A PREROUTING -p tcp --dport 7 -j REDIRECT --to-ports 8",
        "iptables-legacy -t mangle -N PODLIKE",
        "ip6tables-legacy -t nat -N KUBE-SERVICES",
        "ip6tables-legacy -t nat -A PREROUTING -j KUBE-SERVICES",
        "ip rule add fwmark 7 lookup 7",
    ] {
        pod.root(line);
    }
}

/// A ruleset without what differs for no reason: counters, comments, names of priorities.
fn plain(ruleset: &str) -> String {
    let mut plain = String::new();
    for line in ruleset.lines() {
        let line = line.split(" comment ").next().unwrap().replace("dstnat", "-100");
        let mut words: Vec<&str> = line.split_whitespace().collect();
        while let Some(at) = words.iter().position(|word| *word == "counter") {
            words.drain(at..at + 5);
        }
        let line = words.join(" ").replace("priority mangle", "priority -150");
        if !line.is_empty() {
            plain += &(line + "\n");
        }
    }
    plain
}

#[test]
fn what_is_told_by_netlink_is_what_the_dry_run_says() {
    let Some(pod) = pod("netlink") else { return };
    for plan in PLANS {
        let before = everything(&pod);
        let script = pod.redirect(&format!("apply --dry-run {plan}"));
        assert_eq!(everything(&pod), before, "a dry run changed something");
        let said = pod.redirect(&format!("apply {plan}"));
        assert!(said.ends_with(", with nftables\n"), "{said}");
        let listed = pod.root("nft list table inet podmeter");
        let script: Vec<&str> =
            script.lines().filter(|line| !line.starts_with('#')).skip(2).collect();
        // nft writes each table's routes nowhere, and priorities by name.
        assert_eq!(plain(&listed), plain(&script.join("\n")), "{plan}");
        pod.redirect("remove");
    }
}

#[test]
fn applying_twice_is_applying_once_and_removing_leaves_no_trace() {
    let Some(pod) = pod("idempotent") else { return };
    foreign_rules(&pod);
    let nothing = everything(&pod);
    for backend in ["nftables", "iptables"] {
        for plan in PLANS {
            let line = format!("apply --backend {backend} {plan}");
            pod.redirect(&line);
            let once = everything(&pod);
            assert_ne!(once, nothing, "{line}");
            pod.redirect(&line);
            assert_eq!(everything(&pod), once, "{line}");
            // From another plan, by another backend, it comes to the same.
            pod.redirect(&format!("apply {}", PLANS[3]));
            pod.redirect(&line);
            // Chains are listed in the order in which they were first made.
            assert_eq!(sorted(&everything(&pod)), sorted(&once), "{line} after another");
            pod.redirect("remove");
            pod.redirect("remove");
            let left = everything(&pod);
            assert_eq!(rules_of(&left), rules_of(&nothing), "{line}");
            assert!(!left.contains("PODMETER_") && !left.contains("inet podmeter {"), "{left}");
        }
    }
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    lines.sort_unstable();
    lines
}

/// `iptables` makes the kernel's own chains when it is first used, and they stay; without these,
/// what is left are the rules.
fn rules_of(text: &str) -> Vec<&str> {
    let frames = [":", "*", "COMMIT", "table ip", "chain", "type ", "}"];
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !frames.iter().any(|f| line.starts_with(f))).collect()
}

#[test]
fn the_other_backends_rules_are_replaced() {
    let Some(pod) = pod("backends") else { return };
    for (one, other) in [("nftables", "iptables"), ("iptables", "nftables")] {
        pod.redirect(&format!("apply --backend {one}"));
        pod.redirect(&format!("apply --backend {other}"));
        let shown: serde_json::Value = serde_json::from_str(&pod.redirect("show --json")).unwrap();
        assert_eq!(shown["backend"], other);
        let rules = everything(&pod);
        let redirects = rules.matches("15006").count();
        pod.redirect("remove");
        assert!(redirects > 0 && !everything(&pod).contains("15006"));
    }
}

#[test]
fn what_is_shown_is_what_the_kernel_has_with_how_often_it_was_used() {
    let Some(pod) = pod("show") else { return };
    assert_eq!(pod.redirect("show"), "nothing is intercepted\n");
    assert_eq!(pod.redirect("show --json"), "null\n");
    for (backend, last) in [
        ("nftables", "meta l4proto tcp fib daddr type local redirect to :15006"),
        ("iptables", "-p tcp -m addrtype --dst-type LOCAL -j REDIRECT --to-ports 15006"),
    ] {
        pod.redirect(&format!("apply --backend {backend}"));
        // Nobody listens there, and the rule was used all the same.
        let refused = pod.in_node(|| std::net::TcpStream::connect((POD, 8080)));
        assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
        let text = pod.redirect("show");
        assert!(text.starts_with(backend) && text.contains(&format!(" 1  {last}")), "{text}");
        let shown: serde_json::Value = serde_json::from_str(&pod.redirect("show --json")).unwrap();
        let rules = shown["chains"][0]["rules"].as_array().unwrap();
        let rule = rules.last().unwrap();
        assert_eq!((rule["rule"].as_str(), rule["packets"].as_u64()), (Some(last), Some(1)));
        pod.redirect("remove");
    }
}

#[test]
fn what_removing_would_take_away_is_shown_and_stays() {
    let Some(pod) = pod("dry removal") else { return };
    assert_eq!(pod.redirect("remove --dry-run"), "nothing is intercepted\n");
    for backend in ["nftables", "iptables"] {
        pod.redirect(&format!("apply --backend {backend} --mode tproxy"));
        let before = everything(&pod);
        let (said, shown) = (pod.redirect("remove --dry-run"), pod.redirect("show"));
        assert_eq!(everything(&pod), before, "a dry run changed something");
        assert!(said.starts_with("would be taken away") && said.ends_with(&shown), "{said}");
        pod.redirect("remove");
        assert_eq!(pod.redirect("show"), "nothing is intercepted\n");
    }
}

/// The second process there is, by the name of the first thread of a machine's kernel or another,
/// and the program after it.
const MACHINE: &str = r#""./$1" 300 & beside=$!
until test "$(cat /proc/2/comm 2>/dev/null)" = "$1"; do :; done
"$2" redirect apply; status=$?; kill $beside; exit $status"#;

#[test]
fn in_the_machines_own_namespace_it_warns_and_goes_ahead() {
    let Some(pod) = pod("machine") else { return };
    std::fs::write(pod.folder.path().join("machine.sh"), MACHINE).unwrap();
    let podmeter = pod.podmeter.display();
    for (second, warns) in [("kthreadd", true), ("another", false)] {
        std::fs::copy(program("sleep").unwrap(), pod.folder.path().join(second)).unwrap();
        let output = pod.try_root(&format!(
            "unshare --pid --fork --mount-proc sh machine.sh {second} {podmeter}"
        ));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        let warning = "podmeter: warning: this is the network of the whole machine";
        assert_eq!(said.starts_with(warning), warns, "{second}: {said}");
        assert_eq!(said.lines().count(), usize::from(warns), "{said}");
        assert!(String::from_utf8_lossy(&output.stdout).ends_with(", with nftables\n"));
        assert!(pod.redirect("show").starts_with("nftables\n"));
        pod.redirect("remove");
    }
}

#[test]
fn half_of_the_rules_are_taken_back_when_the_other_half_cannot_be_had() {
    let Some(pod) = pod("half") else { return };
    let before = everything(&pod);
    for program in ["ip6tables-save", "ip6tables-restore"] {
        // Found before the real one, and of no use.
        let broken = pod.folder.path().join(program);
        std::fs::write(&broken, "#!/bin/sh\necho no module >&2\nexit 3\n").unwrap();
        std::fs::set_permissions(&broken, Permissions::from_mode(0o755)).unwrap();
        let path = format!("PATH={}:{}", pod.folder.path().display(), pod::PATH);
        for mode in ["redirect", "tproxy"] {
            let flags = format!("redirect apply --backend iptables --mode {mode}");
            let output = pod.try_root(&format!("env {path} {} {flags}", pod.podmeter.display()));
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.ends_with(&format!("{program} failed: no module\n")), "{said}");
            assert_eq!(rules_of(&everything(&pod)), rules_of(&before), "{program} {mode}");
        }
        std::fs::remove_file(broken).unwrap();
    }
}

#[test]
fn without_the_capability_it_is_one_sentence_and_nothing_is_changed() {
    let Some(pod) = pod("capability") else { return };
    let before = everything(&pod);
    let refused = |output: &Output| {
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.starts_with("podmeter: not permitted: this needs the capability NET_ADMIN"));
        assert_eq!(said.lines().count(), 1, "{said}");
    };
    for line in ["apply", "apply --mode tproxy", "apply --backend iptables", "remove", "show"] {
        refused(&pod.try_redirect(line, ""));
    }
    assert_eq!(everything(&pod), before);
}
