//! Makes the linker refuse symbols that nobody defines.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg=-Wl,-z,defs");
    // Copies and comparisons of octets, nothing else: a test looks at the
    // symbols that are used.
    println!("cargo::rustc-link-arg=-lc");
}
