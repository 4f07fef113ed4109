//! Queues that were opened together, with their workers.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::atomic::{AtomicUsize, Ordering},
};

use farend_af_xdp::{BindMode, Layout, OpenError, Opened, ReceiveCount, Request};
use farend_core::Policy;
use farend_driver::{
    observe::{ObserverFactory, ReportingObserver},
    values::Numbers,
    worker::{PolicyReader, QueueCounts, StatisticsCell, Stop, WorkerStatistics},
};

use super::{
    Options, Refusal, layout_of,
    losses::lost_by,
    program::Redirect,
    queues, refused, wake,
    worker::{Place, Worker},
};
use crate::{
    interface::Interface,
    tier::{
        Threaded, Tier, TierError,
        queues::{MoreQueues, QueueWatch},
    },
};

/// What all queues of an interface are opened with.
pub(super) struct Shared {
    interface: Interface,
    /// The user's choice of CPUs.
    cpus: Vec<u32>,
    /// For queues that come later; `None` if they are not to be served.
    later: Option<QueueWatch>,
    busy_poll_us: Option<u16>,
    pub(super) policy: Policy,
    observers: ObserverFactory,
    notice: fn(&str),
}

impl Shared {
    pub(super) fn new(
        options: &Options<'_>,
        queues: &[u32],
        policy: &Policy,
    ) -> Result<Self, TierError> {
        let count = u32::try_from(queues.len()).unwrap_or(u32::MAX);
        let is_growing = options.queues.is_none();
        Ok(Self {
            interface: options.interface.clone(),
            cpus: queues::cpus(options.cpus)?,
            later: is_growing.then(|| QueueWatch::beyond(options.interface, count)),
            busy_poll_us: options.busy_poll_us,
            policy: policy.clone(),
            observers: options.observers.clone(),
            notice: options.notice,
        })
    }

    /// Loads the program with this policy.
    pub(super) fn load(&self, policy: &Policy) -> Result<Redirect, TierError> {
        Redirect::load(policy, self.observers.refused_sample())
    }

    /// Starts to sample what the program copies of refused frames, if it does.
    pub(super) fn sample_refused(
        &self,
        redirect: &mut Redirect,
    ) -> Result<Option<Threaded>, TierError> {
        let copies = redirect.take_copies();
        let Some((copies, sampler)) = copies.zip(self.observers.refused_sampler()) else {
            return Ok(None);
        };
        let mut thread = refused::thread_of(copies, sampler, &self.policy);
        thread.start()?;
        Ok(Some(thread))
    }

    pub(super) const fn interface(&self) -> &Interface {
        &self.interface
    }

    /// Queues that the interface has got since; `None` if there are none, or they are
    /// not to be served.
    pub(super) fn more_queues(&mut self) -> Option<MoreQueues> {
        self.later.as_mut()?.look()
    }

    /// The CPU of the next worker: all of this process take turns.
    fn next_cpu(&self) -> u32 {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        // Relaxed: any number will do, once each.
        let place = NEXT.fetch_add(1, Ordering::Relaxed) % self.cpus.len().max(1);
        self.cpus.get(place).copied().unwrap_or(0)
    }

    /// Leaves further queues alone: trying again each second would help nobody.
    pub(super) fn give_up_growing(&mut self) {
        self.later = None;
    }

    /// Says what an idle worker does: how soon it wakes, or that it does not sleep.
    pub(super) fn tell_idle(&self, groups: &[Group]) {
        let Some(cpu) = groups.first().and_then(|group| group.cpus.first()) else { return };
        let told = if self.busy_poll_us.is_some() {
            "an idle worker never sleeps, and keeps a whole CPU busy (--busy-poll)".to_owned()
        } else {
            match wake::measure(*cpu) {
                Ok(time) => format!(
                    "an idle worker sleeps, and wakes within {} us of a frame (median of {} \
                     wake-ups)",
                    time.as_micros(),
                    wake::ROUNDS
                ),
                Err(error) => format!("how soon an idle worker wakes was not measured: {error}"),
            }
        };
        (self.notice)(&format!("{}: {told}", self.interface.name));
    }
}

/// One UMEM, its queues and their workers.
pub(super) struct Group {
    pub(super) queues: Vec<u32>,
    cpus: Vec<u32>,
    /// The sockets, beside the workers that own them too.
    sockets: Vec<OwnedFd>,
    received: Vec<Received>,
    workers: Vec<Threaded>,
    mode: BindMode,
    description: String,
}

impl Group {
    /// Opens the queues. Their workers wait for [`start`](Self::start).
    pub(super) fn open(shared: &Shared, queues: &[u32], mode: BindMode) -> Result<Self, Refusal> {
        let interface = &shared.interface;
        let layout = layout_of(interface, queues)?;
        let request = Request {
            interface_index: interface.index,
            queues,
            layout,
            busy_poll_us: shared.busy_poll_us,
        };
        let opened = farend_af_xdp::open(&request, mode)?;
        let description = describe(&opened, queues, &layout);
        let mut group = Self {
            queues: queues.to_vec(),
            cpus: Vec::new(),
            sockets: Vec::new(),
            received: Vec::new(),
            workers: Vec::new(),
            mode,
            description,
        };
        for socket in opened.sockets {
            let cpu = shared.next_cpu();
            let place = Place {
                name: format!("{} queue {}", interface.name, socket.queue()),
                cpu,
                is_polling: shared.busy_poll_us.is_some(),
                notice: shared.notice,
            };
            group.cpus.push(cpu);
            let descriptor = socket.as_fd().try_clone_to_owned().map_err(OpenError::Socket)?;
            group.sockets.push(descriptor);
            group.received.push(Received::new(socket.receive_count()));
            group.workers.push(match shared.observers.observer() {
                Some(observer) => thread_of(Worker::new(socket, place, observer), shared),
                None => thread_of(Worker::new(socket, place, ()), shared),
            });
        }
        Ok(group)
    }

    pub(super) const fn mode(&self) -> BindMode {
        self.mode
    }

    /// What was opened, in numbers.
    pub(super) fn describe(&self) -> String {
        let cpus: Vec<_> = self.cpus.iter().map(u32::to_string).collect();
        let cpu = if cpus.len() == 1 { "CPU" } else { "CPUs" };
        format!("{}, on {cpu} {}", self.description, cpus.join(","))
    }

    /// Hands the frames of these queues to their sockets.
    pub(super) fn give(&self, redirect: &mut Redirect) -> Result<(), TierError> {
        self.each().try_for_each(|(queue, socket)| redirect.give(queue, socket))
    }

    /// The queues and their sockets.
    pub(super) fn each(&self) -> impl Iterator<Item = (u32, BorrowedFd<'_>)> {
        self.queues.iter().copied().zip(self.sockets.iter().map(AsFd::as_fd))
    }

    /// Frames that the kernel has put into the sockets' rings so far.
    pub(super) fn received(&mut self) -> u64 {
        self.received.iter_mut().map(Received::read).sum()
    }

    pub(super) fn start(&mut self) -> Result<(), TierError> {
        self.workers.iter_mut().try_for_each(Tier::start)
    }

    pub(super) fn replace_policy(&mut self, policy: &Policy) -> Result<(), TierError> {
        self.workers.iter_mut().try_for_each(|worker| worker.replace_policy(policy))
    }

    pub(super) fn failure(&mut self) -> Option<TierError> {
        self.workers.iter_mut().find_map(Tier::failure)
    }

    pub(super) fn request_stop(&mut self) {
        self.workers.iter().for_each(Threaded::request_stop);
    }

    pub(super) fn stop(&mut self) {
        for worker in &mut self.workers {
            worker.stop();
        }
    }

    /// Adds what the workers have counted, but for their queues.
    pub(super) fn merge_into(&mut self, sum: &mut WorkerStatistics) {
        for worker in &mut self.workers {
            // It only reads what the worker left.
            let Ok(statistics) = worker.statistics() else { continue };
            sum.merge(&statistics);
        }
    }

    /// What became of the frames of each queue.
    pub(super) fn queue_counts(&mut self) -> Vec<QueueCounts> {
        let places = self.queues.iter().zip(&self.sockets);
        let counts = self.workers.iter_mut().zip(places).filter_map(|(worker, place)| {
            let (queue, socket) = place;
            let one = worker.statistics().ok()?;
            let by_worker: u64 = one.losses.iter().map(|(_, frames)| frames).sum();
            let by_socket = farend_af_xdp::statistics(socket).map_or(0, |one| lost_by(&one));
            Some(QueueCounts {
                queue: *queue,
                answers: one.counters.reflected() + one.counters.answered(),
                sent: one.sent,
                lost: by_worker + by_socket,
            })
        });
        counts.collect()
    }
}

/// A socket's count of 32 bits, made one that does not wrap by looking at it at least
/// once in 2^32 frames: the runtime does each second.
struct Received {
    count: ReceiveCount,
    last: u32,
    sum: u64,
}

impl Received {
    fn new(count: ReceiveCount) -> Self {
        let last = count.read();
        Self { count, last, sum: 0 }
    }

    fn read(&mut self) -> u64 {
        let now = self.count.read();
        self.sum += u64::from(now.wrapping_sub(self.last));
        self.last = now;
        self.sum
    }
}

/// Puts a worker on a thread, which waits to be started.
fn thread_of<W: ReportingObserver + Send + 'static>(
    mut worker: Worker<W>,
    shared: &Shared,
) -> Threaded {
    let run = move |policy: &mut PolicyReader, stop: &Stop, left: &StatisticsCell| {
        worker.run(policy, stop, left)
    };
    Threaded::new("af-xdp", &shared.policy, run)
}

fn describe(opened: &Opened, queues: &[u32], layout: &Layout) -> String {
    let mode = if opened.is_zero_copy { BindMode::ZeroCopy } else { BindMode::Copy };
    let pages = if opened.is_huge { "huge pages" } else { "ordinary pages" };
    let parts = if opened.has_fragments { ", packets in several chunks" } else { "" };
    let numbers = Numbers(queues.to_vec());
    let queue = if queues.len() == 1 { "queue" } else { "queues" };
    format!("{queue} {numbers} in {mode}, {layout}, {pages}{parts}")
}
