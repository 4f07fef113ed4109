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

use aya_ebpf::{
    bindings::{
        TC_ACT_SHOT,
        tcx_action_base::TCX_NEXT,
        xdp_action::{XDP_DROP, XDP_PASS, XDP_TX},
    },
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use farend_core::{Window, inspect, reflect::verdict::Code, reflect_closely, reflect_common};
use farend_ebpf::window::Parked;

use crate::limit::PerCpuLimit;

/// Turns test traffic round; everything else goes on to the host.
#[xdp(frags)]
pub fn farend_reflect(mut context: XdpContext) -> u32 {
    let mut parked = Parked::new(&mut context);
    // One window after the other: each is alone with the frame while it lives.
    let common = {
        let mut window = parked.window();
        let verdict = reflect_common(&mut window, policy::current());
        verdict.map(|verdict| verdict.map(|kind| (kind, window.len())))
    };
    let verdict = match common {
        Some(verdict) => verdict,
        None => {
            let mut window = parked.window_again();
            let verdict = reflect_closely(&mut window, policy::current(), &mut PerCpuLimit);
            verdict.map(|kind| (kind, window.known_octets()))
        }
    };
    // Last, so that no call stands between the looks at the frame: a call
    // takes half of the registers.
    match verdict {
        Ok((kind, octets)) => {
            state::count_reflected(kind, octets);
            XDP_TX
        }
        Err(reason) => {
            state::count_refused(reason);
            if Code::from(reason).is_drop() { XDP_DROP } else { XDP_PASS }
        }
    }
}

/// Keeps the host stack from frames that a tap before it answers: they would
/// cost most of the CPU's time and an ICMP error each. All others go on to the
/// programs behind this one, and to the host.
#[classifier]
pub fn farend_shield(mut context: TcContext) -> i32 {
    match skb::as_received(&mut context, |frame| inspect(frame, policy::current()).is_ok()) {
        Some(true) => TC_ACT_SHOT,
        _ => TCX_NEXT,
    }
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // Unreachable: the core has no panic path, and a loop without an end would
    // not pass the verifier.
    loop {}
}
