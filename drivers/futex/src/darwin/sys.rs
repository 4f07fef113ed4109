//! The calls themselves: no decision here but which function is there.
#![expect(unsafe_code, reason = "calls of the system that no safe crate makes")]

use core::{
    ffi::{CStr, c_char, c_int, c_void},
    mem::MaybeUninit,
    time::Duration,
};
use std::{io, sync::OnceLock, thread};

use farend_core::sync::primitive::{AtomicU32, Ordering};
use mach2::{
    clock_types::mach_timespec_t,
    mach_time::{mach_absolute_time, mach_timebase_info},
    mach_types::semaphore_t,
    semaphore::{
        semaphore_create, semaphore_destroy, semaphore_signal, semaphore_timedwait, semaphore_wait,
    },
    sync_policy::SYNC_POLICY_FIFO,
    traps::mach_task_self,
};

use super::{
    os_sync, outcome, refusals, semaphore,
    semaphore::Timespec,
    time::Timebase,
    wait::{Kernel, Limit},
};

/// What the tested files say of the system is what its headers say.
const _: () = {
    assert!(outcome::errno::ENOENT == libc::ENOENT);
    assert!(outcome::errno::EINTR == libc::EINTR);
    assert!(outcome::errno::ENOMEM == libc::ENOMEM);
    assert!(outcome::errno::EFAULT == libc::EFAULT);
    assert!(outcome::errno::EINVAL == libc::EINVAL);
    assert!(outcome::errno::EDOM == libc::EDOM);
    assert!(outcome::errno::ETIMEDOUT == libc::ETIMEDOUT);
    assert!(os_sync::CLOCK_MACH_ABSOLUTE_TIME == libc::OS_CLOCK_MACH_ABSOLUTE_TIME);
    assert!(os_sync::flags(false) == libc::OS_SYNC_WAIT_ON_ADDRESS_NONE);
    assert!(os_sync::flags(false) == libc::OS_SYNC_WAKE_BY_ADDRESS_NONE);
    assert!(os_sync::flags(true) == libc::OS_SYNC_WAIT_ON_ADDRESS_SHARED);
    assert!(os_sync::flags(true) == libc::OS_SYNC_WAKE_BY_ADDRESS_SHARED);
    assert!(semaphore::result::SUCCESS == mach2::kern_return::KERN_SUCCESS);
    assert!(semaphore::result::ABORTED == mach2::kern_return::KERN_ABORTED);
    assert!(semaphore::result::OPERATION_TIMED_OUT == mach2::kern_return::KERN_OPERATION_TIMED_OUT);
    assert!(size_of::<AtomicU32>() == 4 && align_of::<AtomicU32>() == 4);
    assert!(size_of::<mach_timespec_t>() == 8 && align_of::<mach_timespec_t>() == 4);
    assert!(size_of::<mach_timebase_info>() == 8);
    assert!(size_of::<semaphore_t>() == 4);
    assert!(size_of::<libc::os_clockid_t>() == 4);
    // xnu bsd/sys/proc_info.h: struct proc_bsdinfo.
    assert!(size_of::<libc::proc_bsdinfo>() == PROCESS_OCTETS.cast_unsigned() as usize);
    assert!(core::mem::offset_of!(libc::proc_bsdinfo, pbi_start_tvsec) == 120);
    assert!(size_of::<OsSyncFunctions>() == 4 * size_of::<usize>());
};

/// Nanoseconds of `mach_absolute_time`.
#[inline]
pub(crate) fn now_ns() -> u64 {
    timebase().elapsed_ns(ticks())
}

#[inline]
fn ticks() -> u64 {
    // SAFETY: takes nothing and fails never.
    unsafe { mach_absolute_time() }
}

fn timebase() -> Timebase {
    static TIMEBASE: OnceLock<Timebase> = OnceLock::new();
    *TIMEBASE.get_or_init(|| {
        let mut info = mach_timebase_info { numer: 0, denom: 0 };
        // SAFETY: writes two numbers to where it is told, which lives until after
        // the call.
        unsafe { mach_timebase_info(&raw mut info) };
        Timebase::new(info.numer, info.denom)
    })
}

fn nap(ns: u64) {
    thread::sleep(Duration::from_nanos(ns));
}

/// Where the kernel finds the word; only its address is used.
fn pointer(word: &AtomicU32) -> *mut c_void {
    core::ptr::from_ref(word).cast_mut().cast()
}

/// A result of the C library, with the error number in it.
fn answer(returned: c_int) -> i32 {
    if returned >= 0 {
        return returned;
    }
    io::Error::last_os_error().raw_os_error().map_or(-outcome::errno::EINVAL, i32::wrapping_neg)
}

/// Finds a function of the libraries that are loaded.
fn find(name: &CStr) -> Option<*mut c_void> {
    let name: *const c_char = name.as_ptr();
    // SAFETY: the name ends with a zero, and is only read.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name) };
    (!found.is_null()).then_some(found)
}

type Wait = unsafe extern "C" fn(*mut c_void, u64, libc::size_t, u32) -> c_int;
type WaitWithDeadline =
    unsafe extern "C" fn(*mut c_void, u64, libc::size_t, u32, libc::os_clockid_t, u64) -> c_int;
type Wake = unsafe extern "C" fn(*mut c_void, libc::size_t, u32) -> c_int;

/// The types are those of the header, which libc repeats. Never called: that
/// would link the functions, and the program would not start before macOS 14.4.
const _: fn() = || {
    let _: Wait = libc::os_sync_wait_on_address;
    let _: WaitWithDeadline = libc::os_sync_wait_on_address_with_deadline;
    let _: Wake = libc::os_sync_wake_by_address_any;
    let _: Wake = libc::os_sync_wake_by_address_all;
};

#[derive(Debug)]
struct OsSyncFunctions {
    wait: Wait,
    wait_with_deadline: WaitWithDeadline,
    wake_any: Wake,
    wake_all: Wake,
}

impl OsSyncFunctions {
    /// All four, or none.
    fn find() -> Option<Self> {
        let wait = find(c"os_sync_wait_on_address")?;
        let wait_with_deadline = find(c"os_sync_wait_on_address_with_deadline")?;
        let wake_any = find(c"os_sync_wake_by_address_any")?;
        let wake_all = find(c"os_sync_wake_by_address_all")?;
        Some(Self {
            // SAFETY: the function of this name has this type in the header.
            wait: unsafe { core::mem::transmute::<*mut c_void, Wait>(wait) },
            // SAFETY: as above.
            wait_with_deadline: unsafe {
                core::mem::transmute::<*mut c_void, WaitWithDeadline>(wait_with_deadline)
            },
            // SAFETY: as above.
            wake_any: unsafe { core::mem::transmute::<*mut c_void, Wake>(wake_any) },
            // SAFETY: as above.
            wake_all: unsafe { core::mem::transmute::<*mut c_void, Wake>(wake_all) },
        })
    }
}

fn os_sync_functions() -> Option<&'static OsSyncFunctions> {
    static FUNCTIONS: OnceLock<Option<OsSyncFunctions>> = OnceLock::new();
    FUNCTIONS.get_or_init(OsSyncFunctions::find).as_ref()
}

/// Whether the system has `os_sync_wait_on_address` and its family.
pub(crate) fn has_os_sync() -> bool {
    os_sync_functions().is_some()
}

/// `os_sync_wait_on_address` on one word.
pub(crate) struct OsSyncCalls<'a> {
    functions: &'static OsSyncFunctions,
    word: &'a AtomicU32,
    expected: u64,
    flags: u32,
}

impl<'a> OsSyncCalls<'a> {
    pub(crate) fn new(word: &'a AtomicU32, expected: u32, is_shared: bool) -> Option<Self> {
        let functions = os_sync_functions()?;
        Some(Self { functions, word, expected: expected.into(), flags: os_sync::flags(is_shared) })
    }
}

impl os_sync::Calls for OsSyncCalls<'_> {
    fn ticks(&mut self) -> u64 {
        ticks()
    }

    fn timebase(&mut self) -> Timebase {
        timebase()
    }

    fn wait(&mut self) -> i32 {
        let word = pointer(self.word);
        // SAFETY: the word is aligned and lives as long as `self`; the kernel reads
        // its 4 octets.
        answer(unsafe { (self.functions.wait)(word, self.expected, 4, self.flags) })
    }

    fn wait_with_deadline(&mut self, ticks: u64) -> i32 {
        let (word, clock) = (pointer(self.word), os_sync::CLOCK_MACH_ABSOLUTE_TIME);
        let wait = self.functions.wait_with_deadline;
        // SAFETY: as above.
        answer(unsafe { wait(word, self.expected, 4, self.flags, clock, ticks) })
    }

    fn look(&mut self) -> bool {
        is_expected(self.word, self.expected)
    }

    fn nap(&mut self, ns: u64) {
        nap(ns);
    }

    fn refused(&mut self, errno: i32) {
        refusals::remember(errno);
    }
}

fn is_expected(word: &AtomicU32, expected: u64) -> bool {
    u64::from(word.load(Ordering::Relaxed)) == expected
}

/// `os_sync_wake_by_address_*` about one word.
pub(crate) struct OsSyncWakes {
    functions: &'static OsSyncFunctions,
    word: *mut c_void,
    flags: u32,
}

impl OsSyncWakes {
    pub(crate) fn new(word: &AtomicU32, is_shared: bool) -> Option<Self> {
        let functions = os_sync_functions()?;
        Some(Self { functions, word: pointer(word), flags: os_sync::flags(is_shared) })
    }

    pub(crate) fn wake_any(&self) -> i32 {
        // SAFETY: the kernel takes the address as a key and reads nothing there.
        answer(unsafe { (self.functions.wake_any)(self.word, 4, self.flags) })
    }

    pub(crate) fn wake_all(&self) -> i32 {
        // SAFETY: as above.
        answer(unsafe { (self.functions.wake_all)(self.word, 4, self.flags) })
    }
}

/// A word on a system that cannot wait for it.
pub(crate) struct OnlyLooks<'a> {
    pub word: &'a AtomicU32,
    pub expected: u32,
}

impl Kernel for OnlyLooks<'_> {
    fn now_ns(&mut self) -> u64 {
        now_ns()
    }

    fn block(&mut self, _: Option<Limit>) -> i32 {
        -outcome::errno::EINVAL
    }

    fn look(&mut self) -> bool {
        is_expected(self.word, self.expected.into())
    }

    fn nap(&mut self, ns: u64) {
        nap(ns);
    }

    fn refused(&mut self, errno: i32) {
        refusals::remember(errno);
    }
}

/// How other threads name a semaphore.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SemaphoreName(semaphore_t);

/// A right to a semaphore of this task, given back when dropped.
#[derive(Debug)]
pub(crate) struct Semaphore {
    name: SemaphoreName,
    /// Whose it is: a fork gives the child no semaphore of that name.
    process: u32,
}

impl Semaphore {
    /// A new one without a signal; `None` if the task's room for ports is full.
    pub(crate) fn new() -> Option<Self> {
        let mut name: semaphore_t = 0;
        // SAFETY: reads a variable that the system set when the task began.
        let task = unsafe { mach_task_self() };
        // SAFETY: writes a name to where it is told, which lives until after the
        // call.
        let result = unsafe { semaphore_create(task, &raw mut name, SYNC_POLICY_FIFO, 0) };
        (result == semaphore::result::SUCCESS)
            .then(|| Self { name: SemaphoreName(name), process: std::process::id() })
    }

    pub(crate) fn name(&self) -> SemaphoreName {
        self.name
    }

    /// Whether it is of this process, not of the one that this was forked from.
    pub(crate) fn is_own(&self) -> bool {
        self.process == std::process::id()
    }

    pub(crate) fn wait(&self) -> i32 {
        // SAFETY: takes a number, and answers with an error if it names nothing.
        unsafe { semaphore_wait(self.name.0) }
    }

    pub(crate) fn timedwait(&self, time: Timespec) -> i32 {
        let time = mach_timespec_t { tv_sec: time.seconds, tv_nsec: time.nanoseconds };
        // SAFETY: as above.
        unsafe { semaphore_timedwait(self.name.0, time) }
    }
}

impl Drop for Semaphore {
    fn drop(&mut self) {
        if self.is_own() {
            // SAFETY: reads a variable that the system set when the task began.
            let task = unsafe { mach_task_self() };
            // SAFETY: takes a number; this type made it and nobody else destroys it.
            unsafe { semaphore_destroy(task, self.name.0) };
        }
    }
}

/// Signals a semaphore.
pub(crate) fn signal(name: SemaphoreName) {
    // SAFETY: takes a number, and answers with an error if it names nothing.
    unsafe { semaphore_signal(name.0) };
}

/// When a process started, in microseconds since 1970.
///
/// # Errors
/// The error number; `ESRCH` if there is no such process, or it is dead.
pub(crate) fn process_start_us(id: u32) -> Result<u64, i32> {
    let id = c_int::try_from(id).map_err(|_| libc::ESRCH)?;
    let mut info = MaybeUninit::<libc::proc_bsdinfo>::zeroed();
    // SAFETY: writes at most as many octets as it is told to where it is told,
    // which lives until after the call.
    let octets = unsafe {
        libc::proc_pidinfo(id, libc::PROC_PIDTBSDINFO, 0, info.as_mut_ptr().cast(), PROCESS_OCTETS)
    };
    if octets != PROCESS_OCTETS {
        return Err(io::Error::last_os_error().raw_os_error().unwrap_or(libc::ESRCH));
    }
    // SAFETY: integers, for all of which zero is a value.
    let info = unsafe { info.assume_init() };
    Ok(info.pbi_start_tvsec.saturating_mul(1_000_000).saturating_add(info.pbi_start_tvusec))
}

const PROCESS_OCTETS: c_int = 136;

/// The calls that Apple does not publish.
#[cfg(feature = "private-apis")]
pub(crate) mod ulock {
    use super::{
        AtomicU32, OnceLock, c_int, c_void, find, is_expected, nap, now_ns, pointer, refusals,
    };
    use crate::darwin::ulock::Calls;

    unsafe extern "C" {
        // xnu bsd/sys/ulock.h; in libsystem_kernel from macOS 10.12.
        fn __ulock_wait(operation: u32, address: *mut c_void, value: u64, timeout_us: u32)
        -> c_int;
        fn __ulock_wake(operation: u32, address: *mut c_void, wake_value: u64) -> c_int;
    }

    type Wait2 = unsafe extern "C" fn(u32, *mut c_void, u64, u64, u64) -> c_int;

    /// From macOS 11, so it is looked up.
    fn wait2() -> Option<Wait2> {
        static WAIT2: OnceLock<Option<Wait2>> = OnceLock::new();
        *WAIT2.get_or_init(|| {
            let found = find(c"__ulock_wait2")?;
            // SAFETY: the function of this name has this type in xnu's sources.
            Some(unsafe { core::mem::transmute::<*mut c_void, Wait2>(found) })
        })
    }

    /// `__ulock_wait2` or `__ulock_wait` on one word.
    pub(crate) struct Waits<'a> {
        word: &'a AtomicU32,
        expected: u64,
        operation: u32,
    }

    impl<'a> Waits<'a> {
        pub(crate) fn new(word: &'a AtomicU32, expected: u32, operation: u32) -> Self {
            Self { word, expected: expected.into(), operation }
        }
    }

    impl Calls for Waits<'_> {
        fn now_ns(&mut self) -> u64 {
            now_ns()
        }

        fn has_wait2(&mut self) -> bool {
            wait2().is_some()
        }

        fn wait2(&mut self, timeout_ns: u64) -> i32 {
            let (word, value) = (pointer(self.word), self.expected);
            match wait2() {
                // SAFETY: the word is aligned and lives as long as `self`; the
                // kernel reads its 4 octets. The last value is not used for it.
                Some(wait2) => unsafe { wait2(self.operation, word, value, timeout_ns, 0) },
                None => -super::outcome::errno::EINVAL,
            }
        }

        fn wait(&mut self, timeout_us: u32) -> i32 {
            let (word, value) = (pointer(self.word), self.expected);
            // SAFETY: as above.
            unsafe { __ulock_wait(self.operation, word, value, timeout_us) }
        }

        fn look(&mut self) -> bool {
            is_expected(self.word, self.expected)
        }

        fn nap(&mut self, ns: u64) {
            nap(ns);
        }

        fn refused(&mut self, errno: i32) {
            refusals::remember(errno);
        }
    }

    /// `__ulock_wake`.
    pub(crate) fn wake(word: &AtomicU32, operation: u32) -> i32 {
        // SAFETY: the kernel takes the address as a key and reads nothing there.
        unsafe { __ulock_wake(operation, pointer(word), 0) }
    }
}
