//! Content codings, decoded within bounds.

use std::io::Read as _;

/// Most octets of a decoded body.
const DECODED_OCTETS_MAX: u64 = 64 << 20;
/// Most octets for each encoded one.
const FACTOR_MAX: u64 = 1_000;

/// The content of an encoded body; `None` if it is not encoded in a known way, is broken,
/// or would be too long.
pub(crate) fn decoded(coding: &[u8], octets: &[u8]) -> Option<Vec<u8>> {
    let most = DECODED_OCTETS_MAX.min((octets.len() as u64).saturating_mul(FACTOR_MAX));
    let mut content = Vec::new();
    let coding = coding.trim_ascii().to_ascii_lowercase();
    let read = match &coding[..] {
        b"gzip" | b"x-gzip" => {
            flate2::read::MultiGzDecoder::new(octets).take(most + 1).read_to_end(&mut content)
        }
        b"deflate" => {
            flate2::read::ZlibDecoder::new(octets).take(most + 1).read_to_end(&mut content)
        }
        _ => return None,
    };
    let is_whole = read.is_ok_and(|octets| octets as u64 <= most);
    is_whole.then_some(content)
}
