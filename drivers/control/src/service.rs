//! What every service of Varlink answers: `org.varlink.service`.

use crate::{
    calls::Parameters,
    error::Error,
    idl::{Fields, message},
    json::Object,
};

/// Name of the interface.
pub const INTERFACE: &str = "org.varlink.service";

message! {
    /// What `GetInfo` is given: nothing.
    #[derive(Default)]
    pub struct GetInfo {}

    /// Who serves.
    pub struct Info {
        /// Who made it.
        pub vendor: String,
        /// What it is.
        pub product: String,
        /// Its version.
        pub version: String,
        /// Where to read more.
        pub url: String,
        /// Interfaces that it serves.
        pub interfaces: Vec<String>,
    }

    /// What `GetInterfaceDescription` is given.
    pub struct GetInterfaceDescription {
        /// The interface.
        pub interface: String,
    }

    /// An interface.
    pub struct Description {
        /// Its text.
        pub description: String,
    }
}

impl Parameters for GetInfo {
    const METHOD: &'static str = "org.varlink.service.GetInfo";
    type Reply = Info;
}

impl Parameters for GetInterfaceDescription {
    const METHOD: &'static str = "org.varlink.service.GetInterfaceDescription";
    type Reply = Description;
}

/// Answers a call of this interface, which anybody may make.
///
/// # Errors
///
/// No such method or interface, or a wrong parameter.
pub fn answer(
    method: &str,
    parameters: Object,
    product: &str,
    version: &str,
) -> Result<Object, Error> {
    let invalid = |parameter| Error::InvalidParameter { parameter };
    let reply = match method {
        "GetInfo" => {
            GetInfo::read(parameters).map_err(invalid)?;
            serde_json::to_value(Info {
                vendor: "Farend".to_owned(),
                product: product.to_owned(),
                version: version.to_owned(),
                url: "https://varlink.org".to_owned(),
                interfaces: vec![INTERFACE.to_owned(), crate::INTERFACE.to_owned()],
            })
        }
        "GetInterfaceDescription" => {
            let interface = GetInterfaceDescription::read(parameters).map_err(invalid)?.interface;
            let description = match interface.as_str() {
                INTERFACE => include_str!("../idl/org.varlink.service.varlink"),
                crate::INTERFACE => crate::idl::DESCRIPTION,
                _ => return Err(Error::InterfaceNotFound { interface }),
            };
            serde_json::to_value(Description { description: description.to_owned() })
        }
        _ => {
            let method = format!("{INTERFACE}.{method}");
            return Err(Error::MethodNotFound { method });
        }
    };
    match reply {
        Ok(serde_json::Value::Object(reply)) => Ok(reply),
        // Texts alone: they can be written.
        _ => Ok(Object::new()),
    }
}
