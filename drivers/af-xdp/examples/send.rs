//! Sends a burst of frames out of an interface: `send INTERFACE`.

use std::{env, error::Error, fs};

use farend_af_xdp::{BindMode, Layout, Request, open};
use farend_core::port::{Burst, Port};

/// To everybody, from nobody in particular, of a type for experiments.
const HEADER: [u8; 14] = [255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 0x88, 0xb5];

pub(crate) fn send(interface_index: u32) -> Result<usize, Box<dyn Error>> {
    let layout = Layout::new(1, 1_500, None)?;
    let request = Request { interface_index, queues: &[0], layout, busy_poll_us: None };
    let mut socket = open(&request, BindMode::Copy)?.sockets.remove(0);
    let (mut blank, mut ready) = (Burst::new(), Burst::new());
    socket.reserve(&mut blank);
    while let Some(mut frame) = blank.pop_front() {
        frame.truncate(60);
        socket.octets(&mut frame).ok_or("not in hand")?[..14].copy_from_slice(&HEADER);
        ready.push(frame).map_err(|_| "a burst has room for a burst")?;
    }
    let frames = ready.len();
    while !ready.is_empty() || !socket.is_drained()? {
        socket.transmit(&mut ready)?;
        socket.kick()?;
    }
    Ok(frames)
}

fn main() -> Result<(), Box<dyn Error>> {
    let name = env::args().nth(1).ok_or("which interface?")?;
    let index = fs::read_to_string(format!("/sys/class/net/{name}/ifindex"))?.trim().parse()?;
    println!("{} frames sent", send(index)?);
    Ok(())
}
