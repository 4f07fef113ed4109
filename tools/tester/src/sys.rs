//! System calls that no safe crate wraps. Nothing here decides anything, and
//! no other file of this crate is unsafe.

#[cfg(target_os = "linux")]
pub(crate) mod message;
#[cfg(target_os = "linux")]
pub(crate) mod option;
