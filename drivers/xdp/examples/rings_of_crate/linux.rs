//! The loop.
#![expect(unsafe_code, reason = "the crate's rings leave lifetimes to the caller")]

use std::{error::Error, io::ErrorKind, os::fd::AsRawFd, time::Duration};

use aya::{
    EbpfLoader,
    maps::XskMap,
    programs::{Xdp, XdpMode},
};
use farend_core::{Policy, RateLimit, Verdict, reflect};
use farend_driver::signals::Signals;
use farend_linux::{Interface, Rtnetlink};
use xdp::{
    RingConfigBuilder, Umem, WakableRings,
    nic::NicIndex,
    slab::{HeapSlab, Slab},
    socket::{PollTimeout, XdpSocket, XdpSocketBuilder},
    umem::{FrameSize, UmemCfgBuilder},
};

/// As many frames, ring entries and frames a burst as the tier has.
const CHUNKS: u32 = 4_096;
const RING_ENTRIES: u32 = 2_048;
const BURST_FRAMES: usize = 64;

static OBJECT: &[u8] =
    aya::include_bytes_aligned!("../../../../ebpf/prebuilt/farend-redirect.bpf.o");

/// Answers on the interface that the command line names, until SIGTERM.
pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).ok_or("which interface? rings_of_crate IFACE")?;
    let interface = Interface::find(&mut Rtnetlink::open()?, &name)?;
    let interface = interface.map_err(|unknown| unknown.to_string())?;
    let mac = interface.mac.ok_or("not an Ethernet interface")?;
    let policy = Policy::builder().own_mac(mac).build()?;
    let signals = Signals::take()?;

    let umem = UmemCfgBuilder {
        frame_size: FrameSize::TwoK,
        frame_count: CHUNKS,
        ..UmemCfgBuilder::default()
    };
    let mut umem = Umem::map(umem.build()?)?;
    let mut builder = XdpSocketBuilder::new()?;
    let config = RingConfigBuilder {
        rx_count: RING_ENTRIES,
        tx_count: RING_ENTRIES,
        fill_count: RING_ENTRIES,
        completion_count: RING_ENTRIES,
    };
    let (rings, mut flags) = builder.build_wakable_rings(&umem, config.build()?)?;
    flags.force_copy();
    let socket = builder.bind(NicIndex::new(interface.index), 0, flags)?;

    let mut object =
        EbpfLoader::new().override_global("POLICY", policy.as_octets(), true).load(OBJECT)?;
    let mut sockets = XskMap::try_from(object.take_map("SOCKETS").ok_or("no map")?)?;
    sockets.set(0, socket.as_raw_fd(), 0)?;
    let program: &mut Xdp =
        object.program_mut("farend_redirect").ok_or("no program")?.try_into()?;
    program.load()?;
    program.attach(&name, XdpMode::Driver)?;
    eprintln!("ready: {name}");
    let reflected = answer(&socket, rings, &mut umem, &policy, &signals)?;
    println!("{reflected}");
    Ok(())
}

/// Answers until a signal comes; says how many frames.
fn answer(
    socket: &XdpSocket,
    mut rings: WakableRings,
    umem: &mut Umem,
    policy: &Policy,
    signals: &Signals,
) -> Result<u64, Box<dyn Error>> {
    let (mut rx, mut tx) =
        (rings.rx_ring.take().ok_or("no rx")?, rings.tx_ring.take().ok_or("no tx")?);
    let mut burst = HeapSlab::with_capacity(BURST_FRAMES);
    let mut answers = HeapSlab::with_capacity(BURST_FRAMES);
    let (mut limit, mut reflected) = (RateLimit::default(), 0_u64);
    let now = PollTimeout::new(Some(Duration::ZERO));
    let pause = PollTimeout::new(Some(Duration::from_millis(16)));
    // SAFETY: the caller made the memory before the socket, so it outlives it.
    unsafe { rings.fill_ring.enqueue(umem, RING_ENTRIES as usize, true)? };
    while !signals.is_stop_requested() {
        rings.completion_ring.dequeue(umem, RING_ENTRIES as usize);
        // A whole burst at once: the crate refuses what does not fit as a
        // whole.
        let blank = umem.allocatable().min(BURST_FRAMES);
        // SAFETY: as before.
        unsafe { rings.fill_ring.enqueue(umem, blank, false)? };
        // SAFETY: no frame leaves this loop.
        let received = unsafe { rx.recv(umem, &mut burst) };
        while answers.available() > 0
            && let Some(mut frame) = burst.pop_back()
        {
            if let Verdict::Reflect(_) = reflect(&mut frame[..], policy, &mut limit) {
                reflected += 1;
                answers.push_front(frame);
            } else {
                umem.free_packet(frame);
            }
        }
        let is_answering = !answers.is_empty();
        // SAFETY: as before.
        match unsafe { tx.send(&mut answers, true) } {
            // The kernel has sent a part, which the crate takes for a failure.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            outcome => _ = outcome?,
        }
        // A poll is the only other kick that the crate has.
        if received == 0 {
            socket.poll_read(pause)?;
        } else if is_answering && !answers.is_empty() {
            socket.poll_read(now)?;
        }
    }
    Ok(reflected)
}
