//! What is to be intercepted, as values that cannot be wrong.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// What `podmeter redirect apply` is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Connections into the pod; `None` leaves them alone.
    pub inbound: Option<Inbound>,
    /// The pod's own connections to others; `None` leaves them alone.
    pub outbound: Option<Outbound>,
    /// Interfaces whose traffic is left alone, both ways.
    pub exclude_interfaces: Vec<Interface>,
}

/// Connections into the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbound {
    /// How they come to the proxy.
    pub mode: Mode,
    /// Where the proxy takes them.
    pub to: u16,
    /// The ports that are intercepted.
    pub ports: Ports,
    /// Only connections for which somebody listens.
    pub only_listening: bool,
}

/// The pod's own connections to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// Where the proxy takes them.
    pub to: u16,
    /// The ports of others that are intercepted.
    pub ports: Ports,
    /// The networks that are intercepted; none means all.
    pub include: Vec<Cidr>,
    /// The networks that are not, even if they are part of those that are.
    pub exclude: Vec<Cidr>,
    /// The proxy's users, whose connections are never intercepted.
    pub uids: Vec<u32>,
    /// Its groups.
    pub gids: Vec<u32>,
}

/// How inbound connections come to the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The destination is rewritten; the app sees the pod's own address as its client's.
    Redirect,
    /// Nothing is rewritten, and the app sees its client's real address.
    Tproxy,
}

impl Mode {
    /// As `--mode` takes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Redirect => "redirect",
            Self::Tproxy => "tproxy",
        }
    }
}

/// A set of ports: ranges in order, none touching the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ports(Vec<RangeInclusive<u16>>);

impl Ports {
    /// Every port there is.
    pub fn all() -> Self {
        Self(vec![1..=u16::MAX])
    }

    /// The ports of these ranges, in any order; port 0 is none.
    pub fn of(ranges: impl IntoIterator<Item = RangeInclusive<u16>>) -> Self {
        let mut ranges: Vec<_> =
            ranges.into_iter().map(|r| (*r.start().max(&1), *r.end())).collect();
        ranges.sort_unstable();
        let mut joined: Vec<(u16, u16)> = Vec::new();
        for (first, last) in ranges.into_iter().filter(|(first, last)| first <= last) {
            match joined.last_mut() {
                Some((_, end)) if u32::from(first) <= u32::from(*end) + 1 => *end = last.max(*end),
                _ => joined.push((first, last)),
            }
        }
        Self(joined.into_iter().map(|(first, last)| first..=last).collect())
    }

    /// The ports that are not in it.
    #[must_use]
    pub fn others(&self) -> Self {
        let mut others = Vec::new();
        let mut next = 1_u32;
        for range in &self.0 {
            if let Ok(first) = u16::try_from(next)
                && first < *range.start()
            {
                others.push(first..=range.start() - 1);
            }
            next = u32::from(*range.end()) + 1;
        }
        if let Ok(first) = u16::try_from(next) {
            others.push(first..=u16::MAX);
        }
        Self(others)
    }

    /// The ports of it that are not in `excluded`.
    #[must_use]
    pub fn without(&self, excluded: &Self) -> Self {
        Self::of(self.others().0.into_iter().chain(excluded.0.iter().cloned())).others()
    }

    /// Whether no port is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `port` is in it.
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|range| range.contains(&port))
    }

    /// The ranges, in order.
    pub fn ranges(&self) -> &[RangeInclusive<u16>] {
        &self.0
    }
}

/// A network: an address whose bits beyond `prefix` are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// The network of `prefix` bits that `address` is in; `None` if an address has fewer bits.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(address) if prefix <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V4((u32::from(address) & mask).into())
            }
            IpAddr::V6(address) if prefix <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V6((u128::from(address) & mask).into())
            }
            _ => return None,
        };
        Some(Self { address, prefix })
    }

    /// Its first address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits its addresses share.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The name of a network interface, of characters that no tool reads as anything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface(String);

impl Interface {
    /// Takes a name as the kernel does (at most 15 bytes), of letters, digits, `-`, `_` and `.`.
    pub fn new(name: &str) -> Option<Self> {
        let fits = (1..=15).contains(&name.len());
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        // The kernel has no such interfaces (dev_valid_name), and a dash would start a flag.
        let real = name != "." && name != ".." && !name.starts_with('-');
        (fits && plain && real).then(|| Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ports() -> impl Strategy<Value = Ports> {
        let range =
            (any::<u16>(), 0..300_u16).prop_map(|(first, n)| first..=first.saturating_add(n));
        prop::collection::vec(range, 0..12).prop_map(Ports::of)
    }

    proptest! {
        #[test]
        fn a_port_is_in_a_set_or_in_its_others(ports in ports(), port in 1..=u16::MAX) {
            prop_assert_ne!(ports.contains(port), ports.others().contains(port));
            prop_assert_eq!(ports.others().others(), ports);
        }

        #[test]
        fn without_is_what_it_says(some in ports(), other in ports(), port in 1..=u16::MAX) {
            let left = some.without(&other);
            prop_assert_eq!(left.contains(port), some.contains(port) && !other.contains(port));
        }

        #[test]
        fn ranges_are_in_order_and_do_not_touch(ports in ports()) {
            let apart = |pair: &[RangeInclusive<u16>]| {
                u32::from(*pair[0].end()) + 1 < u32::from(*pair[1].start())
            };
            prop_assert!(ports.ranges().windows(2).all(apart));
        }

        #[test]
        fn a_network_keeps_its_prefix_and_drops_the_rest(bits: u128, prefix in 0..=128_u8) {
            let cidr = Cidr::new(IpAddr::V6(bits.into()), prefix).unwrap();
            let IpAddr::V6(address) = cidr.address() else { panic!("not IPv6") };
            let differ = u128::from(address) ^ bits;
            prop_assert!(prefix == 0 || differ.leading_zeros() >= u32::from(prefix));
            prop_assert!(prefix == 128 || u128::from(address) << prefix == 0);
        }
    }

    #[test]
    fn names_that_a_tool_would_read_otherwise_are_no_interfaces() {
        for name in ["eth0", "eth0.100", "br-1_a", "lo", "0eth"] {
            assert_eq!(Interface::new(name).unwrap().as_str(), name);
        }
        for name in
            ["", ".", "..", "a b", "a/b", "e\"", "eth*", "eth+", "-i", "sixteen-letters-", "ü"]
        {
            assert_eq!(Interface::new(name), None, "{name}");
        }
    }
}
