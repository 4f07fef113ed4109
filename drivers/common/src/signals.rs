//! Signals, as flags and one descriptor to wait on.

use std::{
    io::{self, Read},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
    low_level::pipe,
};

/// What signals have asked for.
#[derive(Debug)]
pub struct Signals {
    wake: UnixStream,
    stop: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
}

impl Signals {
    /// Takes SIGINT and SIGTERM for stop and SIGHUP for reload. A second
    /// SIGINT or SIGTERM kills, as if nobody had taken it.
    ///
    /// # Errors
    ///
    /// The kernel gives no descriptor or refuses a handler.
    pub fn take() -> io::Result<Self> {
        let (wake, write) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let stop = Arc::new(AtomicBool::new(false));
        let reload = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first one finds the flag still clear.
            flag::register_conditional_default(signal, Arc::clone(&stop))?;
            flag::register(signal, Arc::clone(&stop))?;
            pipe::register(signal, write.try_clone()?)?;
        }
        flag::register(SIGHUP, Arc::clone(&reload))?;
        pipe::register(SIGHUP, write)?;
        Ok(Self { wake, stop, reload })
    }

    /// Whether to stop.
    #[must_use]
    pub fn is_stop_requested(&self) -> bool {
        // Acquire: pairs with the store in signal-hook's handler.
        self.stop.load(Ordering::Acquire)
    }

    /// Whether a reload was asked for since the last call.
    #[must_use]
    pub fn take_reload(&self) -> bool {
        // AcqRel: pairs with the store in signal-hook's handler; one signal is
        // one reload.
        self.reload.swap(false, Ordering::AcqRel)
    }

    /// Makes the descriptor wait again. Call after it woke and before the
    /// flags are looked at, or a signal in between is slept over.
    pub fn drain(&mut self) {
        let mut octets = [0; 64];
        while matches!(self.wake.read(&mut octets), Ok(read) if read > 0) {}
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hangup_asks_for_one_reload_and_wakes() {
        let mut signals = Signals::take().unwrap();
        assert!(!signals.take_reload());
        signal_hook::low_level::raise(SIGHUP).unwrap();
        let mut octet = [0; 1];
        assert_eq!((&signals.wake).read(&mut octet).unwrap(), 1);
        signals.drain();
        assert!(signals.take_reload());
        assert!(!signals.take_reload());
        assert!(!signals.is_stop_requested());
    }
}
