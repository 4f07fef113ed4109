//! What the kernel programs share and each uses a part of.
#![feature(asm_experimental_arch)]
#![no_std]
#![deny(unsafe_code)]

pub mod window;
