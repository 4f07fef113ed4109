//! Fields that belong to one connection, not to the message.

use crate::{Field, Fields};

/// RFC 9110 7.6.1, and what is of the same kind.
const HOPS: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Whether a field is meant for the next hop alone, by its name.
#[must_use]
pub fn is_hop_by_hop(name: &[u8]) -> bool {
    HOPS.iter().any(|hop| name.eq_ignore_ascii_case(hop.as_bytes()))
}

/// The fields that belong to the message: those that `Connection` names are not among
/// them either.
pub fn without_hops<'a>(fields: &Fields<'a>) -> impl Iterator<Item = Field<'a>> + use<'a> {
    let all = *fields;
    fields.iter().filter(move |field| {
        let is_named =
            || str::from_utf8(field.name).is_ok_and(|name| all.lists("connection", name));
        // Content-Length frames the message itself, and Host says whom it is for,
        // whatever Connection says.
        let is_kept = field.is("content-length") || field.is("host");
        !is_hop_by_hop(field.name) && (is_kept || !is_named())
    })
}
