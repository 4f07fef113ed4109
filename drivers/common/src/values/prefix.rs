//! Prefixes of allowed testers, in CIDR form (RFC 4632, RFC 4291).

use std::{fmt, net::IpAddr, str::FromStr};

use farend_core::reflect::policy::{Builder, Ipv4Prefix, Ipv6Prefix};

use super::Expected;

/// An address prefix of either IP version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefix {
    address: IpAddr,
    bits: u8,
}

impl Prefix {
    /// Whether it is one address, which names a tester to the guard against
    /// loops; a shorter one says who may ask.
    #[must_use]
    pub const fn is_one_address(self) -> bool {
        self.bits == if self.address.is_ipv4() { 32 } else { 128 }
    }

    /// Adds the prefix to what a policy allows.
    pub fn allow_in(self, builder: Builder) -> Builder {
        match self.address {
            IpAddr::V4(address) => match Ipv4Prefix::new(address.octets(), self.bits) {
                Some(prefix) => builder.allow_ipv4(prefix),
                // `from_str` has refused these.
                None => builder,
            },
            IpAddr::V6(address) => match Ipv6Prefix::new(address.octets(), self.bits) {
                Some(prefix) => builder.allow_ipv6(prefix),
                None => builder,
            },
        }
    }
}

impl FromStr for Prefix {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        let malformed =
            || Expected::new("an IP prefix or address, as 192.168.4.0/22, 10.0.0.7 or fd00::/8");
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| malformed())?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => bits_max,
            Some(bits) if bits.bytes().all(|c| c.is_ascii_digit()) => {
                bits.parse().map_err(|_| malformed())?
            }
            Some(_) => return Err(malformed()),
        };
        if bits > bits_max {
            return Err(Expected(format!("a prefix of at most {bits_max} bits")));
        }
        let network = network_of(address, bits);
        if network != address {
            return Err(Expected(format!("no bits after the prefix: {network}/{bits}")));
        }
        Ok(Self { address, bits })
    }
}

/// The address with all bits after the first `bits` cleared.
fn network_of(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_written_in_its_full_form() {
        for (text, full) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.0.0.7", "10.0.0.7/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("fd00::/8", "fd00::/8"),
            ("::/0", "::/0"),
            ("2001:db8::1", "2001:db8::1/128"),
        ] {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), full);
        }
    }

    #[test]
    fn only_a_prefix_of_all_bits_is_one_address() {
        for text in ["10.0.0.7", "10.0.0.7/32", "2001:db8::1", "2001:db8::1/128"] {
            assert!(text.parse::<Prefix>().unwrap().is_one_address(), "{text}");
        }
        for text in ["0.0.0.0/0", "10.0.0.6/31", "2001:db8::/32", "2001:db8::/127"] {
            assert!(!text.parse::<Prefix>().unwrap().is_one_address(), "{text}");
        }
    }

    #[test]
    fn bits_after_the_prefix_are_refused_with_the_prefix_meant() {
        let error = "10.1.0.0/8".parse::<Prefix>().unwrap_err();
        assert!(error.to_string().contains("10.0.0.0/8"), "{error}");
        let error = "fd00::1/64".parse::<Prefix>().unwrap_err();
        assert!(error.to_string().contains("fd00::/64"), "{error}");
    }

    #[test]
    fn what_is_no_prefix_is_refused_with_one_that_is() {
        for text in ["10.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/+8", "::/129", "lab", ""] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }
}
