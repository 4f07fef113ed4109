//! What a control client sends, and what a driver sends back: framing, requests,
//! parameters, settings and errors.
#![no_main]

use farend_control::{
    Call, Error, INTERFACE, Request,
    configuration::SetConfiguration,
    framing::{Inbox, REQUEST_OCTETS_MAX},
    request::Reply,
    service,
};
use farend_driver::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    // The first octet says in which steps the rest arrives.
    let Some((step, stream)) = octets.split_first() else { return };
    let mut inbox = Inbox::new(REQUEST_OCTETS_MAX);
    for part in stream.chunks(usize::from(*step).max(1)) {
        inbox.push(part);
        while let Ok(Some(message)) = inbox.take() {
            take(&message);
        }
    }
});

fn take(message: &[u8]) {
    if let Ok(reply) = Reply::read(message) {
        let written = reply.write();
        let again = Reply::read(written.strip_suffix(&[0]).unwrap_or_default());
        assert_eq!(again, Ok(reply));
    }
    let request = match Request::read(message) {
        Ok(request) => request,
        Err(Error::InvalidRequest { reason }) => return assert_eq!(reason.lines().count(), 1),
        Err(error) => panic!("{error:?}"),
    };
    let written = request.write();
    let again = Request::read(written.strip_suffix(&[0]).unwrap_or_default());
    assert_eq!(again.as_ref(), Ok(&request));
    if request.is_service() {
        let _ = service::answer(&request.method, request.parameters.clone(), "p", "1");
    }
    if request.interface != INTERFACE {
        return;
    }
    match Call::read(&request.method, request.parameters) {
        Ok(Call::SetConfiguration(SetConfiguration { configuration: Some(object), .. })) => {
            // Settings, or an error with its key.
            if let Err(error) = Config::of_object::<()>(&object) {
                assert!(!error.message().is_empty());
            }
        }
        Ok(call) => assert_eq!(call.method(), request.method),
        Err(error) => assert_eq!(Error::read(&error.name(), error.parameters()), error),
    }
}
