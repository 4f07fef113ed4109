//! Requests and replies as they stand on the wire.

use serde_json::Value;

use crate::{error::Error, framing, json, json::Object, service};

/// A request.
#[derive(Clone, PartialEq, Debug)]
pub struct Request {
    /// The interface.
    pub interface: String,
    /// The method in it.
    pub method: String,
    /// What it is given.
    pub parameters: Object,
    /// Whether several replies may come.
    pub is_more: bool,
    /// Whether no reply is wanted.
    pub is_oneway: bool,
}

impl Request {
    /// Reads one, without its NUL.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`]: what came is none.
    pub fn read(octets: &[u8]) -> Result<Self, Error> {
        let value = json::parse(octets).map_err(|reason| invalid(&reason))?;
        let Value::Object(mut object) = value else { return Err(invalid("it is no object")) };
        let Some(Value::String(whole)) = object.remove("method") else {
            return Err(invalid("it names no method"));
        };
        let Some((interface, method)) = whole.rsplit_once('.') else {
            return Err(invalid("its method names no interface"));
        };
        let parameters = match object.remove("parameters") {
            None | Some(Value::Null) => Object::new(),
            Some(Value::Object(parameters)) => parameters,
            Some(_) => return Err(invalid("its parameters are no object")),
        };
        let mut flag = |name: &str| match object.remove(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(invalid(&format!("{name:?} is neither true nor false"))),
        };
        let (is_more, is_oneway) = (flag("more")?, flag("oneway")?);
        if flag("upgrade")? {
            return Err(invalid("there is nothing to upgrade to"));
        }
        let (interface, method) = (interface.to_owned(), method.to_owned());
        Ok(Self { interface, method, parameters, is_more, is_oneway })
    }

    /// Whether it is for [`service`], which needs no driver.
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.interface == service::INTERFACE
    }

    /// Its octets, with the NUL.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut object = Object::new();
        object.insert("method".into(), format!("{}.{}", self.interface, self.method).into());
        object.insert("parameters".into(), Value::Object(self.parameters.clone()));
        for (name, flag) in [("more", self.is_more), ("oneway", self.is_oneway)] {
            if flag {
                object.insert(name.into(), true.into());
            }
        }
        framing::message(&object)
    }
}

/// A reply.
#[derive(Clone, PartialEq, Debug)]
pub struct Reply {
    /// What it says, or why not.
    pub outcome: Result<Object, Error>,
    /// Whether another follows.
    pub continues: bool,
}

impl Reply {
    /// Reads one, without its NUL.
    ///
    /// # Errors
    ///
    /// One line on why it is none.
    pub fn read(octets: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(octets).map_err(|error| error.to_string())?;
        let Value::Object(mut object) = value else { return Err("it is no object".into()) };
        let parameters = match object.remove("parameters") {
            Some(Value::Object(parameters)) => parameters,
            None | Some(Value::Null) => Object::new(),
            Some(_) => return Err("its parameters are no object".into()),
        };
        let continues = object.remove("continues") == Some(Value::Bool(true));
        let outcome = match object.remove("error") {
            None | Some(Value::Null) => Ok(parameters),
            Some(Value::String(name)) => Err(Error::read(&name, parameters)),
            Some(_) => return Err("its error has no name".into()),
        };
        Ok(Self { outcome, continues })
    }

    /// Its octets, with the NUL.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        match &self.outcome {
            Ok(parameters) => reply(parameters, self.continues),
            Err(error) => refusal(error),
        }
    }
}

/// The octets of a reply that says this, with the NUL.
#[must_use]
pub fn reply(parameters: &impl serde::Serialize, continues: bool) -> Vec<u8> {
    #[derive(serde::Serialize)]
    struct Body<'a, T> {
        parameters: &'a T,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        continues: bool,
    }
    framing::message(&Body { parameters, continues })
}

/// The octets of a refusal, with the NUL.
#[must_use]
pub fn refusal(error: &Error) -> Vec<u8> {
    #[derive(serde::Serialize)]
    struct Body {
        error: String,
        parameters: Object,
    }
    framing::message(&Body { error: error.name(), parameters: error.parameters() })
}

fn invalid(reason: &str) -> Error {
    Error::InvalidRequest { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_is_read_as_it_was_written() {
        let request = Request {
            interface: "org.farend.Control".into(),
            method: "Stop".into(),
            parameters: Object::from_iter([("interface".to_owned(), "eth1".into())]),
            is_more: true,
            is_oneway: false,
        };
        let octets = request.write();
        assert_eq!(Request::read(octets.strip_suffix(&[0]).unwrap()), Ok(request));
    }

    #[test]
    fn what_is_no_request_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "EOF"),
            ("[]", "no object"),
            ("{}", "no method"),
            ("{\"method\":5}", "no method"),
            ("{\"method\":\"Stop\"}", "no interface"),
            ("{\"method\":\"a.B\",\"parameters\":[]}", "parameters"),
            ("{\"method\":\"a.B\",\"more\":1}", "\"more\""),
            ("{\"method\":\"a.B\",\"upgrade\":true}", "upgrade"),
            ("{\"method\":\"a.B\",\"method\":\"a.C\"}", "twice"),
        ] {
            let Err(Error::InvalidRequest { reason: told }) = Request::read(text.as_bytes()) else {
                panic!("{text}");
            };
            assert!(told.contains(reason), "{text}: {told}");
        }
    }

    #[test]
    fn reply_is_read_as_it_was_written() {
        let parameters = Object::from_iter([("a".to_owned(), 1.into())]);
        for reply in [
            Reply { outcome: Ok(parameters), continues: true },
            Reply { outcome: Err(Error::Conflict { generation: 3 }), continues: false },
        ] {
            let octets = reply.write();
            assert_eq!(Reply::read(octets.strip_suffix(&[0]).unwrap()), Ok(reply));
        }
    }
}
