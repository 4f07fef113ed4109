//! File descriptors that tell when a side of a ring has something to do.

use std::{
    io,
    mem::forget,
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
};

use farend_core::ring::{Alert, Since};
use farend_futex::Default as System;
use rustix::event::{PollFd, PollFlags, poll};

use crate::{
    Deadline, Processes,
    deadline::{is_over, left_timespec},
    process::ThisProcess,
    signal::Signal,
    sys::Side,
    watch::Blocked,
};

/// Octets of a readiness's thread's stack: it calls little.
const STACK_OCTETS: usize = 64 << 10;

/// A file descriptor that becomes readable when the side it was made from may have
/// something to do: a message or room for one is there, or a peer came, left or died.
/// For `poll`, `epoll`, `kqueue`, or whatever waits for descriptors.
///
/// It is told by a thread that sleeps meanwhile, so that peers need not know of it, and
/// nobody wakes while nothing happens.
///
/// Call [`rearm`](Self::rearm) *first*, then receive (or send) until nothing is left,
/// then wait: what happens after `rearm` makes the descriptor readable. It may become
/// readable for no reason.
///
/// ```
/// use farend_shm::{Deadline, WaitSet, spsc};
///
/// let ring = spsc::Ring::anonymous(1 << 12)?;
/// let (mut sender, mut receiver) = (ring.sender()?, ring.receiver()?);
/// let mut set = WaitSet::new();
/// set.add(receiver.readiness()?);
/// let sending = std::thread::spawn(move || sender.send(b"hello", Deadline::NEVER));
/// loop {
///     set.rearm()?;
///     if let Some(record) = receiver.try_receive()? {
///         assert_eq!(record, b"hello");
///         break;
///     }
///     set.wait(Deadline::NEVER)?;
/// }
/// sending.join().unwrap()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Readiness {
    inner: Arc<Inner>,
    orders: Option<mpsc::Sender<Since>>,
    thread: Option<JoinHandle<()>>,
    /// A forked child has no thread.
    maker: ThisProcess,
}

#[derive(Debug)]
struct Inner {
    signal: Signal,
    alert: Side<Alert<'static>>,
    /// Whether the thread sleeps for the side, or is about to.
    is_watching: AtomicBool,
    is_over: AtomicBool,
}

impl Readiness {
    pub(crate) fn new(alert: Side<Alert<'static>>) -> io::Result<Self> {
        let inner = Arc::new(Inner {
            signal: Signal::new()?,
            alert,
            is_watching: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        });
        let (orders, received) = mpsc::channel();
        let of_thread = Arc::clone(&inner);
        let _blocked = Blocked::all();
        let thread = thread::Builder::new()
            .name("farend-ready".to_owned())
            .stack_size(STACK_OCTETS)
            .spawn(move || of_thread.run(&received))?;
        let maker = ThisProcess::now();
        Ok(Self { inner, orders: Some(orders), thread: Some(thread), maker })
    }

    /// Makes the descriptor unreadable, until something happens from now on.
    ///
    /// # Errors
    /// In a forked child, which must make readiness of its own.
    pub fn rearm(&self) -> io::Result<()> {
        let Some(orders) = self.orders.as_ref().filter(|_| self.maker.is_here()) else {
            return Err(io::Error::other("readiness was made by another process"));
        };
        self.inner.signal.clear()?;
        // Acquire: pairs with the thread's Release. If it still watches, it will tell.
        if !self.inner.is_watching.swap(true, Ordering::AcqRel) {
            let since = self.inner.alert.arm::<Processes>();
            orders.send(since).map_err(|_| io::Error::other("the thread has ended"))?;
        }
        Ok(())
    }
}

impl AsFd for Readiness {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.signal.as_fd()
    }
}

impl Drop for Readiness {
    fn drop(&mut self) {
        if !self.maker.is_here() {
            // The thread is the parent's, and whatever it locked at the fork is locked.
            forget((self.orders.take(), self.thread.take()));
            return;
        }
        // Release: pairs with the thread's Acquire.
        self.inner.is_over.store(true, Ordering::Release);
        self.orders = None;
        self.inner.alert.disturb::<System>();
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

impl Inner {
    fn run(&self, orders: &mpsc::Receiver<Since>) {
        for since in orders {
            self.alert.wait::<System, Processes>(since);
            // Acquire: pairs with the Release in `drop`.
            if self.is_over.load(Ordering::Acquire) {
                return;
            }
            // Release: a `rearm` that finds this gives a new order; one that does not
            // is told by the signal.
            self.is_watching.store(false, Ordering::Release);
            self.signal.raise();
        }
    }
}

/// Waits for many sides at once, of rings of any kind.
#[derive(Debug, Default)]
pub struct WaitSet(Vec<Readiness>);

impl WaitSet {
    /// A set of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a side; gives its number, counted from 0.
    pub fn add(&mut self, readiness: Readiness) -> usize {
        self.0.push(readiness);
        self.0.len() - 1
    }

    /// Forgets what happened so far; see [`Readiness::rearm`].
    ///
    /// # Errors
    /// As [`Readiness::rearm`].
    pub fn rearm(&self) -> io::Result<()> {
        self.0.iter().try_for_each(Readiness::rearm)
    }

    /// Waits until something happened to one of the sides since
    /// [`rearm`](Self::rearm), at most until `deadline`; gives the numbers of those to
    /// which something did.
    ///
    /// # Errors
    /// What the system says.
    pub fn wait(&self, deadline: Deadline) -> io::Result<Vec<usize>> {
        let mut polled: Vec<_> =
            self.0.iter().map(|readiness| PollFd::new(readiness, PollFlags::IN)).collect();
        loop {
            let timeout = left_timespec(deadline);
            match poll(&mut polled, timeout.as_ref()) {
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
                Ok(0) if !is_over(deadline) => {}
                Ok(_count) => break,
            }
        }
        let ready = polled.iter().enumerate().filter(|(_, fd)| !fd.revents().is_empty());
        Ok(ready.map(|(index, _)| index).collect())
    }
}
