//! Which queues are served, and by which CPUs.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::program::QUEUES_MAX;
use crate::{interface::Interface, tier::TierError};

/// The receive queues to serve: those that are wanted, or all.
///
/// # Errors
///
/// One that does not exist, or more than a program serves.
pub(super) fn select(interface: &Interface, wanted: Option<&[u32]>) -> Result<Vec<u32>, TierError> {
    let count = interface.active_receive_queues();
    let last = count.saturating_sub(1);
    let name = &interface.name;
    let queues: Vec<u32> = wanted.map_or_else(|| (0..count).collect(), <[u32]>::to_vec);
    if let Some(queue) = queues.iter().find(|queue| **queue > last) {
        let there = if last == 0 { "queue 0 alone".to_owned() } else { format!("queues 0-{last}") };
        return Err(TierError::new(format!("{name} has no receive queue {queue}, it has {there}"))
            .with_advice("name others by --queues"));
    }
    if queues.iter().any(|queue| *queue >= QUEUES_MAX) {
        return Err(TierError::new(format!(
            "{name} has {count} receive queues, and {QUEUES_MAX} are served at most"
        ))
        .with_advice(format!(
            "have fewer (ethtool -L {name} combined {QUEUES_MAX}), or name some by --queues"
        )));
    }
    Ok(queues)
}

/// The CPUs of workers: the wanted ones, or those that this process may run on.
///
/// # Errors
///
/// One that does not exist, or that this process may not use.
pub(super) fn cpus(wanted: Option<&[u32]>) -> Result<Vec<u32>, TierError> {
    let allowed = allowed()?;
    if let Some(cpu) = wanted.unwrap_or_default().iter().find(|cpu| !allowed.contains(cpu)) {
        let listed: Vec<_> = allowed.iter().map(u32::to_string).collect();
        return Err(TierError::new(format!("there is no CPU {cpu} for this process"))
            .with_advice(format!("name some of these by --cpus: {}", listed.join(","))));
    }
    Ok(wanted.map_or(allowed, <[u32]>::to_vec))
}

fn allowed() -> Result<Vec<u32>, TierError> {
    let set = sched_getaffinity(None)
        .map_err(|error| TierError::new(format!("cannot ask which CPUs there are: {error}")))?;
    Ok((0_u32..).take(CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu as usize)).collect())
}

/// Keeps this thread on one CPU.
pub(super) fn pin(cpu: u32) -> std::io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu as usize);
    Ok(sched_setaffinity(None, &set)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_does_not_exist_is_named() {
        // No such interface: it is taken to have one queue.
        let interface = Interface { name: "afxdp0".to_owned(), ..Interface::default() };
        assert_eq!(select(&interface, None).unwrap(), [0]);
        assert_eq!(select(&interface, Some(&[0])).unwrap(), [0]);
        let error = select(&interface, Some(&[0, 3])).unwrap_err().to_string();
        assert!(error.contains("no receive queue 3, it has queue 0 alone"), "{error}");
    }

    #[test]
    fn a_cpu_that_does_not_exist_is_named() {
        let allowed = allowed().unwrap();
        let first = allowed[0];
        assert_eq!(cpus(Some(&[first])).unwrap(), [first]);
        assert_eq!(cpus(None).unwrap(), allowed);
        let error = cpus(Some(&[99_999])).unwrap_err().to_string();
        assert!(error.contains("no CPU 99999") && error.contains("--cpus"), "{error}");
    }
}
