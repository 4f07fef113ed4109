//! An XDP program that passes everything: the kernel program with the closed
//! policy that it is built with.

use std::os::fd::AsFd;

use aya::{
    Ebpf,
    programs::{Xdp, XdpMode},
};
use farend_linux::{Interface, Rtnetlink, XdpMode as Mode, index_of};

use super::namespace::{Pair, inside};

/// The program, attached until it is dropped unless by netlink.
pub(crate) struct Pass(#[expect(dead_code, reason = "held")] Ebpf);

fn load() -> Ebpf {
    let object = aya::include_bytes_aligned!("../../../../ebpf/prebuilt/farend.bpf.o");
    let mut object = Ebpf::load(object).unwrap();
    program(&mut object).load().unwrap();
    object
}

fn program(object: &mut Ebpf) -> &mut Xdp {
    object.program_mut("farend_reflect").unwrap().try_into().unwrap()
}

impl Pass {
    /// Attaches it by a bpf link.
    pub(crate) fn attach(namespace: &str, interface: &str) -> Self {
        inside(namespace, || {
            let mut object = load();
            program(&mut object).attach(interface, XdpMode::Driver).unwrap();
            Self(object)
        })
    }

    /// Attaches it as old tools do, without a link: it stays after its owner.
    pub(crate) fn attach_by_netlink(namespace: &str, interface: &str, mode: Mode) {
        inside(namespace, || {
            let mut object = load();
            let index = index_of(interface).unwrap();
            let fd = program(&mut object).fd().unwrap();
            Rtnetlink::open().unwrap().attach_xdp(index, fd.as_fd(), mode).unwrap();
        });
    }

    /// Detaches what was attached without a link.
    pub(crate) fn detach_by_netlink(namespace: &str, interface: &str, mode: Mode) {
        inside(namespace, || {
            let index = index_of(interface).unwrap();
            Rtnetlink::open().unwrap().detach_xdp(index, mode).unwrap();
        });
    }
}

/// The number of the XDP program at the far end, and where it runs.
pub(crate) fn program_of_far(pair: &Pair) -> Option<(u32, Mode)> {
    inside(&pair.far, || {
        let found = Interface::find(&mut Rtnetlink::open().unwrap(), "far").unwrap().unwrap();
        found.xdp.first()
    })
}
