//! A configuration file of either format: settings, or an error with its place.
#![no_main]

use std::path::Path;

use farend_driver::{
    config::Config,
    options,
    options::{Flag, Maybe},
    values::{BusyPoll, Numbers, SegmentName},
};
use libfuzzer_sys::fuzz_target;

options! {
    /// Options of a driver.
    struct Own, OwnChoices, OwnSettings;
    include {}
    /// A name
    tier("tier", "NAME", "none", "Own", Restart): Maybe<SegmentName> = None;
    /// A flag
    replace("replace", "true|false", "", "Own", Restart): Flag = false;
    /// Numbers
    queues("queues", "LIST", "all", "Own", Restart): Maybe<Numbers> = None;
    /// A time
    busy_poll("busy-poll", "US", "none", "Own", Live): Maybe<BusyPoll> = None;
}

fuzz_target!(|octets: &[u8]| {
    // The first octet says what the file is called.
    let Some((name, text)) = octets.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let path = Path::new(["a.toml", "a.yaml", "a"][usize::from(*name) % 3]);
    match Config::parse::<Own>(path, text) {
        Ok(config) => {
            for note in &config.notes {
                assert_eq!(note.lines().count(), 1, "{note:?}");
            }
        }
        Err(error) => {
            let told = error.to_string();
            assert!(told.starts_with("a") && told.contains(": "), "{told:?}");
        }
    }
});
