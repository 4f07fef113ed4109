//! The header is what cbindgen makes of the functions. `FAREND_BLESS=1` writes it anew.

use std::{env, fs, path::Path};

use cbindgen::{Builder, Config};

const SOURCES: [&str; 5] = ["border", "locks", "rings", "segment", "status"];

#[test]
fn the_header_is_that_of_the_functions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = Config::from_file(folder.join("cbindgen.toml")).unwrap();
    let sources = SOURCES.map(|name| folder.join(format!("src/{name}.rs")));
    let builder = sources.iter().fold(Builder::new(), Builder::with_src);
    let mut made = Vec::new();
    builder.with_config(config).generate().unwrap().write(&mut made);
    let made = String::from_utf8(made).unwrap();
    let path = folder.join("include/farend_sync.h");
    if env::var_os("FAREND_BLESS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == made, "{} is old: FAREND_BLESS=1 writes it anew", path.display());
}
