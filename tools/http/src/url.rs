//! Targets of requests and the servers that they name.

use std::fmt;

/// The scheme of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// Over plain TCP.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// As it stands in a URL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port of a URL that names none.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A server: scheme, host in lower case, port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// The scheme.
    pub scheme: Scheme,
    /// A name or an address, in lower case; an IPv6 address in brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl Origin {
    /// Reads `host` or `host:port`, as in the field `Host`. `None` if it is neither.
    #[must_use]
    pub fn parse(scheme: Scheme, authority: &[u8]) -> Option<Self> {
        let text = str::from_utf8(authority).ok()?;
        let (host, port) = match text.rfind(']') {
            Some(end) => text.split_at(end + 1),
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let is_address = host.starts_with('[') && host.ends_with(']');
        let is_part = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~".contains(&octet);
        let is_name = !host.is_empty() && host.bytes().all(is_part);
        let is_address = is_address && host.len() > 2 && {
            let is_part = |octet: u8| octet.is_ascii_hexdigit() || b":.".contains(&octet);
            host[1..host.len() - 1].bytes().all(is_part)
        };
        if !is_name && !is_address {
            return None;
        }
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => scheme.port(),
            Some("") => scheme.port(),
            Some(digits) if digits.bytes().all(|octet| octet.is_ascii_digit()) => {
                digits.parse().ok().filter(|port| *port != 0)?
            }
            _ => return None,
        };
        Some(Self { scheme, host: host.to_ascii_lowercase(), port })
    }

    /// Reads `scheme://host:port`, with or without a path, which is given back.
    #[must_use]
    pub fn parse_url(url: &[u8]) -> Option<(Self, &[u8])> {
        let schemes = [(&b"http://"[..], Scheme::Http), (b"https://", Scheme::Https)];
        let (length, scheme) = schemes.iter().find_map(|(start, scheme)| {
            let found = url.get(..start.len())?;
            found.eq_ignore_ascii_case(start).then_some((start.len(), *scheme))
        })?;
        let rest = &url[length..];
        let end = rest.iter().position(|octet| b"/?#".contains(octet)).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        Some((Self::parse(scheme, authority)?, path))
    }

    /// `host` or `host:port`, as the field `Host` has it.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == self.scheme.port() {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme.name(), self.host, self.port)
    }
}

/// The target of a request, RFC 9112 3.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// `/path?query`.
    Origin(&'a [u8]),
    /// `http://host/path?query`: for a proxy. The path may be empty.
    Absolute(Origin, &'a [u8]),
    /// `host:port`: of `CONNECT`.
    Authority(Origin),
    /// `*`: of `OPTIONS`.
    Asterisk,
}

impl<'a> Target<'a> {
    /// Reads the target of a request with `method`.
    #[must_use]
    pub fn parse(method: &[u8], target: &'a [u8]) -> Option<Self> {
        if method == b"CONNECT" {
            // The port is not optional here, RFC 9110 9.3.6.
            let has_port = target.iter().rev().take_while(|o| o.is_ascii_digit()).count() > 0;
            let origin = Origin::parse(Scheme::Https, target)?;
            return has_port.then_some(Self::Authority(origin));
        }
        match target {
            b"*" => (method == b"OPTIONS").then_some(Self::Asterisk),
            [b'/', ..] => Some(Self::Origin(target)),
            _ => Origin::parse_url(target).map(|(origin, path)| Self::Absolute(origin, path)),
        }
    }
}
