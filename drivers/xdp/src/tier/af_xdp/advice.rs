//! Why frames cannot be had in user space, and the way out.

use farend_af_xdp::{FrameTooLong, OpenError};
use rustix::io::Errno;

use crate::tier::TierError;

/// What to do about it, if anything.
fn advice(error: &OpenError) -> Option<String> {
    let advice = match (error, Errno::from_io_error(error.error()?)?) {
        (_, Errno::MFILE) => "raise the limit of open files: ulimit -n 1024".to_owned(),
        (_, Errno::NFILE) => "the system has no open files left: close some".to_owned(),
        (OpenError::Socket(_), Errno::AFNOSUPPORT) => "use --tier af-packet".to_owned(),
        (OpenError::Socket(_), Errno::PERM | Errno::ACCESS) => {
            "run as root, or give the program cap_net_raw by setcap".to_owned()
        }
        // The kernel's word for "over RLIMIT_MEMLOCK" (xdp_umem.c).
        (OpenError::Umem { octets, .. }, Errno::NOBUFS) => format!(
            "raise the limit of locked memory: ulimit -l {}, or LimitMEMLOCK=infinity in a unit \
             of systemd, or serve fewer queues by --queues",
            octets.div_ceil(1 << 10)
        ),
        (OpenError::Umem { .. } | OpenError::Option { .. }, Errno::NOMEM | Errno::NOBUFS) => {
            "free some memory, or serve fewer queues by --queues".to_owned()
        }
        (OpenError::Bind { .. }, Errno::BUSY) => {
            "stop the other program, or name other queues by --queues".to_owned()
        }
        _ => return None,
    };
    Some(advice)
}

/// The tier's error, with what to do.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(super) fn open_error(error: OpenError) -> TierError {
    let reason = TierError::new(error.to_string());
    match advice(&error) {
        Some(advice) => reason.with_advice(advice),
        None => reason,
    }
}

/// The tier's error, with what to do.
pub(super) fn frame_too_long(error: FrameTooLong) -> TierError {
    let FrameTooLong { mtu_octets_max, .. } = error;
    TierError::new(error.to_string()).with_advice(format!(
        "lower it (ip link set IFACE mtu {mtu_octets_max}), or use --tier af-packet"
    ))
}
