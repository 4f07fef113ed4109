//! Wire formats: one protocol, one file, one order (offsets, view, tests).
//!
//! Octet offsets are counted from the start of the header. All fields of more
//! than one octet are big-endian on the wire.

pub mod arp;
pub mod ethernet;
pub mod ip_protocol;
pub mod ipv4;
pub mod ipv6;
pub mod ndp;
pub mod udp;
pub mod vlan;

/// Borrows the `M` octets that stand `AT` octets into a larger piece.
#[inline(always)]
pub(crate) const fn part<const AT: usize, const M: usize, const N: usize>(
    octets: &[u8; N],
) -> &[u8; M] {
    const { assert!(AT + M <= N, "a part ends inside the whole") };
    match octets.split_at(AT).1.first_chunk() {
        Some(part) => part,
        // Unreachable: the assertion was made at compile time.
        None => &[0; M],
    }
}

/// Copies the `M` octets that stand `AT` octets into a header.
///
/// One wide load where the processor has it; octets picked one by one are
/// not always joined again by the compiler.
#[inline(always)]
pub(crate) const fn get<const AT: usize, const M: usize, const N: usize>(
    header: &[u8; N],
) -> [u8; M] {
    const { assert!(AT + M <= N, "a field ends inside its header") };
    match header.split_at(AT).1.first_chunk() {
        Some(octets) => *octets,
        // Unreachable: the assertion was made at compile time.
        None => [0; M],
    }
}

/// Writes `octets` at `AT` octets into a header.
#[inline(always)]
pub(crate) const fn put<const AT: usize, const M: usize, const N: usize>(
    header: &mut [u8; N],
    octets: [u8; M],
) {
    const { assert!(AT + M <= N, "a field ends inside its header") };
    if let Some(field) = header.split_at_mut(AT).1.first_chunk_mut() {
        *field = octets;
    }
}

/// Exchanges the 16-bit words at `A` and `B` octets into a header.
///
/// As numbers and not as arrays: for arrays some targets copy octet by octet.
#[inline(always)]
pub(crate) const fn swap_u16<const A: usize, const B: usize, const N: usize>(header: &mut [u8; N]) {
    let a = u16::from_ne_bytes(get::<A, 2, _>(header));
    let b = u16::from_ne_bytes(get::<B, 2, _>(header));
    put::<A, 2, _>(header, b.to_ne_bytes());
    put::<B, 2, _>(header, a.to_ne_bytes());
}

/// As [`swap_u16`], for 32 bits.
#[inline(always)]
pub(crate) const fn swap_u32<const A: usize, const B: usize, const N: usize>(header: &mut [u8; N]) {
    let a = u32::from_ne_bytes(get::<A, 4, _>(header));
    let b = u32::from_ne_bytes(get::<B, 4, _>(header));
    put::<A, 4, _>(header, b.to_ne_bytes());
    put::<B, 4, _>(header, a.to_ne_bytes());
}

/// As [`swap_u16`], for 64 bits.
#[inline(always)]
pub(crate) const fn swap_u64<const A: usize, const B: usize, const N: usize>(header: &mut [u8; N]) {
    let a = u64::from_ne_bytes(get::<A, 8, _>(header));
    let b = u64::from_ne_bytes(get::<B, 8, _>(header));
    put::<A, 8, _>(header, b.to_ne_bytes());
    put::<B, 8, _>(header, a.to_ne_bytes());
}
