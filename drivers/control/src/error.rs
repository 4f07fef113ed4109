//! Why a call is refused.

use std::fmt;

use serde_json::Value;

use crate::{
    idl::{Described, short_list},
    json::Object,
};

/// One error in the description.
pub(crate) struct Entry {
    pub(crate) about: &'static str,
    pub(crate) name: &'static str,
    pub(crate) fields: fn() -> String,
}

macro_rules! errors {
    ($(
        $(#[doc = $about:literal])+
        $Name:ident in $domain:literal {
            $($(#[doc = $doc:literal])+ $field:ident: $Type:ty,)*
        }
    )+) => {
        /// Why a call is refused.
        #[derive(Clone, PartialEq, Debug)]
        pub enum Error {
            $($(#[doc = $about])+ $Name {
                $($(#[doc = $doc])+ $field: $Type,)*
            },)+
            /// One that this release does not know.
            Other {
                /// Its whole name.
                name: String,
                /// What it says.
                parameters: Object,
            },
        }

        /// All, in their order.
        const ALL: &[Entry] = &[$(Entry {
            about: concat!($($about, "\n"),+),
            name: concat!($domain, ".", stringify!($Name)),
            fields: || short_list(&[$((stringify!($field), <$Type as Described>::name()),)*]),
        }),+];

        impl Error {
            /// Its whole name.
            #[must_use]
            pub fn name(&self) -> String {
                match self {
                    $(Self::$Name { .. } => concat!($domain, ".", stringify!($Name)).to_owned(),)+
                    Self::Other { name, .. } => name.clone(),
                }
            }

            /// What it says.
            #[must_use]
            pub fn parameters(&self) -> Object {
                match self {
                    $(Self::$Name { $($field),* } => {
                        #[allow(unused_mut, reason = "an error may say nothing")]
                        let mut parameters = Object::new();
                        $(parameters.insert(
                            stringify!($field).to_owned(),
                            serde_json::to_value($field).unwrap_or(Value::Null),
                        );)*
                        parameters
                    })+
                    Self::Other { parameters, .. } => parameters.clone(),
                }
            }

            /// Reads one.
            #[must_use]
            pub fn read(name: &str, mut parameters: Object) -> Self {
                $(if name == concat!($domain, ".", stringify!($Name)) {
                    // Fields of a newer release are left alone.
                    let whole = parameters.clone();
                    $(let Ok($field) = crate::idl::field(&mut parameters, stringify!($field)) else {
                        return Self::Other { name: name.to_owned(), parameters: whole };
                    };)*
                    drop((whole, parameters));
                    return Self::$Name { $($field),* };
                })+
                Self::Other { name: name.to_owned(), parameters }
            }
        }
    };
}

errors! {
    /// Whoever asks may not: the role that the call needs.
    PermissionDenied in "org.farend.Control" {
        /// viewer, admin or owner.
        role: String,
    }
    /// No interface that is served has this name.
    NoSuchInterface in "org.farend.Control" {
        /// Those that are.
        known: Vec<String>,
    }
    /// A key or its value is wrong; nothing has changed.
    InvalidConfiguration in "org.farend.Control" {
        /// The key; empty if it is none alone.
        key: String,
        /// Its line, where text was given.
        line: Option<u64>,
        /// What was expected, or what is wrong.
        expected: String,
    }
    /// These keys are settled at the start; nothing has changed.
    NeedsRestart in "org.farend.Control" {
        /// The keys.
        keys: Vec<String>,
    }
    /// Somebody else has changed the configuration meanwhile.
    Conflict in "org.farend.Control" {
        /// The generation that is in force.
        generation: u64,
    }
    /// The interface is gone, or the driver ends.
    NotRunning in "org.farend.Control" {
        /// Why.
        reason: String,
    }
    /// It does not work here.
    Unsupported in "org.farend.Control" {
        /// The tier that was tried last; empty if none is to blame.
        tier: String,
        /// Why, and what to do.
        reason: String,
    }
    /// Too many connections.
    Busy in "org.farend.Control" {
        /// When to come again, in milliseconds.
        retry_after_ms: u64,
    }
    /// What came is no request; the connection is closed.
    InvalidRequest in "org.farend.Control" {
        /// What is wrong.
        reason: String,
    }
    /// No interface has this name.
    InterfaceNotFound in "org.varlink.service" {
        /// The name.
        interface: String,
    }
    /// No method has this name.
    MethodNotFound in "org.varlink.service" {
        /// The name.
        method: String,
    }
    /// A parameter is wrong, or not known.
    InvalidParameter in "org.varlink.service" {
        /// Its name.
        parameter: String,
    }
    /// The method gives a stream: set `more`.
    ExpectedMore in "org.varlink.service" {}
}

/// Those of this interface, in their order: a place there is a stable number.
pub(crate) fn own() -> impl Iterator<Item = (&'static str, &'static Entry)> {
    let name = |entry: &'static Entry| entry.name.strip_prefix(crate::INTERFACE)?.strip_prefix('.');
    ALL.iter().filter_map(move |entry| Some((name(entry)?, entry)))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PermissionDenied { role } => write!(f, "not allowed: it takes the role {role}"),
            Self::NoSuchInterface { known } => {
                write!(f, "no such interface is served; these are: {}", known.join(", "))
            }
            Self::InvalidConfiguration { key, line, expected } => {
                if let Some(line) = line {
                    write!(f, "line {line}: ")?;
                }
                let colon = if key.is_empty() { "" } else { ": " };
                write!(f, "{key}{colon}{expected}")
            }
            Self::NeedsRestart { keys } => {
                write!(f, "needs a restart, nothing has changed: {}", keys.join(", "))
            }
            Self::Conflict { generation } => {
                write!(
                    f,
                    "the configuration was changed meanwhile, it is of generation {generation}"
                )
            }
            Self::NotRunning { reason } => f.write_str(reason),
            Self::Unsupported { tier, reason } if tier.is_empty() => f.write_str(reason),
            Self::Unsupported { tier, reason } => write!(f, "tier {tier}: {reason}"),
            Self::Busy { retry_after_ms } => {
                write!(f, "too many connections; try again in {retry_after_ms} ms")
            }
            Self::InvalidRequest { reason } => write!(f, "no valid request: {reason}"),
            Self::InterfaceNotFound { interface } => write!(f, "no interface {interface:?}"),
            Self::MethodNotFound { method } => write!(f, "no method {method:?}"),
            Self::InvalidParameter { parameter } => write!(f, "wrong parameter {parameter:?}"),
            Self::ExpectedMore {} => f.write_str("this call gives a stream: set more"),
            Self::Other { name, parameters } => {
                write!(f, "{name} {}", Value::Object(parameters.clone()))
            }
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_is_read_as_it_was_written() {
        let errors = [
            Error::PermissionDenied { role: "admin".into() },
            Error::NoSuchInterface { known: vec!["a".into()] },
            Error::InvalidConfiguration { key: "port".into(), line: None, expected: "x".into() },
            Error::Conflict { generation: 7 },
            Error::InvalidParameter { parameter: "since".into() },
            Error::ExpectedMore {},
        ];
        for error in errors {
            assert_eq!(Error::read(&error.name(), error.parameters()), error);
        }
    }

    #[test]
    fn unknown_or_odd_error_keeps_its_name_and_parameters() {
        let parameters = Object::from_iter([("generation".to_owned(), "x".into())]);
        let name = "org.farend.Control.Conflict";
        let error = Error::read(name, parameters.clone());
        assert_eq!(error, Error::Other { name: name.into(), parameters });
    }
}
