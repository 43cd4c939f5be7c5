//! Whether a network namespace has IPv6, which many pods have not.

use std::path::Path;

/// Whether the kernel knows such addresses at all.
pub(super) fn is_known() -> bool {
    Path::new(ADDRESSES).exists()
}

/// Whether others can reach it by such an address.
pub(super) fn is_used() -> bool {
    // Nothing to read is no address.
    is_reachable(&std::fs::read_to_string(ADDRESSES).unwrap_or_default())
}

/// Whether an address in a table of the kernel's is one that others can reach: its scope, in the
/// fourth column, is global (`include/net/ipv6.h`).
fn is_reachable(addresses: &str) -> bool {
    addresses.lines().any(|line| line.split_whitespace().nth(3) == Some("00"))
}

const ADDRESSES: &str = "/proc/net/if_inet6";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_the_link_or_the_host_is_none_that_others_reach() {
        let lo = "00000000000000000000000000000001 01 80 10 80       lo\n";
        let link = "fe800000000000000000000000000001 02 40 20 80     eth0\n";
        let global = "fd770000000000000000000000000002 02 40 00 80     eth0\n";
        assert!(!is_reachable(""));
        assert!(!is_reachable(&[lo, link].concat()));
        assert!(is_reachable(&[lo, global, link].concat()));
    }
}
