//! Linux's list of the locks that a thread holds.
//!
//! The kernel walks the list when the thread ends, however it ends, takes the
//! thread's id out of each lock's word, sets `OWNER_DIED` there and wakes a waiter.
//! There is one list for each thread, and the C library has registered its own for
//! its robust mutexes. So locks of ours are linked into that one, in its form: a
//! doubly linked list whose links point at `next` fields, `previous` right before
//! each of them, and the word 32 octets before `next`.
//!
//! Two deaths the kernel does not clean up after. It follows 2,048 links and no more, so
//! a thread that holds 2,000 locks gets no other one. And a thread that calls `exec`
//! while it is not its process's first one gets that one's id before the list is walked,
//! so that its locks are thought to be somebody else's. So waiters ask from time to time
//! whether the thread of an id is there at all.
//!
//! A thread that ends in order and still holds a lock has leaked its guard, and what was
//! borrowed from that may be in use in another thread. So before the kernel walks its list
//! such locks leave it and become the process's, by the id of its first thread.
//!
//! On processors of 32 bits glibc's list is linked in one direction only, and other C
//! libraries, such as musl, keep another form; there [`Registered`](crate::Registered)
//! owners are the default.
//!
//! # References
//! `get_robust_list(2)`; the kernel's `ROBUST_LIST_LIMIT`; the kernel's Documentation/locking/robust-futex-ABI.rst.
#![expect(unsafe_code, reason = "the kernel's list is made of raw addresses")]

use core::{
    cell::Cell,
    marker::PhantomData,
    mem::{offset_of, size_of},
    ptr::{self, with_exposed_provenance},
    sync::atomic::{AtomicU32, AtomicUsize, Ordering, compiler_fence},
};
use std::sync::Once;

use farend_core::sync::{Clock, NoOwner, OWNER_ID_MASK, Owners, Permit, RawShared};
use rustix::{
    io::Errno,
    process::{Pid, test_kill_process},
    thread::gettid,
};
use zerocopy::FromBytes;

use super::Linux;
use crate::{
    Unavailable, ending,
    looks::Looks,
    process::{Life, is_in_first_pid_namespace, life},
};

/// From a node's `next` to the lock's word, as the C library has registered it.
const WORD_OFFSET: isize = -32;

/// Octets from what says which kind of mutex it is to `next`. glibc's in the list always
/// have a kind, and here locks of ours have 0.
const KIND_BEFORE: usize = 16;

/// Bit of a link: the lock it leads to inherits priority. Not ours, but a
/// neighbour can have it.
const INHERITS_PRIORITY: usize = 1;

/// Locks that a thread can hold: what the kernel follows, 2,048, less some for robust
/// mutexes of the C library, which stand in the same list.
const HELD_MAX: u32 = 2_000;

/// Links that the kernel follows.
const LINKS_MAX: u32 = 2_048;

/// What a lock keeps for the list.
#[derive(Debug, FromBytes)]
#[repr(C)]
pub struct Node {
    /// The word is before the node: word, 4 octets, this room, then the links. Always 0.
    room: [u64; 2],
    previous: AtomicUsize,
    next: AtomicUsize,
}

// The kernel finds the word from the link.
const _: () = assert!(
    RawShared::<Linux>::NODE_AT + offset_of!(Node, next) - RawShared::<Linux>::WORD_AT
        == WORD_OFFSET.unsigned_abs()
);
const _: () = assert!(offset_of!(Node, next) - offset_of!(Node, previous) == size_of::<usize>());
const _: () = assert!(offset_of!(Node, next) - offset_of!(Node, room) == KIND_BEFORE + 8);

/// The kernel's `struct robust_list_head`.
#[derive(Debug)]
#[repr(C)]
struct Head {
    list: AtomicUsize,
    futex_offset: isize,
    list_op_pending: AtomicUsize,
}

/// The calling thread: its id and its list.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    id: u32,
    head: &'static Head,
    /// The list is the thread's, and gone with it.
    stays_in_its_thread: PhantomData<*const ()>,
}

thread_local! {
    static CALLER: Cell<Option<Caller>> = const { Cell::new(None) };
    /// How many locks of ours are in the thread's list.
    static HELD: Cell<u32> = const { Cell::new(0) };
    /// The thread's locks are the process's now, and it must not take others.
    static HAS_LEFT: Cell<bool> = const { Cell::new(false) };
    /// What this thread knows of others.
    static LOOKS: Looks = const { Looks::new() };
    /// Who was seen to be no zombie.
    static ZOMBIES: Looks = const { Looks::new() };
}

// SAFETY: an id is the kernel's of the thread, or of the process's first one if the thread
// ended with the lock in hand; the kernel takes it out of a word when that has ended. The
// hooks write to the thread's list, which is of nodes and of its head.
unsafe impl Owners for Linux {
    type Node = Node;
    type Caller = Caller;

    /// The kernel wakes a waiter itself.
    const LIVENESS_SLICE_NS: Option<u64> = None;
    const UNUSED: Node =
        Node { room: [0; 2], previous: AtomicUsize::new(0), next: AtomicUsize::new(0) };

    #[inline]
    fn caller() -> Result<Caller, NoOwner> {
        match CALLER.with(Cell::get) {
            Some(caller) => Ok(caller),
            None => first_call(),
        }
    }

    #[inline]
    fn id(caller: Caller) -> u32 {
        caller.id
    }

    #[inline]
    fn has_room(_caller: Caller) -> Result<(), NoOwner> {
        if HELD.get() < HELD_MAX { Ok(()) } else { Err(NoOwner::TooManyLocks) }
    }

    #[inline]
    fn begin(caller: Caller, node: &Node, _permit: Permit) {
        caller.head.list_op_pending.store(node.address(), Ordering::Relaxed);
        // The kernel sees what this thread did in its program's order, as far as
        // the compiler keeps it.
        compiler_fence(Ordering::SeqCst);
    }

    #[inline]
    fn link(caller: Caller, node: &Node, _permit: Permit) {
        let head = &caller.head.list;
        let first = head.load(Ordering::Relaxed);
        node.next.store(first, Ordering::Relaxed);
        node.previous.store(ptr::from_ref(head).expose_provenance(), Ordering::Relaxed);
        previous_of(first).store(node.address(), Ordering::Relaxed);
        // The kernel may walk the list after any instruction: the node is whole
        // before it is in the list.
        compiler_fence(Ordering::SeqCst);
        head.store(node.address(), Ordering::Relaxed);
        HELD.set(HELD.get().wrapping_add(1));
    }

    #[inline]
    fn unlink(_caller: Caller, node: &Node, _permit: Permit) {
        let next = node.next.load(Ordering::Relaxed);
        let previous = node.previous.load(Ordering::Relaxed);
        next_of(previous).store(next, Ordering::Relaxed);
        previous_of(next).store(previous, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        HELD.set(HELD.get().wrapping_sub(1));
    }

    #[inline]
    fn end(caller: Caller, _permit: Permit) {
        compiler_fence(Ordering::SeqCst);
        caller.head.list_op_pending.store(0, Ordering::Relaxed);
    }

    /// Whether the thread is there: the kernel unlinks it from its ids after it has
    /// walked its list. The first thread's id stays until the process was waited for, but
    /// a zombie has no locks any more.
    fn is_alive(id: u32) -> bool {
        let Some(thread) = i32::try_from(id).ok().and_then(Pid::from_raw) else { return true };
        if test_kill_process(thread) == Err(Errno::SRCH) {
            return false;
        }
        let is_no_zombie = |id| life(id) != Life::Gone;
        !ZOMBIES.with(|seen| seen.is_dead(id, <Self as Clock>::now_ns(), is_no_zombie))
    }

    fn is_known_dead(id: u32) -> bool {
        LOOKS.with(|looks| looks.is_dead(id, <Self as Clock>::now_ns(), Self::is_alive))
    }
}

impl Node {
    /// How links name this node.
    #[inline]
    fn address(&self) -> usize {
        ptr::from_ref(&self.next).expose_provenance()
    }
}

/// The `next` that a link leads to.
#[inline]
fn next_of<'a>(link: usize) -> &'a AtomicUsize {
    let next = with_exposed_provenance::<AtomicUsize>(link & !INHERITS_PRIORITY);
    // SAFETY: a link in the calling thread's list leads to its head or to a lock
    // that the thread holds; both stay in their place, and only this thread and
    // the kernel, when the thread ends, use them.
    unsafe { &*next }
}

/// The `previous` beside the `next` that a link leads to. The C library keeps one
/// beside the head too.
#[inline]
fn previous_of<'a>(link: usize) -> &'a AtomicUsize {
    next_of(link.wrapping_sub(size_of::<usize>()))
}

/// Looks the thread up in the kernel, once for each thread and after each fork.
#[cold]
fn first_call() -> Result<Caller, NoOwner> {
    forget_in_children();
    let head = robust_list().ok_or(NoOwner::Unsupported)?;
    if HAS_LEFT.get() || !ending::call_leave() {
        return Err(NoOwner::Unsupported);
    }
    // Who shares a lock knows the others by their ids in one namespace.
    if !is_in_first_pid_namespace() {
        return Err(NoOwner::OtherNamespace);
    }
    let id = gettid().as_raw_nonzero().get().cast_unsigned();
    let caller = Caller { id, head, stays_in_its_thread: PhantomData };
    CALLER.with(|cell| cell.set(Some(caller)));
    Ok(caller)
}

/// Makes the locks that the ending thread still holds its process's: no other thread can
/// give them up, and the next owner is told when the process has ended.
pub(crate) fn leave() {
    let Some(caller) = CALLER.take() else { return };
    HAS_LEFT.set(true);
    let count = HELD.replace(0);
    let head = ptr::from_ref(&caller.head.list).expose_provenance();
    let mut link = caller.head.list.load(Ordering::Relaxed);
    let mut left = 0;
    for _ in 0..LINKS_MAX {
        if left == count || link & !INHERITS_PRIORITY == head {
            break;
        }
        let next = next_of(link).load(Ordering::Relaxed);
        let is_ours = link & INHERITS_PRIORITY == 0
            && word_before(link, KIND_BEFORE).load(Ordering::Relaxed) == 0;
        if is_ours {
            leave_to_process(caller.id, word_before(link, WORD_OFFSET.unsigned_abs()));
            let previous = previous_of(link).load(Ordering::Relaxed);
            next_of(previous).store(next, Ordering::Relaxed);
            previous_of(next).store(previous, Ordering::Relaxed);
            left += 1;
        }
        link = next;
    }
}

/// Puts the process's id into the word of a lock that `thread` holds. Killed after this,
/// or before the lock is out of the list, it leaves a word that the kernel does not touch;
/// waiters ask whether that id is alive.
fn leave_to_process(thread: u32, word: &AtomicU32) {
    let process = std::process::id();
    let of_process =
        |word: u32| (word & OWNER_ID_MASK == thread).then_some(word & !OWNER_ID_MASK | process);
    // Release: as for a lock that is given up. An error is a lock of somebody else.
    let _before = word.fetch_update(Ordering::Release, Ordering::Relaxed, of_process);
}

/// The word so many octets before the `next` that a link leads to.
#[inline]
fn word_before<'a>(link: usize, octets: usize) -> &'a AtomicU32 {
    let word = with_exposed_provenance::<AtomicU32>(link.wrapping_sub(octets));
    // SAFETY: as for `next_of`: the link leads into a mutex, ours or the C library's, which
    // begins with its word and stays in its place; its parts are used atomically.
    unsafe { &*word }
}

/// Whether threads of this process have a list that locks can be linked into.
pub(super) fn check() -> Result<(), Unavailable> {
    robust_list().map(|_| ()).ok_or(Unavailable::RobustList)
}

/// The calling thread's list, if the C library keeps one in the form that locks of
/// ours have.
fn robust_list() -> Option<&'static Head> {
    const THIS_THREAD: libc::c_int = 0;
    let mut head: *const Head = ptr::null();
    let mut octets: usize = 0;
    // SAFETY: the kernel writes one pointer and one size.
    let result = unsafe {
        libc::syscall(libc::SYS_get_robust_list, THIS_THREAD, &raw mut head, &raw mut octets)
    };
    if result != 0 || octets != size_of::<Head>() {
        return None;
    }
    // SAFETY: what the C library registered for this thread is in its place as long
    // as the thread runs; `Caller` does not leave the thread.
    let head = unsafe { head.as_ref() }?;
    (head.futex_offset == WORD_OFFSET).then_some(head)
}

/// Sees to it that the child of a fork, which is another thread, looks itself up
/// again. Processes made by a bare clone(2) must not use locks of ours.
fn forget_in_children() {
    static ONCE: Once = Once::new();
    extern "C" fn forget() {
        CALLER.with(|cell| cell.set(None));
        HELD.set(0);
    }
    ONCE.call_once(|| {
        // SAFETY: the function only writes to a thread-local cell, which a child may.
        let _result = unsafe { libc::pthread_atfork(None, None, Some(forget)) };
    });
}
