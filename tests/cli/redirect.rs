//! What interception and its rules take.

use super::*;

#[test]
fn what_interception_takes_is_named_too() {
    for (setting, value, expected) in [
        (
            "inbound-listen",
            "127.0.0.1",
            "an address and port such as 0.0.0.0:15099, a port alone, or off",
        ),
        ("inbound-mode", "nat", "redirect or tproxy"),
        (
            "outbound-listen",
            "on",
            "an address and port such as 127.0.0.1:15099, a port alone, or off",
        ),
        ("probes", "off", "apart or requests"),
    ] {
        assert_refused(
            &podmeter(&format!("{PROXY} --{setting}={value}")),
            &format!("--{setting} is {value:?}, but it takes {expected}"),
        );
    }
}

#[test]
fn a_redirection_that_cannot_be_is_refused_before_anything_is_changed() {
    let ports = "ports from 1 to 65535 and ranges such as 6000-6010";
    let networks = "networks such as 10.0.0.0/8, fd00::/8 or 192.0.2.7";
    for (flag, value, expected) in [
        ("include-inbound-ports", "80-79", ports),
        ("exclude-inbound-ports", "none", ports),
        ("include-outbound-ports", "0", ports),
        ("exclude-outbound-cidrs", "10.0.0.0/33", networks),
        ("include-outbound-cidrs", "fd00::/129", networks),
        ("include-outbound-cidrs", "10.0.0/8", networks),
        ("include-outbound-cidrs", "10.0.0.0/-1", networks),
        ("proxy-uid", "root", "numbers such as 1337"),
        ("proxy-gid", "4294967295", "numbers such as 1337"),
        ("inbound-port", "0", "a port from 1 to 65535"),
        ("outbound-port", "http", "a port from 1 to 65535"),
        ("mode", "nat", "redirect or tproxy"),
        ("backend", "ebpf", "auto, nftables or iptables"),
        (
            "exclude-interfaces",
            "eth0;reboot",
            "names of interfaces such as net1: at most 15 letters, digits, -, _ and .",
        ),
    ] {
        let line = format!("redirect apply --redirect-outbound --{flag}={value}");
        let sentence = format!("--{flag} is {value:?}, but it takes {expected}");
        assert_refused(&podmeter(&line), &sentence);
    }
    for (line, sentence) in [
        (
            "redirect apply --include-inbound-ports none",
            "--include-inbound-ports and the rest leave nothing to redirect; name a port of the \
             app, or add --redirect-outbound",
        ),
        (
            "redirect apply --exclude-outbound-ports 443",
            "--exclude-outbound-ports is given without --redirect-outbound, so it does nothing; add \
             that, or drop it",
        ),
        (
            "redirect apply --redirect-outbound --inbound-port 15001",
            "--inbound-port and --outbound-port are both 15001, but the proxy listens on one for each; \
             give each its own",
        ),
    ] {
        assert_refused(&podmeter(line), sentence);
    }
    let many: Vec<String> = (1..=300).map(|n| (n * 2).to_string()).collect();
    assert_refused(
        &podmeter(&format!("redirect apply --exclude-inbound-ports {}", many.join(","))),
        "--exclude-inbound-ports has more than 256 items; join them into ranges or networks",
    );
}
