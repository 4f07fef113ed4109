//! Many messages with one system call (sendmmsg(2), recvmmsg(2)).
#![expect(unsafe_code, reason = "sendmmsg and recvmmsg take arrays of pointers")]

use std::{
    ffi::c_int,
    io,
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd},
    ptr,
};

/// Messages of one call at most.
pub(crate) const MESSAGES_MAX: usize = 64;

/// 64-bit words of control data for each received message: room for one time
/// stamp and more.
const CONTROL_WORDS: usize = 8;

/// Sends messages of `message_octets` each, side by side in `octets`, on a
/// connected or bound socket. Returns how many the kernel took.
pub(crate) fn send(socket: impl AsFd, octets: &[u8], message_octets: usize) -> io::Result<usize> {
    let mut parts = [const { MaybeUninit::<libc::iovec>::uninit() }; MESSAGES_MAX];
    let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; MESSAGES_MAX];
    let mut count = 0;
    let messages = octets.chunks_exact(message_octets.max(1));
    for ((message, part), header) in messages.zip(&mut parts).zip(&mut headers) {
        let part = part.write(libc::iovec {
            // The kernel only reads through it.
            iov_base: message.as_ptr().cast_mut().cast(),
            iov_len: message.len(),
        });
        header.write(header_of(part, ptr::null_mut(), 0));
        count += 1;
    }
    // SAFETY: the first `count` headers were written above; each points to a
    // written part, and that to live octets; all outlive the call.
    let sent = unsafe {
        libc::sendmmsg(
            socket.as_fd().as_raw_fd(),
            headers.as_mut_ptr().cast(),
            count,
            libc::MSG_DONTWAIT,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Room for received messages, allocated once.
#[derive(Debug)]
pub(crate) struct Inbox {
    octets: Vec<u8>,
    message_octets: usize,
    controls: Box<[[u64; CONTROL_WORDS]; MESSAGES_MAX]>,
    lengths: [Lengths; MESSAGES_MAX],
}

#[derive(Clone, Copy, Debug, Default)]
struct Lengths {
    whole_octets: usize,
    control_octets: usize,
}

/// One received message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'inbox> {
    /// What fitted into the room for it.
    pub(crate) octets: &'inbox [u8],
    /// What it had.
    pub(crate) whole_octets: usize,
    /// The kernel's stamp, by the clock of the day: seconds, nanoseconds.
    pub(crate) time: Option<(u64, u64)>,
}

impl Inbox {
    /// Makes room for messages of this length.
    pub(crate) fn new(message_octets: usize) -> Self {
        Self {
            octets: vec![0; message_octets * MESSAGES_MAX],
            message_octets,
            controls: Box::new([[0; CONTROL_WORDS]; MESSAGES_MAX]),
            lengths: [Lengths::default(); MESSAGES_MAX],
        }
    }

    /// Receives what is there, without waiting. Returns how many messages.
    pub(crate) fn receive(&mut self, socket: impl AsFd) -> io::Result<usize> {
        let mut parts = [const { MaybeUninit::<libc::iovec>::uninit() }; MESSAGES_MAX];
        let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; MESSAGES_MAX];
        let mut count: libc::c_uint = 0;
        let messages = self.octets.chunks_exact_mut(self.message_octets.max(1));
        let rooms = messages.zip(self.controls.iter_mut());
        for (((message, control), part), header) in rooms.zip(&mut parts).zip(&mut headers) {
            let part = part.write(libc::iovec {
                iov_base: message.as_mut_ptr().cast(),
                iov_len: message.len(),
            });
            header.write(header_of(part, control.as_mut_ptr().cast(), size_of_val(control)));
            count += 1;
        }
        // SAFETY: the first `count` headers were written above; each points to
        // a written part and to live room for octets and control data, of the
        // lengths given, that nothing else borrows; all outlive the call.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_fd().as_raw_fd(),
                headers.as_mut_ptr().cast(),
                count,
                // MSG_TRUNC: the whole length, even of what did not fit.
                libc::MSG_DONTWAIT | libc::MSG_TRUNC,
                ptr::null_mut(),
            )
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        for (lengths, header) in self.lengths.iter_mut().zip(&headers).take(received) {
            // SAFETY: the kernel reports no more messages than the `count`
            // headers that were written above.
            let header = unsafe { header.assume_init_ref() };
            lengths.whole_octets = header.msg_len as usize;
            lengths.control_octets = header.msg_hdr.msg_controllen;
        }
        Ok(received)
    }

    /// A message of the last [`receive`](Self::receive).
    pub(crate) fn message(&self, index: usize) -> Option<Message<'_>> {
        let lengths = *self.lengths.get(index)?;
        let room = self.octets.chunks_exact(self.message_octets.max(1)).nth(index)?;
        let octets = room.get(..lengths.whole_octets.min(room.len()))?;
        let control = self.controls.get(index)?;
        let time = time_of(control, lengths.control_octets);
        Some(Message { octets, whole_octets: lengths.whole_octets, time })
    }
}

fn header_of(
    part: &mut libc::iovec,
    control: *mut libc::c_void,
    control_octets: usize,
) -> libc::mmsghdr {
    // SAFETY: the type is integers and pointers, for which zeros are valid.
    let mut header: libc::mmsghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    header.msg_hdr.msg_iov = part;
    header.msg_hdr.msg_iovlen = 1;
    header.msg_hdr.msg_control = control;
    header.msg_hdr.msg_controllen = control_octets;
    header
}

/// Reads a time stamp from control data (cmsg(3)): a length of a word, level
/// and type of an `int` each, two words of time. Only this one kind is asked
/// for, so it comes first.
#[cfg(target_pointer_width = "64")]
fn time_of(control: &[u64; CONTROL_WORDS], octets: usize) -> Option<(u64, u64)> {
    const OCTETS: u64 = 32;
    let [length, kind, seconds, nanoseconds, ..] = *control;
    let kind = kind.to_ne_bytes();
    let level = kind.first_chunk().map(|octets| c_int::from_ne_bytes(*octets));
    let kind = kind.last_chunk().map(|octets| c_int::from_ne_bytes(*octets));
    let is_time = octets as u64 >= OCTETS
        && length == OCTETS
        && level == Some(libc::SOL_SOCKET)
        && kind == Some(libc::SCM_TIMESTAMPNS);
    is_time.then_some((seconds, nanoseconds))
}

/// Another layout, of which no user is known: arrivals are stamped here.
#[cfg(not(target_pointer_width = "64"))]
fn time_of(_control: &[u64; CONTROL_WORDS], _octets: usize) -> Option<(u64, u64)> {
    None
}
