//! One record, and the file that records go into.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use farend_capture::{create_file, describe, pcapng, tap::Head};

use crate::error::Error;

/// Octets that are worth a write of their own.
const WRITE_OCTETS: usize = 64 << 10;

/// Interfaces that are told apart.
const INTERFACES_MAX: usize = 256;

/// A frame and what is known of it.
pub(super) struct Record<'a> {
    pub(super) head: Head,
    pub(super) octets: &'a [u8],
    /// Frames that were missed right before it.
    pub(super) missed: u64,
}

/// A pcapng file.
pub(super) struct Capture {
    path: PathBuf,
    file: fs::File,
    blocks: Vec<u8>,
    /// Places in the file, by index and name.
    interfaces: BTreeMap<(u32, String), u32>,
}

impl Capture {
    pub(super) fn create(path: &Path) -> Result<Self, Error> {
        let file = create_file(path)
            .map_err(|error| Error::run(format!("{}: {error}", path.display())))?;
        let application = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
        let mut blocks = Vec::new();
        pcapng::write_section(&mut blocks, application);
        let mut created = Self { path: path.into(), file, blocks, interfaces: BTreeMap::new() };
        created.flush()?;
        Ok(created)
    }

    pub(super) fn put(&mut self, record: &Record<'_>) -> Result<(), Error> {
        let head = &record.head;
        let mut comment = describe(head.verdict);
        if record.missed > 0 {
            // Writing to a string cannot fail.
            let _ = write!(comment, " ({} frames missed before it)", record.missed);
        }
        let interface = self.place_of(head.interface.index, head.interface.name());
        pcapng::write_packet(
            &mut self.blocks,
            &pcapng::Packet {
                interface,
                time_unix_ns: head.time_unix_ns,
                octets: record.octets,
                whole_octets: head.whole_octets,
                direction: pcapng::Direction::Inbound,
                comment: &comment,
            },
        );
        if self.blocks.len() >= WRITE_OCTETS { self.flush() } else { Ok(()) }
    }

    pub(super) fn flush(&mut self) -> Result<(), Error> {
        let written = self.file.write_all(&self.blocks);
        self.blocks.clear();
        written.map_err(|error| {
            Error::run(format!(
                "{}: {error}: what is there is whole up to its last frames",
                self.path.display()
            ))
        })
    }

    /// The place of an interface, which is described when it is met first.
    fn place_of(&mut self, index: u32, name: String) -> u32 {
        let places = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        if let Some(place) = self.interfaces.get(&(index, name.clone())) {
            return *place;
        }
        if self.interfaces.len() == INTERFACES_MAX {
            return 0;
        }
        pcapng::write_interface(&mut self.blocks, &name, pcapng::FRAME_OCTETS_MAX);
        self.interfaces.insert((index, name), places);
        places
    }
}
