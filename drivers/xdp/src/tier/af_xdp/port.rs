//! One queue as a port: memory and system calls. Interim: rings by hand until core's queue is there.

use std::{
    fmt, io,
    os::fd::{AsFd, BorrowedFd},
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use farend_core::port::{Burst, Frame, Limits, Medium, Mint, PoolId, Port, Span};
use rustix::{
    io::Errno,
    net::{RecvFlags, SendFlags, recv, send},
};

use super::{layout::Layout, memory::RingMemory, socket::Socket};

pub(super) struct Queue {
    socket: Socket,
    limits: Limits,
    mint: Mint,
    free: Vec<u32>,
    chunk: u32,
    base: u64,
    chunks: u32,
    pub(super) in_kernel_tx: u32,
}

#[derive(Debug)]
pub(super) struct QueueError(pub(super) io::Error);

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl std::error::Error for QueueError {}

fn produce<const W: usize>(ring: &RingMemory<W>, entry: [u64; W]) -> bool {
    let p = ring.producer().load(Ordering::Relaxed);
    let c = ring.consumer().load(Ordering::Acquire);
    let n = ring.entries().len();
    if p.wrapping_sub(c) as usize >= n {
        return false;
    }
    let slot = &ring.entries()[p as usize & (n - 1)];
    for (s, v) in slot.iter().zip(entry) {
        s.store(v, Ordering::Relaxed);
    }
    ring.producer().store(p.wrapping_add(1), Ordering::Release);
    true
}

fn consume<const W: usize>(ring: &RingMemory<W>) -> Option<[u64; W]> {
    let c = ring.consumer().load(Ordering::Relaxed);
    let p = ring.producer().load(Ordering::Acquire);
    if p == c {
        return None;
    }
    let n = ring.entries().len();
    let slot: &[AtomicU64; W] = &ring.entries()[c as usize & (n - 1)];
    let v = std::array::from_fn(|i| slot[i].load(Ordering::Relaxed));
    ring.consumer().store(c.wrapping_add(1), Ordering::Release);
    Some(v)
}

fn needs_wakeup(flags: Option<&AtomicU32>) -> bool {
    flags.is_none_or(|f| f.load(Ordering::Relaxed) & 1 != 0)
}

impl Queue {
    pub(super) fn new(socket: Socket, layout: &Layout, is_zero_copy: bool) -> Self {
        let base = socket.part.start() as u64;
        let limits = Limits {
            medium: Medium::Ethernet,
            frame_octets_max: layout.frame_octets_max,
            burst_frames_max: 64,
            is_copying: !is_zero_copy,
        };
        let mut queue = Self {
            mint: Mint::new(PoolId(socket.queue as u16)),
            socket,
            limits,
            free: (0..layout.queue_chunks).rev().collect(),
            chunk: layout.chunk_octets,
            base,
            chunks: layout.queue_chunks,
            in_kernel_tx: 0,
        };
        queue.refill();
        queue
    }

    fn refill(&mut self) {
        while let Some(index) = self.free.pop() {
            let addr = self.base + u64::from(index) * u64::from(self.chunk);
            if !produce(&self.socket.fill, [addr]) {
                self.free.push(index);
                break;
            }
        }
    }

    fn index(&self, addr: u64) -> (u32, u32) {
        let offset = addr - self.base;
        ((offset / u64::from(self.chunk)) as u32, (offset % u64::from(self.chunk)) as u32)
    }

    pub(super) fn reap(&mut self) {
        while let Some([addr]) = consume(&self.socket.completion) {
            let (index, _) = self.index(addr);
            assert!(index < self.chunks);
            self.free.push(index);
            self.in_kernel_tx -= 1;
        }
        self.refill();
    }

    pub(super) fn is_waiting_to_send(&self) -> bool {
        self.socket.tx.producer().load(Ordering::Relaxed)
            != self.socket.tx.consumer().load(Ordering::Relaxed)
    }
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Port for Queue {
    type Error = QueueError;

    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn receive(&mut self, burst: &mut Burst) -> Result<(), QueueError> {
        while burst.room() > 0 {
            let Some([addr, rest]) = consume(&self.socket.rx) else { break };
            let (index, start) = self.index(addr);
            let (octets, options) = (rest as u32, (rest >> 32) as u32);
            let has_more = options & 1 != 0;
            let _ = burst.push(self.mint.frame(Span { index, start, octets, has_more }));
        }
        self.reap();
        Ok(())
    }

    fn transmit(&mut self, burst: &mut Burst) -> Result<(), QueueError> {
        while let Some(frame) = burst.get(0) {
            let span = self.mint.span(frame).unwrap();
            let addr = self.base + u64::from(span.index) * u64::from(self.chunk) + u64::from(span.start);
            let rest = u64::from(span.octets) | u64::from(u32::from(span.has_more)) << 32;
            if !produce(&self.socket.tx, [addr, rest]) {
                break;
            }
            self.in_kernel_tx += 1;
            let _ = self.mint.redeem(burst.pop_front().unwrap());
        }
        Ok(())
    }

    fn reserve(&mut self, _burst: &mut Burst) {}

    fn recycle(&mut self, burst: &mut Burst) {
        for frame in burst.drain() {
            if let Ok(span) = self.mint.redeem(frame) {
                self.free.push(span.index);
            }
        }
    }

    fn octets<'a>(&'a mut self, frame: &'a mut Frame) -> Option<&'a mut [u8]> {
        let span = self.mint.span(frame)?;
        let offset = span.index as usize * self.chunk as usize + span.start as usize;
        self.socket.part.octets_mut(offset, span.octets as usize)
    }

    fn kick(&mut self) -> Result<(), QueueError> {
        while self.is_waiting_to_send() && needs_wakeup(self.socket.tx.flags()) {
            match send(&self.socket, &[], SendFlags::DONTWAIT) {
                Ok(_) | Err(Errno::AGAIN) => {}
                Err(Errno::BUSY | Errno::NOBUFS) => break,
                Err(error) => return Err(QueueError(error.into())),
            }
            self.reap();
        }
        if needs_wakeup(self.socket.fill.flags()) {
            let _ = recv(&self.socket, &mut [0_u8; 0], RecvFlags::DONTWAIT);
        }
        Ok(())
    }
}
