//! The file that a capture goes into.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use crate::pcapng;

/// Opens a file that may be written to: a new one, an empty one, or one that
/// held a capture before.
///
/// It is readable by its user alone: frames are nobody else's business. A pipe
/// is refused, because its reader could hold frames up.
///
/// # Errors
///
/// What is wrong with the file, and what to do.
pub fn create_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let kind = path.metadata().map(|metadata| metadata.file_type());
    if kind.is_ok_and(is_pipe) {
        return Err(other("is a pipe or socket, which could hold frames up: name a file"));
    }
    let mut file = options.open(path)?;
    if file.metadata()?.is_file() {
        refuse_foreign(&mut file)?;
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
    }
    Ok(file)
}

/// Whether [`create_file`] would work, without changing what is there. A new
/// file is made and removed.
///
/// # Errors
///
/// As in [`create_file`].
pub fn check_file(path: &Path) -> io::Result<()> {
    if !path.exists() {
        drop(create_file(path)?);
        return std::fs::remove_file(path);
    }
    if path.metadata().is_ok_and(|metadata| is_pipe(metadata.file_type())) {
        return create_file(path).map(drop);
    }
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    if file.metadata()?.is_file() { refuse_foreign(&mut file) } else { Ok(()) }
}

/// Refuses a file that holds something that is no capture.
fn refuse_foreign(file: &mut File) -> io::Result<()> {
    let mut start = [0; pcapng::MAGIC.len()];
    let is_capture = match file.read_exact(&mut start) {
        Ok(()) => start == pcapng::MAGIC,
        Err(_) => file.metadata()?.len() == 0,
    };
    let foreign = || other("is there and no pcapng file: name another, or remove it");
    if is_capture { Ok(()) } else { Err(foreign()) }
}

#[cfg(unix)]
fn is_pipe(kind: std::fs::FileType) -> bool {
    use std::os::unix::fs::FileTypeExt;
    kind.is_fifo() || kind.is_socket()
}

#[cfg(not(unix))]
fn is_pipe(_kind: std::fs::FileType) -> bool {
    false
}

fn other(message: &str) -> io::Error {
    io::Error::other(message)
}
