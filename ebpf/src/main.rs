//! The kernel half of Farend: [`farend_core::reflect`] as an XDP program.
//!
//! **Invariant:** no byte offset of any header stands here. What is here is
//! only what the kernel has and user space has not: the context, the per-CPU
//! map, and the translation of a verdict into an XDP action.
#![feature(asm_experimental_arch)]
#![no_std]
#![no_main]
#![deny(unsafe_code)]

mod limit;
mod policy;
mod skb;
mod state;
mod window;

use aya_ebpf::{
    bindings::{
        TC_ACT_OK, TC_ACT_SHOT,
        xdp_action::{XDP_DROP, XDP_PASS, XDP_TX},
    },
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use farend_core::{Window, inspect, reflect_closely, reflect_common};

use crate::{limit::PerCpuLimit, skb::SkbWindow, window::XdpWindow};

/// Turns test traffic round; everything else goes on to the host.
#[xdp(frags)]
pub fn farend_reflect(mut context: XdpContext) -> u32 {
    let policy = policy::current();
    // One window after the other: each is alone with the frame while it lives.
    let common = {
        let mut window = XdpWindow::new(&mut context);
        let code = reflect_common(&mut window, policy, &mut PerCpuLimit);
        code.map(|code| (code, window.len()))
    };
    let (code, octets) = match common {
        Some(counted) => counted,
        None => {
            let mut window = XdpWindow::new(&mut context);
            let code = reflect_closely(&mut window, policy, &mut PerCpuLimit);
            (code, window.known_octets())
        }
    };
    // Last, so that no call stands between the looks at the frame: a call
    // takes half of the registers.
    state::count(code, octets);
    // This program has no services: what is sent was turned round.
    if code.is_reflect() {
        XDP_TX
    } else if code.is_drop() {
        XDP_DROP
    } else {
        XDP_PASS
    }
}

/// Keeps the host stack from frames that a tap before it answers: they would
/// cost most of the CPU's time and an ICMP error each.
#[classifier]
pub fn farend_shield(context: TcContext) -> i32 {
    match SkbWindow::new(&context) {
        Some(window) if inspect(&window, policy::current()).is_ok() => TC_ACT_SHOT,
        _ => TC_ACT_OK,
    }
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // Unreachable: the core has no panic path, and a loop without an end would
    // not pass the verifier.
    loop {}
}
