//! Rings of messages: a queue (one to one), a route (one to many), a channel (many to many).
#![expect(unsafe_code, reason = "functions for C")]

use std::ffi::{c_char, c_void};

use farend_core::ring::Error as RingError;
use farend_shm::{
    Deadline, SlowReader, broadcast,
    channel::{self, Channel},
    route, spsc,
};

use crate::{
    border::{close, deadline, done, give, octets, octets_mut, opened, opened_mut, store, text},
    status::{FAREND_RANGE, FAREND_SIZE, FAREND_TIMED_OUT, Status},
};

/// What a ring is made for. Who opens one that is there, takes it as it is.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct RingOptions {
    /// `sizeof` of this structure, by which versions are told apart.
    pub size: usize,
    /// Messages that a sender has room for: a power of two, at least 2.
    pub capacity_messages: u64,
    /// Octets of the longest message.
    pub message_octets_max: u64,
    /// Senders of a channel at a time, up to 32.
    pub senders_max: u32,
    /// Receivers at a time, up to 64.
    pub receivers_max: u32,
    /// What becomes of a receiver that does not keep up: 0 senders wait for it, 1 new
    /// messages are dropped, 2 old messages are overwritten.
    pub slow_receiver: u32,
}

/// The side that sends.
#[derive(Debug)]
pub enum Sender {
    /// Of a queue.
    Queue(spsc::Sender),
    /// Of a route or a channel.
    Broadcast(broadcast::Publisher),
}

/// The side that receives.
#[derive(Debug)]
pub enum Receiver {
    /// Of a queue.
    Queue(spsc::Receiver),
    /// Of a route.
    Route(broadcast::Subscriber),
    /// Of a channel.
    Channel(Box<channel::Receiver>),
}

/// Fills options with the usual: 64 messages of 1,024 octets, 8 senders, 8 receivers, for
/// whom senders wait.
///
/// # Safety
/// `options` is null or room for options.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_ring_options_default(options: *mut RingOptions) -> i32 {
    let usual = channel::Options::default();
    let usual = RingOptions {
        size: size_of::<RingOptions>(),
        capacity_messages: usual.capacity_messages,
        message_octets_max: usual.message_octets_max,
        senders_max: usual.senders_max,
        receivers_max: usual.receivers_max,
        slow_receiver: 0,
    };
    // SAFETY: by the caller's promise.
    done(unsafe { store(options, usual) })
}

/// Options of a caller.
///
/// # Safety
/// Null, or options of the size that they say.
unsafe fn checked(options: *const RingOptions) -> Result<(RingOptions, SlowReader), i32> {
    // SAFETY: by the caller's promise the size is there.
    let size = unsafe { opened(options.cast::<usize>()) }?;
    if *size != size_of::<RingOptions>() {
        return Err(FAREND_SIZE);
    }
    // SAFETY: by the caller's promise, since that is the size.
    let options = *unsafe { opened(options) }?;
    match options.slow_receiver {
        0 => Ok((options, SlowReader::Block)),
        1 => Ok((options, SlowReader::DropNewest)),
        2 => Ok((options, SlowReader::Overwrite)),
        _ => Err(FAREND_RANGE),
    }
}

/// # Safety
/// As [`checked`].
unsafe fn of_route(options: *const RingOptions) -> Result<broadcast::Options, i32> {
    // SAFETY: by the caller's promise.
    let (options, slow_reader) = unsafe { checked(options) }?;
    Ok(broadcast::Options {
        capacity_messages: options.capacity_messages,
        message_octets_max: options.message_octets_max,
        subscribers_max: options.receivers_max,
        slow_reader,
    })
}

/// # Safety
/// As [`checked`].
unsafe fn of_channel(options: *const RingOptions) -> Result<channel::Options, i32> {
    // SAFETY: by the caller's promise.
    let (options, slow_receiver) = unsafe { checked(options) }?;
    Ok(channel::Options {
        capacity_messages: options.capacity_messages,
        message_octets_max: options.message_octets_max,
        senders_max: options.senders_max,
        receivers_max: options.receivers_max,
        slow_receiver,
    })
}

fn status<T, E: Status>(result: Result<T, E>) -> Result<T, i32> {
    result.map_err(|error| error.status())
}

/// Becomes the one sender of the queue of this name, and makes it with so many octets (a
/// power of two) if nobody has.
///
/// # Safety
/// `name` is null or ends with 0; `sender` is null or room for an address.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_queue_sender(
    name: *const c_char,
    capacity_octets: u64,
    sender: *mut *mut Sender,
) -> i32 {
    // SAFETY: by the caller's promise.
    let name = unsafe { text(name) };
    let open = || {
        let ring = status(spsc::Ring::open_or_create(name?, capacity_octets))?;
        status(ring.sender()).map(Sender::Queue)
    };
    // SAFETY: by the caller's promise.
    done(unsafe { give(sender, open) })
}

/// Becomes the one receiver of the queue of this name, and makes it with so many octets (a
/// power of two) if nobody has.
///
/// # Safety
/// `name` is null or ends with 0; `receiver` is null or room for an address.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_queue_receiver(
    name: *const c_char,
    capacity_octets: u64,
    receiver: *mut *mut Receiver,
) -> i32 {
    // SAFETY: by the caller's promise.
    let name = unsafe { text(name) };
    let open = || {
        let ring = status(spsc::Ring::open_or_create(name?, capacity_octets))?;
        status(ring.receiver()).map(Receiver::Queue)
    };
    // SAFETY: by the caller's promise.
    done(unsafe { give(receiver, open) })
}

/// Becomes the one sender of the route of this name, and makes it if nobody has.
///
/// # Safety
/// `name` is null or ends with 0; `options` is null or of the size that it says; `sender` is
/// null or room for an address.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_route_sender(
    name: *const c_char,
    options: *const RingOptions,
    sender: *mut *mut Sender,
) -> i32 {
    // SAFETY: by the caller's promise.
    let name = unsafe { text(name) };
    // SAFETY: by the caller's promise.
    let options = unsafe { of_route(options) };
    let open = || status(route::sender(name?, options?)).map(Sender::Broadcast);
    // SAFETY: by the caller's promise.
    done(unsafe { give(sender, open) })
}

/// Becomes a receiver of the route of this name, from the next message on, and makes the
/// route if nobody has.
///
/// # Safety
/// As `farend_route_sender`.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_route_receiver(
    name: *const c_char,
    options: *const RingOptions,
    receiver: *mut *mut Receiver,
) -> i32 {
    // SAFETY: by the caller's promise.
    let name = unsafe { text(name) };
    // SAFETY: by the caller's promise.
    let options = unsafe { of_route(options) };
    let open = || status(route::receiver(name?, options?)).map(Receiver::Route);
    // SAFETY: by the caller's promise.
    done(unsafe { give(receiver, open) })
}

/// Becomes one of the senders of the channel of this name, and makes it if nobody has.
///
/// # Safety
/// As `farend_route_sender`.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_channel_sender(
    name: *const c_char,
    options: *const RingOptions,
    sender: *mut *mut Sender,
) -> i32 {
    // SAFETY: by the caller's promise.
    let name = unsafe { text(name) };
    // SAFETY: by the caller's promise.
    let options = unsafe { of_channel(options) };
    let open = || {
        let channel = status(Channel::open_or_create(name?, options?))?;
        status(channel.sender()).map(Sender::Broadcast)
    };
    // SAFETY: by the caller's promise.
    done(unsafe { give(sender, open) })
}

/// Becomes one of the receivers of the channel of this name, from each sender's next message
/// on, and makes the channel if nobody has.
///
/// # Safety
/// As `farend_route_sender`.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_channel_receiver(
    name: *const c_char,
    options: *const RingOptions,
    receiver: *mut *mut Receiver,
) -> i32 {
    // SAFETY: by the caller's promise.
    let name = unsafe { text(name) };
    // SAFETY: by the caller's promise.
    let options = unsafe { of_channel(options) };
    let open = || {
        let channel = status(Channel::open_or_create(name?, options?))?;
        status(channel.receiver()).map(|receiver| Receiver::Channel(Box::new(receiver)))
    };
    // SAFETY: by the caller's promise.
    done(unsafe { give(receiver, open) })
}

/// Sends a message. `FAREND_TIMED_OUT` if a receiver leaves no room, or the message was
/// dropped for it.
///
/// # Safety
/// `sender` is null or open, and no other thread's meanwhile; `message` is null or so many
/// octets.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_sender_send(
    sender: *mut Sender,
    message: *const c_void,
    message_octets: usize,
    timeout_ns: u64,
) -> i32 {
    // SAFETY: by the caller's promise.
    let sender = unsafe { opened_mut(sender) };
    // SAFETY: by the caller's promise.
    let message = unsafe { octets(message, message_octets) };
    let send = |sender: &mut Sender, message: &[u8]| match sender {
        Sender::Queue(sender) => status(sender.send(message, deadline(timeout_ns))),
        Sender::Broadcast(sender) => {
            let is_sent = status(sender.send(message, deadline(timeout_ns)))?;
            if is_sent { Ok(()) } else { Err(FAREND_TIMED_OUT) }
        }
    };
    done(sender.and_then(|sender| send(sender, message?)))
}

/// Waits until there are so many receivers of a route or channel. A queue has one: its
/// sender need not wait.
///
/// # Safety
/// `sender` is null or open, and no other thread's meanwhile.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_sender_wait_receivers(
    sender: *mut Sender,
    receivers: u32,
    timeout_ns: u64,
) -> i32 {
    // SAFETY: by the caller's promise.
    let sender = unsafe { opened_mut(sender) };
    done(sender.and_then(|sender| match sender {
        Sender::Queue(_) => Ok(()),
        Sender::Broadcast(sender) => {
            status(sender.wait_subscribers(receivers, deadline(timeout_ns)))
        }
    }))
}

/// Closes a sender. Null is nothing.
///
/// # Safety
/// `sender` is null or open, and no longer used.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_sender_close(sender: *mut Sender) {
    // SAFETY: by the caller's promise.
    unsafe { close(sender) };
}

/// Receives a message into a buffer, and stores its length.
///
/// # Safety
/// `receiver` is null or open, and no other thread's meanwhile; `buffer` is null or so many
/// octets; `message_octets` is null or room for a number.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_receiver_receive(
    receiver: *mut Receiver,
    buffer: *mut c_void,
    buffer_octets: usize,
    message_octets: *mut usize,
    timeout_ns: u64,
) -> i32 {
    // SAFETY: by the caller's promise.
    let receiver = unsafe { opened_mut(receiver) };
    // SAFETY: by the caller's promise.
    let buffer = unsafe { octets_mut(buffer, buffer_octets) };
    let deadline = deadline(timeout_ns);
    // SAFETY: by the caller's promise. Stored first, so that nothing is received in vain.
    let room = unsafe { store(message_octets, 0) };
    let octets =
        room.and(receiver).and_then(|receiver| status(receive(receiver, buffer?, deadline)));
    // SAFETY: by the caller's promise.
    done(octets.and_then(|octets| unsafe { store(message_octets, octets) }))
}

fn receive(
    receiver: &mut Receiver,
    buffer: &mut [u8],
    deadline: Deadline,
) -> Result<usize, RingError> {
    match receiver {
        Receiver::Queue(receiver) => receiver.receive_copy(buffer, deadline),
        Receiver::Route(receiver) => Ok(receiver.receive(buffer, deadline)?.octets),
        Receiver::Channel(receiver) => Ok(receiver.receive(buffer, deadline)?.octets),
    }
}

/// Closes a receiver. Null is nothing.
///
/// # Safety
/// `receiver` is null or open, and no longer used.
// SAFETY: no other library has names that begin with `farend_`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn farend_receiver_close(receiver: *mut Receiver) {
    // SAFETY: by the caller's promise.
    unsafe { close(receiver) };
}
