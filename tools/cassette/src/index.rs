//! The index: from a key to the exchanges that have it.

use std::io;

use crate::{ReadError, Source, record::HEADER_OCTETS};

/// So many exchanges make an index record, so that the memory of a recorder stays flat.
pub const INDEX_EXCHANGES_MAX: usize = 65_536;

/// Octets of the payload before the slots.
const FIXED_OCTETS: usize = 16;
const SLOT_OCTETS: usize = 16;

/// A key and the offset of an exchange that has it.
pub(crate) type Entry = (u64, u64);

/// The payload of an index record that begins at `at`, after `previous`.
pub(crate) fn build(previous: u64, at: u64, entries: &mut Vec<Entry>) -> Vec<u8> {
    entries.sort_unstable();
    entries.dedup();
    let groups: Vec<&[Entry]> = entries.chunk_by(|one, other| one.0 == other.0).collect();
    let slots = (groups.len() * 2).next_power_of_two().max(2);
    let mut table: Vec<Entry> = vec![(0, 0); slots];
    let mut lists: Vec<u8> = Vec::new();
    let lists_at = at + (HEADER_OCTETS + FIXED_OCTETS + slots * SLOT_OCTETS) as u64;
    for group in &groups {
        let place = if let [(_, offset)] = group {
            *offset
        } else {
            let place = lists_at + lists.len() as u64;
            lists.extend_from_slice(&count(group.len()).to_le_bytes());
            lists.extend_from_slice(&[0; 4]);
            lists.extend(group.iter().flat_map(|(_, offset)| offset.to_le_bytes()));
            place | 1
        };
        put(&mut table, group[0].0, place);
    }
    let mut payload = Vec::with_capacity(FIXED_OCTETS + slots * SLOT_OCTETS + lists.len());
    payload.extend_from_slice(&previous.to_le_bytes());
    payload.extend_from_slice(&count(slots).to_le_bytes());
    payload.extend_from_slice(&count(groups.len()).to_le_bytes());
    for (key, place) in table {
        payload.extend_from_slice(&key.to_le_bytes());
        payload.extend_from_slice(&place.to_le_bytes());
    }
    payload.extend_from_slice(&lists);
    payload
}

/// Linear probing from the key's own slot; at most half of the slots are used.
fn put(table: &mut [Entry], key: u64, place: u64) {
    let mask = table.len() - 1;
    let mut slot = home(key, mask);
    while table[slot].0 != 0 {
        slot = (slot + 1) & mask;
    }
    table[slot] = (key, place);
}

/// `mask` is a power of two less one.
fn home(key: u64, mask: usize) -> usize {
    usize::try_from(key & mask as u64).unwrap_or(0)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// An index record whose checksum held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// Where the record begins.
    offset: u64,
    /// Where it ends.
    end: u64,
    slots: usize,
    /// Where the index before begins; 0 if there is none.
    pub(crate) previous: u64,
}

impl View {
    /// Takes the payload of the record from `offset` to `end`.
    pub(crate) fn parse(offset: u64, end: u64, payload: &[u8]) -> Option<Self> {
        let (fixed, rest) = payload.split_first_chunk::<FIXED_OCTETS>()?;
        let (words, _) = fixed.as_chunks::<8>();
        let [previous, counts] = *words else { return None };
        let counts = u64::from_le_bytes(counts);
        let slots = usize::try_from(counts & u64::from(u32::MAX)).ok()?;
        let used = usize::try_from(counts >> 32).ok()?;
        let has_room = slots.checked_mul(SLOT_OCTETS)? <= rest.len();
        let is_sound = slots.is_power_of_two() && used <= slots / 2 && has_room;
        is_sound.then(|| Self { offset, end, slots, previous: u64::from_le_bytes(previous) })
    }

    /// Adds the offsets of a key's exchanges, rising.
    pub(crate) fn find(
        &self,
        source: &impl Source,
        key: u64,
        places: &mut Vec<u64>,
    ) -> Result<(), ReadError> {
        let mask = self.slots - 1;
        let mut slot = home(key, mask);
        for _probe in 0..self.slots {
            let at = self.offset + (HEADER_OCTETS + FIXED_OCTETS + slot * SLOT_OCTETS) as u64;
            let (found, place) = read_pair(source, at)?;
            if found == 0 {
                return Ok(());
            }
            if found == key {
                return self.add(source, place, places);
            }
            slot = (slot + 1) & mask;
        }
        Ok(())
    }

    fn add(
        &self,
        source: &impl Source,
        place: u64,
        places: &mut Vec<u64>,
    ) -> Result<(), ReadError> {
        if place.is_multiple_of(2) {
            places.push(place);
            return Ok(());
        }
        let list = place - 1;
        let wrong = ReadError::Content { offset: self.offset };
        if !list.is_multiple_of(8) || list <= self.offset || list >= self.end {
            return Err(wrong);
        }
        let mut head = [0; 8];
        source.read_at(list, &mut head)?;
        let count = u64::from_le_bytes(head) & u64::from(u32::MAX);
        if list + 8 + count * 8 > self.end {
            return Err(wrong);
        }
        let mut octets = vec![0; usize::try_from(count * 8).map_err(|_| wrong)?];
        source.read_at(list + 8, &mut octets)?;
        places.extend(octets.as_chunks::<8>().0.iter().map(|place| u64::from_le_bytes(*place)));
        Ok(())
    }
}

fn read_pair(source: &impl Source, at: u64) -> io::Result<(u64, u64)> {
    let mut octets = [0; SLOT_OCTETS];
    source.read_at(at, &mut octets)?;
    let both = u128::from_le_bytes(octets);
    let low = u64::try_from(both & u128::from(u64::MAX)).unwrap_or(0);
    Ok((low, u64::try_from(both >> 64).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::Memory;

    proptest! {
        #[test]
        fn every_key_finds_its_exchanges_and_no_other(
            entries in proptest::collection::vec((1_u64..60, (8_u64..1000).prop_map(|n| n * 8)), 0..200),
            factor in prop_oneof![Just(1_u64), Just(1 << 32), Just(0x9E37_79B9_7F4A_7C15)],
        ) {
            let mut entries: Vec<Entry> =
                entries.iter().map(|(key, place)| (key.wrapping_mul(factor), *place)).collect();
            let mut expected: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
            let at = 64;
            let payload = build(0, at, &mut entries);
            for (key, place) in &entries {
                expected.entry(*key).or_default().push(*place);
            }
            let mut file = vec![0; 64 + HEADER_OCTETS];
            file.extend_from_slice(&payload);
            let view = View::parse(at, file.len() as u64, &payload).unwrap();
            let source = Memory(file);
            for key in (1..70_u64).map(|key| key.wrapping_mul(factor)) {
                let mut places = Vec::new();
                view.find(&source, key, &mut places).unwrap();
                prop_assert_eq!(places, expected.get(&key).cloned().unwrap_or_default());
            }
        }
    }
}
