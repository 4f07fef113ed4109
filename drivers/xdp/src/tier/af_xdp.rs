//! User space, over AF_XDP sockets: for what the kernel program cannot do.
//!
//! A small program hands the frames that are to be answered to the socket of
//! their receive queue, and leaves all others to the host. Each queue has a
//! worker on a CPU of its own, which turns frames round where they lie: a
//! reflected frame moves its descriptor from the receive ring to the transmit
//! ring, its octets never move. Rings, memory and sockets are [`farend_af_xdp`]'s
//! business; here are the program, the workers and what they count.
//!
//! All queues share one UMEM, in parts that no two workers touch. Where the
//! driver writes frames straight into it that is zero-copy mode; else the kernel
//! copies each frame once in and once out.
//!
//! **Invariant:** nothing here parses a frame. Every frame that the program
//! handed over is answered, counted by its verdict, or counted as a loss by
//! name.

mod advice;
mod group;
mod losses;
mod program;
mod queues;
mod refused;
mod wake;
mod worker;

use std::os::fd::AsFd;

use farend_af_xdp::{BindMode, FrameTooLong, Layout, OpenError};
use farend_core::{Counters, Policy};
use farend_driver::{
    observe::{ObserverFactory, RefusedSample},
    privileges::Capability,
    worker::WorkerStatistics,
};

use rustix::process::{Resource, getrlimit};

use self::{
    advice::{frame_too_long, open_error},
    group::{Group, Shared},
    losses::{Counts, Losses},
    program::{HandedOver, Redirect},
};
use super::{
    Threaded, Tier, TierError,
    queues::{MoreQueues, tell},
    xdp::{
        Mode,
        foreign::{self, Displaced},
        link::Link,
    },
};
use crate::interface::Interface;

/// Capabilities that opening needs: sockets, and the program.
pub const CAPABILITIES: [Capability; 4] =
    [Capability::NET_RAW, Capability::NET_ADMIN, Capability::BPF, Capability::PERFMON];

/// What a tier is opened with.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// The interface.
    pub interface: &'a Interface,
    /// Receive queues to serve; `None` for all.
    pub queues: Option<&'a [u32]>,
    /// CPUs of the workers, in turn; `None` for all that there are.
    pub cpus: Option<&'a [u32]>,
    /// Microseconds that the kernel looks for frames by itself; `None`: it
    /// waits for interrupts.
    pub busy_poll_us: Option<u16>,
    /// Takes the place of an XDP program that is attached already.
    pub is_foreign_replaced: bool,
    /// What to look at.
    pub observers: &'a ObserverFactory,
    /// Takes one line for the user, without its end.
    pub notice: fn(&str),
}

/// The sockets, the workers and the program of one interface.
pub struct AfXdp {
    // In this order, which is that of dropping: first no more frames come in,
    // then workers end.
    link: Link,
    redirect: Redirect,
    /// What samples refused frames, if somebody asked and the tier is started.
    refused: Option<Threaded>,
    groups: Vec<Group>,
    shared: Shared,
    /// What programs that were replaced had counted.
    before: (Counters, HandedOver),
    losses: Losses,
    /// The program that had to make room.
    displaced: Option<Displaced>,
    /// The program of the policy that comes next.
    next: Option<(Policy, Redirect)>,
    is_started: bool,
}

impl AfXdp {
    /// Opens a socket on each queue, in zero-copy mode if the driver has it,
    /// and attaches the program.
    ///
    /// # Errors
    ///
    /// Why neither mode works, and what to do about it.
    pub fn open(options: &Options<'_>, policy: &Policy) -> Result<Self, TierError> {
        let Options { interface, notice, .. } = *options;
        let say = |line: &str| notice(&format!("{}: {line}", interface.name));
        if foreign::is_there(interface) && !options.is_foreign_replaced {
            return Err(foreign::describe(interface));
        }
        let queues = queues::select(interface, options.queues)?;
        let shared = Shared::new(options, &queues, policy)?;
        let mut redirect = shared.load(policy)?;
        let mut refused = None;
        for mode in [BindMode::ZeroCopy, BindMode::Copy] {
            match Self::attach(&shared, &queues, mode, &mut redirect, options, &say) {
                Ok((group, link, displaced)) => {
                    say(&group.describe());
                    return Ok(Self {
                        link,
                        redirect,
                        refused: None,
                        groups: vec![group],
                        shared,
                        before: (Counters::new(), HandedOver::default()),
                        losses: Losses::default(),
                        displaced,
                        next: None,
                        is_started: false,
                    });
                }
                Err(Refusal::Final(error)) => return Err(error),
                Err(Refusal::OfMode(error)) => {
                    if mode == BindMode::ZeroCopy {
                        say(&format!("copy mode, because zero-copy was refused: {error}"));
                    }
                    refused = Some(error);
                }
            }
        }
        Err(refused.unwrap_or_else(|| TierError::new("no mode works")))
    }

    /// Opens all queues in one mode, and lets frames in.
    fn attach(
        shared: &Shared,
        queues: &[u32],
        mode: BindMode,
        redirect: &mut Redirect,
        options: &Options<'_>,
        say: &impl Fn(&str),
    ) -> Result<(Group, Link, Option<Displaced>), Refusal> {
        let Options { interface, is_foreign_replaced, notice, .. } = *options;
        let group = Group::open(shared, queues, mode)?;
        group.give(redirect).map_err(Refusal::Final)?;
        // Last, so that it is back at once if it made room for nothing.
        let displaced =
            if is_foreign_replaced { Displaced::take(interface, notice)? } else { None };
        let link = match Link::attach(redirect.as_fd(), interface, Mode::Native) {
            Ok(link) => link,
            Err(error) if mode == BindMode::ZeroCopy => return Err(Refusal::OfMode(error)),
            Err(error) if foreign::is_there(interface) => return Err(Refusal::Final(error)),
            Err(error) => {
                say(&format!("the program runs after the driver, which is slower: {error}"));
                Link::attach(redirect.as_fd(), interface, Mode::Generic).map_err(Refusal::OfMode)?
            }
        };
        Ok((group, link, displaced))
    }

    /// Serves queues that the interface has got since.
    fn grow(&mut self) -> Option<String> {
        let new: Vec<_> = match self.shared.more_queues()? {
            MoreQueues::New(new) => new.collect(),
            MoreQueues::Back => {
                // Their sockets are open still; their program may be gone.
                let replaced = self.replace_program(&self.shared.policy.clone());
                return replaced.err().map(|error| tell(Err(error)));
            }
        };
        let outcome = self.open_more(&new);
        if outcome.is_err() {
            self.shared.give_up_growing();
        }
        Some(tell(outcome))
    }

    fn open_more(&mut self, new: &[u32]) -> Result<String, TierError> {
        let queues = &queues::select(self.shared.interface(), Some(new))?;
        let mode = self.groups.first().map_or(BindMode::Copy, Group::mode);
        let mut group = Group::open(&self.shared, queues, mode)?;
        group.start()?;
        let description = group.describe();
        self.groups.push(group);
        // Not only for its sockets: veth runs no program on new queues until
        // it is given one.
        self.replace_program(&self.shared.policy.clone()).map(drop)?;
        Ok(description)
    }

    /// Puts a program with this policy in the place of the one before. What
    /// it hands over meets workers that know their policy.
    ///
    /// Gives what samples the refused frames of the one before; dropping it
    /// takes a moment, because it takes the last of them.
    fn replace_program(&mut self, policy: &Policy) -> Result<Option<Threaded>, TierError> {
        let mut next = match self.next.take() {
            Some((prepared, program)) if prepared == *policy => program,
            _ => self.shared.load(policy)?,
        };
        for group in &self.groups {
            group.give(&mut next)?;
        }
        let refused = if self.is_started { self.shared.sample_refused(&mut next)? } else { None };
        self.link.replace(self.redirect.as_fd(), next.as_fd())?;
        let last = std::mem::replace(&mut self.redirect, next);
        let refused = std::mem::replace(&mut self.refused, refused);
        // Nobody runs it any more, so these are its final counts.
        self.before.0.merge(&last.counters()?);
        self.before.1.merge(last.handed_over()?);
        Ok(refused)
    }

    /// Leaves all frames to the host from now on, by a program that has no sockets.
    fn let_go(&mut self) {
        let next = Redirect::load(&self.shared.policy, None);
        let is_replaced =
            next.and_then(|next| self.link.replace(self.redirect.as_fd(), next.as_fd())).is_ok();
        if !is_replaced {
            self.link.detach();
        }
    }

    fn kernel_counts(&self) -> Result<(Counters, HandedOver), TierError> {
        let (mut counters, mut handed_over) = self.before;
        counters.merge(&self.redirect.counters()?);
        handed_over.merge(self.redirect.handed_over()?);
        Ok((counters, handed_over))
    }

    /// Puts together what the kernel program, the sockets and the workers
    /// have counted.
    fn sum(
        &mut self,
        (counters, handed_over): (Counters, HandedOver),
        is_final: bool,
    ) -> WorkerStatistics {
        let mut sum = WorkerStatistics { counters, ..WorkerStatistics::default() };
        let mut workers = WorkerStatistics::default();
        for group in &mut self.groups {
            group.merge_into(&mut workers);
        }
        sum.counters.merge(&workers.counters);
        let counts = Counts::read(handed_over, &mut self.groups);
        self.losses.update(counts, &workers, is_final);
        sum.losses.extend(self.losses.named(&workers.losses));
        sum.sent = workers.sent;
        sum.queues = self.groups.iter_mut().flat_map(Group::queue_counts).collect();
        sum.measured = workers.measured;
        sum
    }
}

impl Tier for AfXdp {
    fn start(&mut self) -> Result<(), TierError> {
        if std::mem::replace(&mut self.is_started, true) {
            return Ok(());
        }
        self.shared.tell_idle(&self.groups);
        self.refused = self.shared.sample_refused(&mut self.redirect)?;
        self.groups.iter_mut().try_for_each(Group::start)
    }

    fn prepare_policy(&mut self, policy: &Policy) -> Result<(), TierError> {
        // The same one is in force: its program stays.
        if *policy != self.shared.policy {
            self.next = Some((policy.clone(), self.shared.load(policy)?));
        }
        Ok(())
    }

    fn abandon_policy(&mut self) {
        self.next = None;
    }

    fn replace_policy(&mut self, policy: &Policy) -> Result<(), TierError> {
        if *policy == self.shared.policy {
            return Ok(());
        }
        let refused = self.replace_program(policy)?;
        // What the program before handed over is judged by either policy: a
        // frame that only one of them answers may be lost here, and is counted.
        for group in &mut self.groups {
            group.replace_policy(policy)?;
        }
        self.shared.policy = policy.clone();
        // Last, because it waits, and workers should not lag behind the program.
        drop(refused);
        Ok(())
    }

    fn statistics(&mut self) -> Result<WorkerStatistics, TierError> {
        let kernel = self.kernel_counts()?;
        Ok(self.sum(kernel, false))
    }

    fn failure(&mut self) -> Option<TierError> {
        self.link
            .failure()
            .or_else(|| self.groups.iter_mut().find_map(Group::failure))
            .or_else(|| self.refused.as_mut()?.failure())
    }

    fn look_after(&mut self) -> Vec<String> {
        self.grow().into_iter().collect()
    }

    fn stop(&mut self) -> WorkerStatistics {
        // No more frames come in; then the workers answer those that did; only then is
        // the program detached, which makes some drivers reset the interface.
        self.let_go();
        self.refused.iter().for_each(Threaded::request_stop);
        self.groups.iter_mut().for_each(Group::request_stop);
        self.groups.iter_mut().for_each(Group::stop);
        // It takes the last copies, and waits for nobody long.
        drop(self.refused.take());
        self.link.detach();
        drop(self.displaced.take());
        let kernel = self.kernel_counts().unwrap_or(self.before);
        self.sum(kernel, true)
    }
}

/// Why a mode does not work.
enum Refusal {
    /// Another may.
    OfMode(TierError),
    /// No other would.
    Final(TierError),
}

impl From<TierError> for Refusal {
    fn from(error: TierError) -> Self {
        Self::Final(error)
    }
}

impl From<Refusal> for TierError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::OfMode(error) | Refusal::Final(error) => error,
        }
    }
}

impl From<OpenError> for Refusal {
    fn from(error: OpenError) -> Self {
        let is_about_mode = error.is_about_mode();
        let error = open_error(error);
        if is_about_mode { Self::OfMode(error) } else { Self::Final(error) }
    }
}

impl From<FrameTooLong> for Refusal {
    fn from(error: FrameTooLong) -> Self {
        Self::Final(frame_too_long(error))
    }
}

/// Whether the tier would open, as far as that is to be known without touching
/// the interface.
///
/// # Errors
///
/// As in [`AfXdp::open`].
pub fn rehearse(policy: &Policy, refused: Option<RefusedSample>) -> Result<(), TierError> {
    farend_af_xdp::rehearse().map_err(open_error)?;
    Redirect::load(policy, refused).map(drop)
}

/// What would be opened, in numbers.
///
/// # Errors
///
/// Queues that do not exist, frames that do not fit.
pub fn forecast(interface: &Interface, queues: Option<&[u32]>) -> Result<String, TierError> {
    let queues = queues::select(interface, queues)?;
    Ok(layout_of(interface, &queues).map_err(frame_too_long)?.to_string())
}

/// Warns of memory that the kernel will not lock.
#[must_use]
pub fn memory_trouble(interface: &Interface, queues: Option<&[u32]>) -> Option<String> {
    let queues = queues::select(interface, queues).ok()?;
    let wanted_octets = layout_of(interface, &queues).ok()?.umem_octets() as u64;
    let limit_octets = getrlimit(Resource::Memlock).current?;
    let is_limited = !Capability::IPC_LOCK.is_held() && limit_octets < wanted_octets;
    is_limited.then(|| {
        format!(
            "AF_XDP needs {} KiB of locked memory, and {} KiB are allowed: ulimit -l {0}",
            wanted_octets.div_ceil(1 << 10),
            limit_octets >> 10
        )
    })
}

fn layout_of(interface: &Interface, queues: &[u32]) -> Result<Layout, FrameTooLong> {
    let count = u32::try_from(queues.len()).unwrap_or(u32::MAX);
    Layout::new(count, interface.mtu_octets, super::xdp::kernel())
}

/// Looks for queues and CPUs that do not exist.
///
/// # Errors
///
/// The first of them.
pub fn check(
    interface: &Interface,
    queues: Option<&[u32]>,
    cpus: Option<&[u32]>,
) -> Result<(), TierError> {
    queues::select(interface, queues)?;
    queues::cpus(cpus).map(drop)
}
