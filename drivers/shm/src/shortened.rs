//! Named segments that are shortened while they are mapped.
//!
//! A process of the same user can shorten the file behind a name: files in `/dev/shm` take
//! no seals (`F_ADD_SEALS` gives `EPERM`; only memory without a name can be sealed). An
//! access to what is gone is ended by the system with `SIGBUS`.
//!
//! So the first mapping of such a file sets a handler of that signal. If the address lies
//! in one of the mappings here, the handler gives the file its length back, filled with
//! ones, and the access is made again. No ring takes ones for a message or a cursor, so the
//! caller gets an error. Each page is filled before the file reaches it. What a cut leaves
//! of its own page reads as zeros, which are no messages, until another page is missed.
//!
//! This is for rings. Values are left to the signal: a lock that is held has links in its
//! memory, by which its thread finds the others that it holds.
//!
//! Every other `SIGBUS` goes to the handler that was there before.
#![expect(unsafe_code, reason = "a handler of a signal")]

use std::{
    mem::MaybeUninit,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
    ptr,
    sync::{
        Once, OnceLock,
        atomic::{AtomicI32, AtomicUsize, Ordering},
    },
};

use libc::{c_int, c_void, siginfo_t};
use rustix::io;

/// Mappings that can be watched over at a time. Further ones are not.
const MAPPINGS_MAX: usize = 512;

const PAGE_OCTETS: usize = 4096;

/// What stands in the place of octets that are gone.
static ONES: [u8; PAGE_OCTETS] = [0xFF; PAGE_OCTETS];

static MAPPINGS: [Mapped; MAPPINGS_MAX] = [const { Mapped::none() }; MAPPINGS_MAX];

/// A mapping that the handler knows.
struct Mapped {
    /// Where it starts; 0 if there is none, 1 while it is being written.
    base: AtomicUsize,
    octets: AtomicUsize,
    file: AtomicI32,
}

impl Mapped {
    const fn none() -> Self {
        Self { base: AtomicUsize::new(0), octets: AtomicUsize::new(0), file: AtomicI32::new(-1) }
    }
}

/// A mapping that is watched over for as long as this lives.
#[derive(Debug)]
pub(crate) struct Watched {
    index: usize,
    /// The handler's own.
    _file: OwnedFd,
}

impl Watched {
    /// Watches over a mapping of the first octets of a file; `None` if that cannot be.
    pub(crate) fn new(base: usize, octets: usize, file: BorrowedFd<'_>) -> Option<Self> {
        set_handler();
        let file = io::fcntl_dupfd_cloexec(file, 0).ok()?;
        let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
        let index = MAPPINGS
            .iter()
            .position(|mapped| mapped.base.compare_exchange(0, 1, success, failure).is_ok())?;
        let mapped = &MAPPINGS[index];
        mapped.octets.store(octets, Ordering::Relaxed);
        mapped.file.store(file.as_raw_fd(), Ordering::Relaxed);
        // Release: pairs with the handler's Acquire.
        mapped.base.store(base, Ordering::Release);
        Some(Self { index, _file: file })
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Nobody uses the mapping any more, so the handler does not look at this entry.
        MAPPINGS[self.index].base.store(0, Ordering::Release);
    }
}

/// What handled the signal before.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

fn set_handler() {
    static IS_SET: Once = Once::new();
    IS_SET.call_once(|| {
        let mut before = MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: room for an action, which this call fills if it succeeds.
        let got = unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), before.as_mut_ptr()) };
        if got != 0 {
            return;
        }
        // SAFETY: filled by the call that succeeded.
        let _is_first = BEFORE.set(unsafe { before.assume_init() });
        // SAFETY: an action is integers and an address that may be null.
        let mut action = unsafe { MaybeUninit::<libc::sigaction>::zeroed().assume_init() };
        action.sa_sigaction = handle as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: an action that is complete; the handler calls only what a handler may.
        unsafe { libc::sigaction(libc::SIGBUS, &raw const action, ptr::null_mut()) };
    });
}

/// Handles `SIGBUS`: calls what a handler may, and keeps the thread's error number.
extern "C" fn handle(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: no argument, and it may be called at any time.
    let error = unsafe { libc::__errno_location() };
    // SAFETY: the thread's own error number, which is there for as long as the thread.
    let number = unsafe { error.read() };
    // SAFETY: the system gives a handler the signal's information.
    let is_mended = is_mended(unsafe { &*info });
    if !is_mended {
        pass_on(signal, info, context);
    }
    // SAFETY: as above.
    unsafe { error.write(number) };
}

/// Whether the signal is for an access to what is gone, and can be made again now.
fn is_mended(info: &siginfo_t) -> bool {
    if info.si_code != libc::BUS_ADRERR {
        return false;
    }
    // SAFETY: a signal of this code has an address.
    let address = unsafe { info.si_addr() }.addr();
    MAPPINGS.iter().any(|mapped| {
        // Acquire: pairs with the Release of `Watched::new`.
        let base = mapped.base.load(Ordering::Acquire);
        let octets = mapped.octets.load(Ordering::Relaxed);
        base > 1
            && address.checked_sub(base).is_some_and(|offset| offset < octets)
            && lengthen(mapped.file.load(Ordering::Relaxed), octets)
    })
}

/// Gives a file its length back, if it is shorter.
fn lengthen(file: c_int, octets: usize) -> bool {
    loop {
        let mut stat = MaybeUninit::<libc::stat>::uninit();
        // SAFETY: room for what the call fills if it succeeds.
        if unsafe { libc::fstat(file, stat.as_mut_ptr()) } != 0 {
            return false;
        }
        // SAFETY: filled by the call that succeeded.
        let size = unsafe { stat.assume_init() }.st_size;
        let Ok(there) = usize::try_from(size) else { return false };
        if there >= octets {
            return true;
        }
        let wanted = (PAGE_OCTETS - there % PAGE_OCTETS).min(octets - there);
        // SAFETY: so many octets of a constant, at most a page.
        let written = unsafe { libc::pwrite(file, ONES.as_ptr().cast(), wanted, size) };
        if written <= 0 {
            return false;
        }
    }
}

/// Leaves the signal to whoever handled it before.
fn pass_on(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let (action, flags) =
        BEFORE.get().map_or((libc::SIG_DFL, 0), |before| (before.sa_sigaction, before.sa_flags));
    if action == libc::SIG_IGN {
        // SAFETY: the system gives a handler the signal's information.
        let is_sent = unsafe { (*info).si_code } <= 0;
        if is_sent {
            return;
        }
    }
    if action == libc::SIG_DFL || action == libc::SIG_IGN {
        // SAFETY: the action that the system began with. Then the signal comes again.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
        // SAFETY: sends a signal to this thread, which has it blocked until it returns.
        unsafe { libc::raise(signal) };
    } else if flags & libc::SA_SIGINFO != 0 {
        type WithInformation = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);
        // SAFETY: a handler that was set with this flag is such a function.
        let handler = unsafe { std::mem::transmute::<usize, WithInformation>(action) };
        handler(signal, info, context);
    } else {
        // SAFETY: a handler that was set without the flag is such a function.
        let handler = unsafe { std::mem::transmute::<usize, extern "C" fn(c_int)>(action) };
        handler(signal);
    }
}
