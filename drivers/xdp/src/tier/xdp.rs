//! In the kernel: the XDP program on one interface.
//!
//! The program is attached by a bpf link alone, so the kernel detaches it when
//! this process ends, however it ends. It is compiled for its policy: another
//! policy is another program, which takes the place of the first between two
//! frames.

pub(crate) mod foreign;
pub(super) mod link;
pub(super) mod program;
mod sent;

use std::os::fd::AsFd;

use farend_core::{Counters, Policy};
use farend_driver::{
    privileges::{self, Capability},
    values::Numbers,
    worker::WorkerStatistics,
};

use super::{
    Tier, TierError,
    queues::{MoreQueues, QueueWatch, tell},
};
use crate::interface::Interface;
use foreign::Displaced;
use link::Link;
use program::{Program, Source};
use sent::SentCounter;

/// Capabilities that loading and attaching needs. The program takes the
/// difference of two pointers, the length of a frame, which the verifier lets
/// only holders of `CAP_PERFMON` do.
pub const CAPABILITIES: [Capability; 3] =
    [Capability::NET_ADMIN, Capability::BPF, Capability::PERFMON];

/// First Linux with what the program needs: frames in fragments (5.18), after
/// bpf links for XDP (5.9).
const KERNEL_MIN: (u32, u32) = (5, 18);

/// Where the kernel runs the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// In the driver.
    Native,
    /// After the driver.
    Generic,
}

/// The program on one interface.
pub struct Attachment {
    // Before what it displaced: both are dropped in this order.
    link: Link,
    program: Program,
    policy: Policy,
    /// veth runs no program on a new queue until it is given one. In generic
    /// mode the program is the interface's, not the queues'.
    queues: Option<QueueWatch>,
    /// Where the driver tells what has left.
    sent: Option<SentCounter>,
    /// What programs that were replaced had counted.
    before: Counters,
    /// The program that had to make room.
    displaced: Option<Displaced>,
    /// The program of the policy that comes next.
    next: Option<(Policy, Program)>,
}

impl Attachment {
    /// Loads the program with this policy and attaches it.
    ///
    /// # Errors
    ///
    /// Why the kernel, the driver or a program already there does not let it,
    /// and what to do.
    pub fn open(
        interface: &Interface,
        policy: &Policy,
        mode: Mode,
        is_foreign_replaced: bool,
        notice: fn(&str),
    ) -> Result<Self, TierError> {
        if interface.mac.is_none() {
            return Err(TierError::new("it is not an Ethernet interface"));
        }
        let program = Program::load(Source::Reflect, policy)?;
        // Counted first, so that none comes unseen.
        let count = interface.active_receive_queues();
        // Last of all that can fail before attaching.
        let displaced =
            if is_foreign_replaced { Displaced::take(interface, notice)? } else { None };
        let sent = SentCounter::start(interface, mode);
        let link = Link::attach(program.as_fd(), interface, mode)?;
        let queues = (mode == Mode::Native).then(|| QueueWatch::beyond(interface, count));
        let (policy, before) = (policy.clone(), Counters::new());
        Ok(Self { link, program, policy, queues, sent, before, displaced, next: None })
    }

    fn replace_program(&mut self, policy: &Policy) -> Result<(), TierError> {
        let next = match self.next.take() {
            Some((prepared, program)) if prepared == *policy => program,
            _ => Program::load(Source::Reflect, policy)?,
        };
        self.link.replace(self.program.as_fd(), next.as_fd())?;
        let last = std::mem::replace(&mut self.program, next);
        // Nobody runs it any more, so these are its final counts.
        self.before.merge(&last.counters()?);
        Ok(())
    }

    /// Gives queues that the interface has got since a program; the kernel
    /// takes the same one for no change.
    fn grow(&mut self) -> Option<String> {
        let more = self.queues.as_mut()?.look()?;
        let replaced = self.replace_program(&self.policy.clone());
        match (more, replaced) {
            (MoreQueues::New(new), replaced) => {
                let runs = |()| format!("the program runs on {}", Numbers(new.collect()));
                Some(tell(replaced.map(runs)))
            }
            (MoreQueues::Back, replaced) => replaced.err().map(|error| tell(Err(error))),
        }
    }

    /// With what became of the answers, which is read after what was decided.
    fn with_sent(&mut self, counters: &Counters) -> WorkerStatistics {
        let mut all = WorkerStatistics { counters: *counters, ..WorkerStatistics::default() };
        if let Some(sent) = self.sent.as_mut().map(SentCounter::read) {
            all.sent = Some(sent.sent);
            all.losses.push(("transmit_failed", sent.failed));
        }
        all
    }

    fn counters(&self) -> Result<Counters, TierError> {
        let mut sum = self.before;
        sum.merge(&self.program.counters()?);
        Ok(sum)
    }
}

impl Tier for Attachment {
    fn start(&mut self) -> Result<(), TierError> {
        Ok(())
    }

    fn prepare_policy(&mut self, policy: &Policy) -> Result<(), TierError> {
        // The same one is in force: its program stays.
        if *policy != self.policy {
            self.next = Some((policy.clone(), Program::load(Source::Reflect, policy)?));
        }
        Ok(())
    }

    fn abandon_policy(&mut self) {
        self.next = None;
    }

    fn replace_policy(&mut self, policy: &Policy) -> Result<(), TierError> {
        if *policy == self.policy {
            return Ok(());
        }
        let queues = self.queues.as_ref().map(QueueWatch::start_over);
        self.replace_program(policy)?;
        self.queues = queues;
        self.policy = policy.clone();
        Ok(())
    }

    fn statistics(&mut self) -> Result<WorkerStatistics, TierError> {
        let counters = self.counters()?;
        Ok(self.with_sent(&counters))
    }

    fn failure(&mut self) -> Option<TierError> {
        self.link.failure()
    }

    fn look_after(&mut self) -> Vec<String> {
        self.grow().into_iter().collect()
    }

    fn stop(&mut self) -> WorkerStatistics {
        self.link.detach();
        drop(self.displaced.take());
        let counters = self.counters().unwrap_or(self.before);
        self.with_sent(&counters)
    }
}

/// Ticks a second of the clock that the program asks: the kernel's jiffies,
/// which the coarse clocks stand still between (`clock_getres(2)`).
#[must_use]
pub fn ticks_per_second() -> u64 {
    let tick = rustix::time::clock_getres(rustix::time::ClockId::MonotonicCoarse);
    match u64::try_from(tick.tv_nsec) {
        Ok(nanoseconds @ 1..) => 1_000_000_000 / nanoseconds,
        // No kernel has ticks of a second; 100 is the least of all.
        _ => 100,
    }
}

/// Loads the program and lets go of it: whether it could be attached, without
/// attaching.
///
/// # Errors
///
/// As in [`Attachment::open`].
pub fn rehearse(policy: &Policy) -> Result<(), TierError> {
    Program::load(Source::Reflect, policy).map(drop)
}

/// Says what is missing to load or attach.
pub(super) fn permission_error(wanted: &[Capability]) -> TierError {
    let missing = privileges::missing(wanted);
    if missing.is_empty() {
        return TierError::new("the kernel does not let this process use bpf(2)")
            .with_advice("run as root outside of containers and kernel lockdown");
    }
    let names: Vec<_> =
        missing.iter().map(|one| format!("CAP_{}", one.name.to_uppercase())).collect();
    TierError::new(format!("no permission: {} missing", names.join(", ")))
        .with_advice(privileges::advice(wanted))
}

/// Whether this kernel is older than the program needs; `None` if it does not
/// tell.
fn is_kernel_too_old() -> Option<String> {
    (kernel()? < KERNEL_MIN)
        .then(|| rustix::system::uname().release().to_string_lossy().into_owned())
}

/// Major and minor number of the running kernel, if it tells them.
pub(super) fn kernel() -> Option<(u32, u32)> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next()?.parse().ok()?;
    Some((major, minor))
}
