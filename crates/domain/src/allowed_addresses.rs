use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

/// The most networks that one keypair can name. Each request looks through them.
pub const MAX_NETWORKS: usize = 32;

/// From where a keypair and its tokens may be used: from these networks, or from anywhere if there are none. As text, the
/// networks with a space between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedAddresses(Option<Box<Networks>>);

/// At least one. Each has its own form: no bit is set behind its prefix, and what IPv6 has of IPv4 is IPv4. Behind one
/// pointer, since a server remembers a million keypairs, and hardly any names a network.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Networks(Box<[IpNet]>);

/// Why a list of networks was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressesError {
    /// It is no network and no address.
    #[error("`{0}` is no network: expected one as in 192.0.2.0/24 or 2001:db8::/32, or an address")]
    Malformed(String),
    /// There are bits behind the prefix: the network and the address may be meant.
    #[error("`{0}` is an address within a network; the network is {1}")]
    HostBits(String, IpNet),
    /// It stands more than once.
    #[error("the network {0} stands twice")]
    Twice(IpNet),
    /// There are more than a keypair can have.
    #[error("a keypair can be used from at most {MAX_NETWORKS} networks")]
    TooMany,
}

impl AllowedAddresses {
    /// Reads networks in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3), or single addresses; none for anywhere. IPv6
    /// networks hold no IPv4 addresses: a client of IPv4 is one, however it connects.
    pub fn new<'a>(networks: impl IntoIterator<Item = &'a str>) -> Result<Self, AddressesError> {
        let mut read = Vec::new();
        for text in networks {
            let network = network(text.trim())?;
            if read.contains(&network) {
                return Err(AddressesError::Twice(network));
            }
            if read.len() == MAX_NETWORKS {
                return Err(AddressesError::TooMany);
            }
            read.push(network);
        }
        Ok(Self::of(read))
    }

    fn of(networks: Vec<IpNet>) -> Self {
        Self((!networks.is_empty()).then(|| Box::new(Networks(networks.into()))))
    }

    /// Whether they are all addresses.
    pub fn is_anywhere(&self) -> bool {
        self.0.is_none()
    }

    /// The networks; none if it is anywhere.
    pub fn networks(&self) -> &[IpNet] {
        self.0.as_ref().map_or(&[], |networks| &networks.0)
    }

    /// The networks as they are written.
    pub fn names(&self) -> Vec<String> {
        self.networks().iter().map(IpNet::to_string).collect()
    }

    /// Whether `address` is one of them. It is asked for only if that matters; one that is not known is in no network.
    pub fn allow(&self, address: impl FnOnce() -> Option<IpAddr>) -> bool {
        self.is_anywhere() || address().is_some_and(|address| self.name(address))
    }

    fn name(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks().iter().any(|network| network.contains(&address))
    }

    /// What of them is not within `other`; none if all of them are.
    pub fn beyond(&self, other: &Self) -> Option<Self> {
        if other.is_anywhere() {
            return None;
        }
        if self.is_anywhere() {
            return Some(Self::default());
        }
        // Two halves of a network are one.
        let whole = IpNet::aggregate(&other.networks().to_vec());
        let within = |network: &IpNet| whole.iter().any(|other| other.contains(network));
        let beyond: Vec<_> = self.networks().iter().copied().filter(|network| !within(network)).collect();
        (!beyond.is_empty()).then(|| Self::of(beyond))
    }
}

fn network(text: &str) -> Result<IpNet, AddressesError> {
    let malformed = || AddressesError::Malformed(text.chars().take(64).collect());
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| malformed())?;
    let prefix = match prefix {
        None => {
            if address.is_ipv4() {
                32
            } else {
                128
            }
        }
        // No sign, and no zero before another digit.
        Some(prefix) => {
            prefix.parse::<u8>().ok().filter(|number| number.to_string() == prefix).ok_or_else(malformed)?
        }
    };
    let given = IpNet::new(address, prefix).map_err(|_| malformed())?;
    let network = given.trunc();
    if network != given {
        return Err(AddressesError::HostBits(text.chars().take(64).collect(), canonical(network)));
    }
    Ok(canonical(network))
}

/// A network of addresses that IPv6 has of IPv4 (RFC 4291 §2.5.5.2) as one of IPv4.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(six) = network else {
        return network;
    };
    let four = six.addr().to_ipv4_mapped();
    let prefix = six.prefix_len().checked_sub(96);
    four.zip(prefix).and_then(|(four, prefix)| Ipv4Net::new(four, prefix).ok()).map_or(network, IpNet::V4)
}

impl fmt::Display for AllowedAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(" "))
    }
}

impl FromStr for AllowedAddresses {
    type Err = AddressesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text.split_whitespace())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn list(text: &str) -> AllowedAddresses {
        text.parse().unwrap()
    }

    fn allow(list: &AllowedAddresses, address: &str) -> bool {
        list.allow(|| Some(address.parse().unwrap()))
    }

    #[test]
    fn addresses_are_in_their_networks_and_no_others() {
        let office = list("192.0.2.0/24 2001:db8::/32 198.51.100.7");
        for inside in ["192.0.2.0", "192.0.2.255", "2001:db8::1", "198.51.100.7", "::ffff:192.0.2.9"] {
            assert!(allow(&office, inside), "{inside}");
        }
        for outside in ["192.0.3.0", "192.0.1.255", "2001:db9::", "198.51.100.8", "::192.0.2.9", "::1"] {
            assert!(!allow(&office, outside), "{outside}");
        }
        assert!(!office.allow(|| None), "one that is not known");
        assert!(AllowedAddresses::default().allow(|| panic!("nobody has to know it")));
        assert!(!allow(&list("::/0"), "192.0.2.1") && !allow(&list("0.0.0.0/0"), "2001:db8::1"));
    }

    #[test]
    fn a_network_has_one_form() {
        for (given, form) in [
            (" 192.0.2.0/24 ", "192.0.2.0/24"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("2001:DB8:0::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("0.0.0.0/0", "0.0.0.0/0"),
        ] {
            assert_eq!(AllowedAddresses::new([given]).unwrap().to_string(), form);
        }
        assert_eq!(list("").to_string(), "");
        assert!(list("").is_anywhere());
    }

    #[test]
    fn what_is_no_network_is_refused_with_what_to_mend() {
        let refused = |text: &str| AllowedAddresses::new([text]).unwrap_err().to_string();
        for bad in [
            "",
            "office",
            "192.0.2.0/33",
            "192.0.2.0/-1",
            "192.0.2.0/+8",
            "192.0.2.0/08",
            "192.0.2.0/",
            "/8",
            "192.0.2/24",
            "192.0.2.0/24/8",
            "192.0.02.0/24",
            "192.0.2.0-9",
            "fe80::1%eth0",
            "2001:db8::/129",
            "192.0.2.0/255.255.255.0",
            "192.0.2.1:80",
            "[::1]",
        ] {
            assert!(refused(bad).contains("is no network"), "{bad}: {}", refused(bad));
        }
        for (bad, network) in [
            ("192.0.2.7/24", "192.0.2.0/24"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("::ffff:192.0.2.7/120", "192.0.2.0/24"),
            ("1.2.3.4/0", "0.0.0.0/0"),
        ] {
            let said = format!("`{bad}` is an address within a network; the network is {network}");
            assert_eq!(refused(bad), said);
        }
        assert!(refused(&"x".repeat(10_000)).len() < 200);
        let twice = AllowedAddresses::new(["192.0.2.0/24", "::ffff:192.0.2.0/120"]);
        assert!(matches!(twice, Err(AddressesError::Twice(_))));
        let many = |count: u8| {
            let all: Vec<_> = (0..count).map(|n| format!("10.0.0.{n}")).collect();
            AllowedAddresses::new(all.iter().map(String::as_str)).map(|list| list.networks().len())
        };
        assert_eq!((many(32), many(33)), (Ok(32), Err(AddressesError::TooMany)));
    }

    #[test]
    fn what_is_beyond_is_told_by_network() {
        let beyond = |one: &str, other: &str| list(one).beyond(&list(other)).map(|beyond| beyond.to_string());
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(beyond("10.0.0.0/8", ""), None);
        assert_eq!(beyond("", ""), None);
        assert_eq!(beyond("", "0.0.0.0/0"), text(""), "anywhere is more than IPv4");
        assert_eq!(beyond("10.1.0.0/16 10.2.0.0/16", "10.0.0.0/8"), None);
        assert_eq!(beyond("10.0.0.0/8", "10.1.0.0/16"), text("10.0.0.0/8"));
        assert_eq!(beyond("10.1.0.0/16 192.0.2.0/24 ::1", "10.0.0.0/8"), text("192.0.2.0/24 ::1/128"));
        assert_eq!(beyond("10.0.0.0/24", "10.0.0.0/25 10.0.0.128/25"), None);
    }

    fn networks() -> impl Strategy<Value = AllowedAddresses> {
        // Near each other, so that they overlap.
        let four = (0u32..256, 24u8..=32).prop_map(|(host, prefix)| {
            IpNet::new(Ipv4Addr::from(0x0a00_0000 | host).into(), prefix).unwrap().trunc().to_string()
        });
        let six = (0u128..256, 120u8..=128).prop_map(|(host, prefix)| {
            IpNet::new(Ipv6Addr::from(0xfd00_u128 << 112 | host).into(), prefix).unwrap().trunc().to_string()
        });
        proptest::collection::btree_set(prop_oneof![four, six], 0..6)
            .prop_map(|all| AllowedAddresses::new(all.iter().map(String::as_str)).unwrap())
    }

    proptest! {
        #[test]
        fn a_list_reads_as_it_is_written(list in networks()) {
            prop_assert_eq!(list.to_string().parse::<AllowedAddresses>(), Ok(list));
        }

        #[test]
        fn within_is_what_every_address_says(one in networks(), other in networks()) {
            let all = (0u32..256).flat_map(|host| [
                IpAddr::from(Ipv4Addr::from(0x0a00_0000 | host)),
                IpAddr::from(Ipv6Addr::from(0xfd00_u128 << 112 | u128::from(host))),
            ]);
            let outside = all.clone().any(|at| one.allow(|| Some(at)) && !other.allow(|| Some(at)));
            let elsewhere = one.is_anywhere() && !other.is_anywhere();
            prop_assert_eq!(one.beyond(&other).is_some(), outside || elsewhere);
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = text.parse::<AllowedAddresses>();
        }
    }
}
