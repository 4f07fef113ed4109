//! The interface description, made from the types.
//!
//! A type says once what it holds; serde's forms and the description both
//! follow. `idl/org.farend.Control.varlink` is the description as text, and a
//! test fails where it differs from what the types say.

use std::fmt::Write;

use serde_json::{Map, Value};

use crate::{calls, error};

/// The description of [`INTERFACE`](crate::INTERFACE).
pub const DESCRIPTION: &str = include_str!("../idl/org.farend.Control.varlink");

/// What has a name in the description.
pub trait Described {
    /// How it is named there.
    fn name() -> String;

    /// Adds the types that it needs.
    fn define(_types: &mut Types) {}
}

/// An object with known fields.
pub trait Fields: Sized {
    /// What it is.
    const ABOUT: &'static str;

    /// Its fields in order, and the types that they need.
    fn fields(types: &mut Types) -> Vec<Field>;

    /// Reads it from parameters; fields that are not there are null.
    ///
    /// # Errors
    ///
    /// The name of the first parameter that is wrong or not known.
    fn read(object: Map<String, Value>) -> Result<Self, String>;
}

/// One field.
#[derive(Clone, Debug)]
pub struct Field {
    /// What it is.
    pub about: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its type's name.
    pub type_name: String,
}

/// Definitions, each once, in the order in which they are first needed.
#[derive(Debug, Default)]
pub struct Types {
    known: Vec<String>,
    text: String,
}

impl Types {
    /// Adds a type, if it is new.
    pub fn add(&mut self, name: &str, define: impl FnOnce(&mut Self) -> String) {
        if self.known.iter().any(|known| known == name) {
            return;
        }
        self.known.push(name.to_owned());
        let definition = define(self);
        self.text += &definition;
    }

    /// Adds an object.
    pub fn add_object<T: Fields>(&mut self, name: &str) {
        self.add(name, |types| {
            let fields = T::fields(types);
            format!("\n{}type {name} {}\n", comment("", T::ABOUT), list(&fields))
        });
    }
}

macro_rules! described {
    ($($Type:ty: $name:literal),+ $(,)?) => {
        $(impl Described for $Type {
            fn name() -> String {
                $name.to_owned()
            }
        })+
    };
}

described! {
    bool: "bool", u16: "int", u32: "int", u64: "int", usize: "int", f64: "float",
    String: "string", Map<String, Value>: "object",
}

impl<T: Described> Described for Option<T> {
    fn name() -> String {
        format!("?{}", T::name())
    }

    fn define(types: &mut Types) {
        T::define(types);
    }
}

impl<T: Described> Described for Vec<T> {
    fn name() -> String {
        format!("[]{}", T::name())
    }

    fn define(types: &mut Types) {
        T::define(types);
    }
}

/// Declares objects: serde's forms and the description follow.
macro_rules! message {
    ($(
        $(#[doc = $about:literal])+
        $(#[derive($($extra:ident),+)])?
        pub struct $Name:ident {
            $(
                $(#[doc = $doc:literal])+
                $(#[serde($($serde:tt)+)])?
                pub $field:ident: $Type:ty,
            )*
        }
    )+) => {$(
        $(#[doc = $about])+
        #[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize $($(, $extra)+)?)]
        pub struct $Name {
            $(
                $(#[doc = $doc])+
                $(#[serde($($serde)+)])?
                pub $field: $Type,
            )*
        }

        impl $crate::idl::Fields for $Name {
            const ABOUT: &'static str = concat!($($about, "\n"),+);

            #[allow(unused_variables, reason = "an object may have no fields")]
            fn fields(types: &mut $crate::idl::Types) -> Vec<$crate::idl::Field> {
                $(<$Type as $crate::idl::Described>::define(types);)*
                vec![$($crate::idl::Field {
                    about: concat!($($doc, "\n"),+),
                    name: $crate::idl::plain(stringify!($field)),
                    type_name: <$Type as $crate::idl::Described>::name(),
                }),*]
            }

            #[allow(unused_mut, reason = "an object may have no fields")]
            fn read(mut object: $crate::json::Object) -> Result<Self, String> {
                let read = Self {
                    $($field: $crate::idl::field(
                        &mut object, $crate::idl::plain(stringify!($field)),
                    )?,)*
                };
                // A misspelt name must not pass for one that was left out.
                object.into_iter().next().map_or(Ok(read), |(name, _)| Err(name))
            }
        }

        impl $crate::idl::Described for $Name {
            fn name() -> String {
                stringify!($Name).to_owned()
            }

            fn define(types: &mut $crate::idl::Types) {
                types.add_object::<Self>(stringify!($Name));
            }
        }
    )+};
}

/// Declares names of which a value is one.
macro_rules! names {
    ($(
        $(#[doc = $about:literal])+
        pub enum $Name:ident {
            $($(#[doc = $doc:literal])+ $Variant:ident = $name:literal,)+
        }
    )+) => {$(
        $(#[doc = $about])+
        #[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
        pub enum $Name {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $Variant,)+
        }

        impl $Name {
            /// As it is written.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$Variant => $name,)+ }
            }
        }

        impl $crate::idl::Described for $Name {
            fn name() -> String {
                stringify!($Name).to_owned()
            }

            fn define(types: &mut $crate::idl::Types) {
                types.add(stringify!($Name), |_| $crate::idl::names_of(
                    stringify!($Name), concat!($($about, "\n"),+), &[$($name),+],
                ));
            }
        }
    )+};
}

pub(crate) use {message, names};

/// A field's name without Rust's mark of a keyword.
#[must_use]
pub(crate) fn plain(name: &'static str) -> &'static str {
    name.strip_prefix("r#").unwrap_or(name)
}

/// Takes one field out of an object.
pub(crate) fn field<T: serde::de::DeserializeOwned>(
    object: &mut Map<String, Value>,
    name: &str,
) -> Result<T, String> {
    let value = object.remove(name).unwrap_or(Value::Null);
    serde_json::from_value(value).map_err(|_| name.to_owned())
}

/// The definition of a set of names.
pub(crate) fn names_of(name: &str, about: &str, names: &[&str]) -> String {
    format!("\n{}type {name} ({})\n", comment("", about), names.join(", "))
}

/// Writes the description that the types make.
#[must_use]
pub fn describe() -> String {
    let mut types = Types::default();
    let mut methods = String::new();
    for method in calls::methods(&mut types) {
        let (name, given, reply) = (method.name, list(&method.parameters), list(&method.reply));
        // Writing to a string cannot fail.
        let _ = write!(methods, "\n{}", comment("", method.about));
        let _ = writeln!(methods, "method {name}{given} -> {reply}");
    }
    let mut errors = String::new();
    for (name, error) in error::own() {
        let _ = write!(errors, "\n{}", comment("", error.about));
        let _ = writeln!(errors, "error {name} {}", (error.fields)());
    }
    let about = "# The control API of Farend's drivers: the same calls on each.\n\
                 # Fields and methods are added; what would break a client is another interface.";
    format!("{about}\ninterface {}\n{}{methods}{errors}", crate::INTERFACE, types.text)
}

fn comment(indent: &str, about: &str) -> String {
    about.lines().flat_map(|line| [indent, "#", line, "\n"]).collect()
}

/// Fields in parentheses, one a line.
fn list(fields: &[Field]) -> String {
    if fields.is_empty() {
        return "()".to_owned();
    }
    let lines: Vec<_> = fields
        .iter()
        .map(|one| format!("{}  {}: {}", comment("  ", one.about), one.name, one.type_name))
        .collect();
    format!("(\n{}\n)", lines.join(",\n"))
}

/// Fields in parentheses, in one line.
pub(crate) fn short_list(fields: &[(&str, String)]) -> String {
    let fields: Vec<_> = fields.iter().map(|(name, kind)| format!("{name}: {kind}")).collect();
    format!("({})", fields.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Write it anew with `FAREND_BLESS=1 cargo test -p farend-control description`.
    #[test]
    fn description_is_that_of_the_types() {
        let made = describe();
        if std::env::var_os("FAREND_BLESS").is_some() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/idl/org.farend.Control.varlink");
            std::fs::write(path, &made).unwrap();
            return;
        }
        assert!(made == DESCRIPTION, "the types make another description:\n{made}");
    }
}
