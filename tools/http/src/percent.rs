//! Percent-encoding, RFC 3986.

/// Adds `text` with its percent-encoding normalised (RFC 3986 6.2.2): unreserved
/// characters decoded, hexadecimal digits in upper case.
pub(crate) fn normalise(text: &[u8], into: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'%', [high, low, tail @ ..]) if let Some(octet) = octet(*high, *low) => {
                rest = tail;
                if is_unreserved(octet) {
                    into.push(octet);
                } else {
                    into.extend_from_slice(&[
                        b'%',
                        high.to_ascii_uppercase(),
                        low.to_ascii_uppercase(),
                    ]);
                }
            }
            _ => into.push(*first),
        }
    }
}

/// The octets of a form's name or value: `+` is a space.
pub(crate) fn decode_form(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'+', _) => decoded.push(b' '),
            (b'%', [high, low, tail @ ..]) if let Some(octet) = octet(*high, *low) => {
                rest = tail;
                decoded.push(octet);
            }
            _ => decoded.push(*first),
        }
    }
    decoded
}

/// Adds octets so that no name, value or line end can be mistaken.
pub(crate) fn encode(octets: &[u8], into: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for octet in octets {
        if is_unreserved(*octet) {
            into.push(*octet);
        } else {
            let (high, low) = (usize::from(octet >> 4), usize::from(octet & 15));
            into.extend_from_slice(&[b'%', DIGITS[high], DIGITS[low]]);
        }
    }
}

fn octet(high: u8, low: u8) -> Option<u8> {
    let digit = |octet: u8| char::from(octet).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._~".contains(&octet)
}
