//! The core's locks with this system's backend, so that users need not name it.

/// Locks and signals for the threads of one process.
pub mod private {
    use farend_core::sync::{self, Private};

    use crate::Default;

    /// [`sync::AutoResetEvent`] between threads.
    pub type AutoResetEvent = sync::AutoResetEvent<Private, Default>;
    /// [`sync::Barrier`] between threads.
    pub type Barrier = sync::Barrier<Private, Default>;
    /// [`sync::Condvar`] between threads.
    pub type Condvar = sync::Condvar<Private, Default>;
    /// [`sync::Event`] between threads.
    pub type Event = sync::Event<Private, Default>;
    /// [`sync::Mutex`] between threads.
    pub type Mutex<T> = sync::Mutex<T, Private, Default>;
    /// [`sync::Once`] between threads.
    pub type Once = sync::Once<Private, Default>;
    /// [`sync::RawPrivate`]: a lock without data.
    pub type RawMutex = sync::RawPrivate<Default>;
    /// [`sync::RawRwPrivate`]: a reader-writer lock without data.
    pub type RawRwLock = sync::RawRwPrivate<Default>;
    /// [`sync::RwLock`] between threads.
    pub type RwLock<T> = sync::RwLock<T, Private, Default>;
    /// [`sync::Semaphore`] between threads.
    pub type Semaphore = sync::Semaphore<Private, Default>;
}

/// Locks and signals for processes that share memory.
pub mod shared {
    use farend_core::sync::{self, Shared};

    use crate::Default;

    /// [`sync::AutoResetEvent`] between processes.
    pub type AutoResetEvent = sync::AutoResetEvent<Shared, Default>;
    /// [`sync::Barrier`] between processes.
    pub type Barrier = sync::Barrier<Shared, Default>;
    /// [`sync::Condvar`] between processes.
    pub type Condvar = sync::Condvar<Shared, Default>;
    /// [`sync::Event`] between processes.
    pub type Event = sync::Event<Shared, Default>;
    /// [`sync::Mutex`] between processes.
    pub type Mutex<T> = sync::Mutex<T, Shared, Default>;
    /// [`sync::Once`] between processes.
    pub type Once = sync::Once<Shared, Default>;
    /// [`sync::RawShared`]: a lock without data.
    pub type RawMutex = sync::RawShared<Default>;
    /// [`sync::RwLock`] between processes.
    pub type RwLock<T> = sync::RwLock<T, Shared, Default>;
    /// [`sync::Semaphore`] between processes.
    pub type Semaphore = sync::Semaphore<Shared, Default>;
}
