//! The calls: what each is given and gives, and who may make it.

use serde::de::DeserializeOwned;

use crate::{
    configuration::{Configuration, Configured, SetConfiguration},
    error::Error,
    event::EventReply,
    idl::{Field, Fields, Types, message, names},
    json::Object,
    role::Role,
    statistics::StatisticsLine,
    status::{Skipped, Status},
};

/// One call, as the description has it.
pub(crate) struct Method {
    pub(crate) about: &'static str,
    pub(crate) name: &'static str,
    pub(crate) parameters: Vec<Field>,
    pub(crate) reply: Vec<Field>,
}

/// The parameters of a call, and what belongs to it.
pub trait Parameters: serde::Serialize {
    /// The method, with its interface.
    const METHOD: &'static str;
    /// What it gives.
    type Reply: DeserializeOwned;
}

macro_rules! calls {
    ($(
        $(#[doc = $about:literal])+
        $Name:ident -> $Reply:ty, $role:ident;
    )+) => {
        /// A call with its parameters.
        #[derive(Clone, PartialEq, Debug)]
        pub enum Call {
            $($(#[doc = $about])+ $Name($Name),)+
        }

        impl Call {
            /// Reads a call of this interface.
            ///
            /// # Errors
            ///
            /// No such method, or a wrong parameter.
            pub fn read(method: &str, parameters: Object) -> Result<Self, Error> {
                match method {
                    $(stringify!($Name) => {
                        $Name::read(parameters).map(Self::$Name).map_err(invalid)
                    })+
                    _ => Err(Error::MethodNotFound { method: method.to_owned() }),
                }
            }

            /// What whoever makes it must be.
            #[must_use]
            pub const fn role(&self) -> Role {
                match self { $(Self::$Name(_) => Role::$role,)+ }
            }

            /// The method's name, without its interface.
            #[must_use]
            pub const fn method(&self) -> &'static str {
                match self { $(Self::$Name(_) => stringify!($Name),)+ }
            }
        }

        $(impl Parameters for $Name {
            const METHOD: &'static str = concat!("org.farend.Control.", stringify!($Name));
            type Reply = $Reply;
        })+

        /// All, and the types that they need.
        pub(crate) fn methods(types: &mut Types) -> Vec<Method> {
            vec![$(Method {
                about: concat!($($about, "\n"),+),
                name: stringify!($Name),
                parameters: <$Name as Fields>::fields(types),
                reply: <$Reply as Fields>::fields(types),
            }),+]
        }
    };
}

calls! {
    /// Changes settings without losing a frame: all of these on all interfaces,
    /// or nothing. Admins; what makes a reflector a danger to others, the owner.
    SetConfiguration -> Configured, Admin;
    /// What is in force, and where each setting comes from.
    GetConfiguration -> Configuration, Viewer;
    /// What was counted. With `more`, again and again; readings that a slow
    /// reader has not taken are left out.
    GetStatistics -> StatisticsReply, Viewer;
    /// Begins an epoch. All `final`s and what is counted since sum to the counts
    /// since the start.
    ResetStatistics -> ResetReply, Admin;
    /// Answers on an interface again.
    Start -> Started, Admin;
    /// Stops answering: the host sees every frame.
    Stop -> Stopped, Admin;
    /// What is served, and how. With `more`, again at each change.
    GetStatus -> Status, Viewer;
    /// What happens, as it happens: with `more` only.
    Monitor -> EventReply, Viewer;
}

/// The shortest time between two readings of a stream.
pub const INTERVAL_MS_MIN: u64 = 100;

names! {
    /// Since when counts are.
    pub enum Since {
        /// Since the last reset.
        Reset = "reset",
        /// Since the driver began to answer.
        Start = "start",
    }
}

message! {
    /// What `GetConfiguration` is given: nothing.
    #[derive(Default)]
    pub struct GetConfiguration {}

    /// What `GetStatistics` is given.
    #[derive(Default)]
    pub struct GetStatistics {
        /// Since when; since the last reset, where nothing is said.
        pub since: Option<Since>,
        /// These alone; all, where nothing is said.
        pub interfaces: Option<Vec<String>>,
        /// How old the reading may be, in milliseconds; 10 where nothing is said.
        pub max_age_ms: Option<u64>,
        /// With `more`: between two readings, 100 at least; 1000 where nothing
        /// is said.
        pub interval_ms: Option<u64>,
    }

    /// A reading.
    pub struct StatisticsReply {
        /// Counts as of `--stats json`. The rates of a stream are those since
        /// the reply before.
        pub statistics: StatisticsLine,
        /// The epoch that runs.
        pub epoch: u64,
        /// Readings of this stream that were left out since the reply before.
        #[serde(default)]
        pub missed: u64,
    }

    /// What `ResetStatistics` is given.
    #[derive(Default)]
    pub struct ResetStatistics {
        /// These alone; all, where nothing is said.
        pub interfaces: Option<Vec<String>>,
    }

    /// The epoch that has ended.
    pub struct ResetReply {
        /// What it counted.
        pub r#final: StatisticsLine,
        /// The epoch that runs now.
        pub epoch: u64,
    }

    /// What `Start` is given.
    pub struct Start {
        /// The interface.
        pub interface: String,
        /// Stop by itself after so many seconds, also if the client is gone.
        pub for_s: Option<f64>,
    }

    /// How it answers.
    pub struct Started {
        /// The tier.
        pub tier: String,
        /// Better ones that do not work here.
        pub skipped: Vec<Skipped>,
    }

    /// What `Stop` is given.
    #[derive(Default)]
    pub struct Stop {
        /// The interface; all, where nothing is said.
        pub interface: Option<String>,
    }

    /// What was counted when it had stopped.
    pub struct Stopped {
        /// Of those that were named, in the epoch that runs.
        pub r#final: StatisticsLine,
    }

    /// What `GetStatus` is given: nothing.
    #[derive(Default)]
    pub struct GetStatus {}

    /// What `Monitor` is given: nothing.
    #[derive(Default)]
    pub struct Monitor {}
}

fn invalid(parameter: String) -> Error {
    Error::InvalidParameter { parameter }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(method: &str, parameters: serde_json::Value) -> Result<Call, Error> {
        let serde_json::Value::Object(parameters) = parameters else { panic!() };
        Call::read(method, parameters)
    }

    #[test]
    fn parameters_are_read_by_name_and_may_be_left_out() {
        let call = read("GetStatistics", json!({"since": "start", "interfaces": ["a"]})).unwrap();
        let expected = GetStatistics {
            since: Some(Since::Start),
            interfaces: Some(vec!["a".into()]),
            ..GetStatistics::default()
        };
        assert_eq!(call, Call::GetStatistics(expected));
        assert_eq!(call.role(), Role::Viewer);
        assert_eq!(read("Stop", json!({})), Ok(Call::Stop(Stop::default())));
        assert_eq!(read("Stop", json!({"interface": null})), Ok(Call::Stop(Stop::default())));
    }

    #[test]
    fn wrong_parameter_is_named() {
        for (method, parameters, wrong) in [
            ("GetStatistics", json!({"since": "ever"}), "since"),
            ("GetStatistics", json!({"max_age_ms": 18_446_744_073_709_551_616.0}), "max_age_ms"),
            ("GetStatistics", json!({"max_age_ms": -1}), "max_age_ms"),
            ("GetStatistics", json!({"interfaces": "a"}), "interfaces"),
            ("Start", json!({}), "interface"),
            ("Start", json!({"interface": "a", "fors": 3}), "fors"),
            ("GetStatus", json!({"x": null}), "x"),
            ("SetConfiguration", json!({"dry_run": "yes"}), "dry_run"),
        ] {
            let expected = Err(Error::InvalidParameter { parameter: wrong.into() });
            assert_eq!(read(method, parameters.clone()), expected, "{method} {parameters}");
        }
        let expected = Err(Error::MethodNotFound { method: "Reboot".into() });
        assert_eq!(read("Reboot", json!({})), expected);
    }
}
