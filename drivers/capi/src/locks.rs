//! Mutex, condition variable and semaphore, each found by a name.
#![expect(unsafe_code, reason = "functions for C")]

use std::ffi::c_char;

use farend_core::sync::{Taken, Unlock as _, Waited};
use farend_futex::shared;
use farend_shm::{Shared, named};

use crate::{
    border::{close, deadline, done, give, opened, store, text},
    status::{
        FAREND_NOT_OWNER, FAREND_OK, FAREND_OWNER_DIED, FAREND_RANGE, FAREND_TIMED_OUT, Status as _,
    },
};

/// A mutex that processes share.
#[derive(Debug)]
pub struct Mutex(Shared<shared::RawMutex>);

/// A condition variable that processes share.
#[derive(Debug)]
pub struct Condvar(named::Condvar);

/// A semaphore that processes share.
#[derive(Debug)]
pub struct Semaphore(named::Semaphore);

fn taken(taken: Taken) -> i32 {
    match taken {
        Taken::Clean => FAREND_OK,
        Taken::OwnerDied => FAREND_OWNER_DIED,
    }
}

/// Opens the mutex of this name, or makes it.
///
/// # Safety
/// `name` is null or ends with 0; `mutex` is null or room for an address.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_mutex_open(name: *const c_char, mutex: *mut *mut Mutex) -> i32 {
    // SAFETY: by the caller's promise.
    let name = unsafe { text(name) };
    let open = || Shared::open_or_create(name?).map(Mutex).map_err(|error| error.status());
    // SAFETY: by the caller's promise.
    done(unsafe { give(mutex, open) })
}

/// Closes a mutex. Null is nothing.
///
/// The handle that made the mutex takes its name away with it: who opens the name
/// after that makes another mutex, while those who have this one still share it. So
/// the maker closes last.
///
/// # Safety
/// `mutex` is null or open, and no longer used.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_mutex_close(mutex: *mut Mutex) {
    // SAFETY: by the caller's promise.
    unsafe { close(mutex) };
}

/// Takes the mutex. `FAREND_OK` and `FAREND_OWNER_DIED` mean that it is taken.
///
/// # Safety
/// `mutex` is null or open.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_mutex_lock(mutex: *const Mutex, timeout_ns: u64) -> i32 {
    // SAFETY: by the caller's promise.
    let mutex = match unsafe { opened(mutex) } {
        Ok(mutex) => mutex,
        Err(status) => return status,
    };
    let locked =
        if timeout_ns == 0 { mutex.0.try_lock() } else { mutex.0.lock_until(deadline(timeout_ns)) };
    locked.map_or_else(|refused| refused.status(), taken)
}

/// Gives the mutex up, which the calling thread has.
///
/// # Safety
/// `mutex` is null or open.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_mutex_unlock(mutex: *const Mutex) -> i32 {
    // SAFETY: by the caller's promise.
    let mutex = unsafe { opened(mutex) };
    done(mutex.and_then(|mutex| mutex.0.unlock().map_err(|_| FAREND_NOT_OWNER)))
}

/// Says that the data is sound again after `FAREND_OWNER_DIED`.
///
/// # Safety
/// `mutex` is null or open.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_mutex_make_consistent(mutex: *const Mutex) -> i32 {
    // SAFETY: by the caller's promise.
    let mutex = unsafe { opened(mutex) };
    done(mutex.and_then(|mutex| mutex.0.make_consistent().map_err(|_| FAREND_NOT_OWNER)))
}

/// Opens the condition variable of this name, or makes it.
///
/// # Safety
/// `name` is null or ends with 0; `condvar` is null or room for an address.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_condvar_open(
    name: *const c_char,
    condvar: *mut *mut Condvar,
) -> i32 {
    // SAFETY: by the caller's promise.
    let name = unsafe { text(name) };
    let open = || Shared::open_or_create(name?).map(Condvar).map_err(|error| error.status());
    // SAFETY: by the caller's promise.
    done(unsafe { give(condvar, open) })
}

/// Closes a condition variable. Null is nothing.
///
/// # Safety
/// `condvar` is null or open, and no longer used.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_condvar_close(condvar: *mut Condvar) {
    // SAFETY: by the caller's promise.
    unsafe { close(condvar) };
}

/// Gives the mutex up, waits for a notice, and takes the mutex again: it is taken with
/// `FAREND_OK`, `FAREND_OWNER_DIED` and `FAREND_TIMED_OUT`. May return without a notice.
///
/// # Safety
/// `condvar` and `mutex` are null or open.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_condvar_wait(
    condvar: *const Condvar,
    mutex: *const Mutex,
    timeout_ns: u64,
) -> i32 {
    // SAFETY: by the caller's promise.
    let condvar = unsafe { opened(condvar) };
    // SAFETY: by the caller's promise.
    let mutex = unsafe { opened(mutex) };
    let (condvar, mutex) = match (condvar, mutex) {
        (Ok(condvar), Ok(mutex)) => (condvar, mutex),
        (Err(status), _) | (_, Err(status)) => return status,
    };
    match condvar.0.wait_raw(&mutex.0, deadline(timeout_ns)) {
        Ok((Taken::Clean, Waited::TimedOut)) => FAREND_TIMED_OUT,
        Ok((how, _)) => taken(how),
        Err(refused) => refused.status(),
    }
}

/// Wakes one that waits.
///
/// # Safety
/// `condvar` is null or open.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_condvar_notify_one(condvar: *const Condvar) -> i32 {
    // SAFETY: by the caller's promise.
    done(unsafe { opened(condvar) }.map(|condvar| condvar.0.notify_one()))
}

/// Wakes all that wait.
///
/// # Safety
/// `condvar` is null or open.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_condvar_notify_all(condvar: *const Condvar) -> i32 {
    // SAFETY: by the caller's promise.
    done(unsafe { opened(condvar) }.map(|condvar| condvar.0.notify_all()))
}

/// Opens the semaphore of this name, or makes it with so many units.
///
/// # Safety
/// `name` is null or ends with 0; `semaphore` is null or room for an address.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_semaphore_open(
    name: *const c_char,
    units: u32,
    semaphore: *mut *mut Semaphore,
) -> i32 {
    // SAFETY: by the caller's promise.
    let name = unsafe { text(name) };
    let open = || {
        let opened = named::Semaphore::open_or_create_with_units(name?, units);
        opened.map(Semaphore).map_err(|error| error.status())
    };
    // SAFETY: by the caller's promise.
    done(unsafe { give(semaphore, open) })
}

/// Closes a semaphore. Null is nothing.
///
/// # Safety
/// `semaphore` is null or open, and no longer used.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_semaphore_close(semaphore: *mut Semaphore) {
    // SAFETY: by the caller's promise.
    unsafe { close(semaphore) };
}

/// Takes a unit.
///
/// # Safety
/// `semaphore` is null or open.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_semaphore_acquire(
    semaphore: *const Semaphore,
    timeout_ns: u64,
) -> i32 {
    // SAFETY: by the caller's promise.
    let semaphore = unsafe { opened(semaphore) };
    done(semaphore.and_then(|semaphore| {
        semaphore.0.acquire_until(deadline(timeout_ns)).map_err(|_| FAREND_TIMED_OUT)
    }))
}

/// Adds so many units.
///
/// # Safety
/// `semaphore` is null or open.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_semaphore_post(semaphore: *const Semaphore, units: u32) -> i32 {
    // SAFETY: by the caller's promise.
    let semaphore = unsafe { opened(semaphore) };
    done(semaphore.and_then(|semaphore| semaphore.0.post_many(units).map_err(|_| FAREND_RANGE)))
}

/// Stores how many units there are at this moment.
///
/// # Safety
/// `semaphore` is null or open; `units` is null or room for a number.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_semaphore_count(
    semaphore: *const Semaphore,
    units: *mut u32,
) -> i32 {
    // SAFETY: by the caller's promise.
    let semaphore = unsafe { opened(semaphore) };
    // SAFETY: by the caller's promise.
    done(semaphore.and_then(|semaphore| unsafe { store(units, semaphore.0.count()) }))
}
