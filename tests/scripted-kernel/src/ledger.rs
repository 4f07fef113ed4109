//! Where every chunk is, from what can be seen: rings, kernel, tokens in hand.

use farend_af_xdp::queue::{Ledger, Queue};
use farend_core::port::Burst;

use crate::kernel::ScriptedKernel;

/// Finds each chunk, and holds the queue's own books against it.
///
/// `in_hand` are the bursts whose frames are out.
///
/// # Errors
///
/// Says which chunk is in two places or in none, or which count is wrong.
pub fn find(queue: &mut Queue<ScriptedKernel>, in_hand: &[&Burst]) -> Result<Ledger, String> {
    let kernel = queue.kernel();
    let sizes = *kernel.sizes();
    let mut found = Ledger::default();
    let mut places: Vec<Option<&str>> = vec![None; sizes.chunks as usize];
    let mut put = |address: u64, place: &'static str, count: &mut u32| {
        let index = (address - sizes.base) / u64::from(sizes.chunk_octets);
        let slot = usize::try_from(index).ok().and_then(|index| places.get_mut(index));
        let slot = slot.ok_or_else(|| format!("{address:#x} in {place} is no chunk"))?;
        if let Some(other) = slot.replace(place) {
            return Err(format!("chunk {index} is in {place} and in {other}"));
        }
        *count += 1;
        Ok(())
    };
    for address in kernel.fill.entries().iter().chain(&kernel.to_receive) {
        put(*address, "fill", &mut found.fill)?;
    }
    for descriptor in kernel.rx.entries() {
        put(descriptor.address, "rx", &mut found.rx)?;
    }
    for descriptor in kernel.tx.entries() {
        put(descriptor.address, "tx", &mut found.tx)?;
    }
    for address in &kernel.to_complete {
        put(*address, "sent", &mut found.tx)?;
    }
    for address in kernel.completion.entries() {
        put(address, "completion", &mut found.completion)?;
    }
    for frame in in_hand.iter().flat_map(|burst| burst.iter()) {
        let (address, _) = queue.locate(frame).ok_or("a foreign frame is in hand")?;
        put(address, "hand", &mut found.hand)?;
    }
    let lost = u32::try_from(places.iter().filter(|place| place.is_none()).count());
    found.free = lost.map_err(|_| "too many chunks")?;
    let booked = queue.ledger().map_err(|error| error.to_string())?;
    if found != booked {
        return Err(format!("found {found:?}, but the queue has {booked:?}"));
    }
    if found.sum() != u64::from(sizes.chunks) {
        return Err(format!("{} chunks of {} are found", found.sum(), sizes.chunks));
    }
    Ok(found)
}
