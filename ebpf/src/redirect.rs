//! The kernel half of the AF_XDP tier: frames to answer go to user space,
//! everything else goes on to the host.
//!
//! An object of its own, because its map needs a kernel that has AF_XDP, and
//! the reflecting program does not.
//!
//! **Invariant:** no byte offset of any header stands here.
#![feature(asm_experimental_arch)]
#![no_std]
#![no_main]
#![deny(unsafe_code)]

mod policy;
mod refused;
mod sockets;
#[expect(dead_code, reason = "the rate cap is asked in user space")]
mod state;

use aya_ebpf::{bindings::xdp_action::XDP_PASS, macros::xdp, programs::XdpContext};
use farend_core::inspect;

use farend_ebpf::window::XdpWindow;

/// Hands each frame that is to be answered to the socket of its queue. The
/// rate cap is asked there.
#[xdp(frags)]
pub fn farend_redirect(mut context: XdpContext) -> u32 {
    let refused = {
        let window = XdpWindow::new(&mut context);
        inspect(&window, policy::current())
    };
    match refused {
        Ok(_) => sockets::redirect(&context),
        Err(reason) => {
            state::count_refused(reason);
            refused::copy_if_due(&context, reason);
            XDP_PASS
        }
    }
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // Unreachable, as in the reflecting program.
    loop {}
}
