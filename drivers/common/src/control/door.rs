//! The socket's file: made, owned, and taken away.

use std::{
    fs, io,
    os::unix::{
        fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use farend_control::address;
use rustix::fs::{Gid, chown};

use super::{Journal, peer::Roles, server::Server};
use crate::{privileges, runtime::Handle, sink::Sink, values::ControlAt};

/// A socket that clients connect to, and once it serves, who serves it. Dropping
/// it ends all connections and removes the file.
#[derive(Debug)]
pub(crate) struct Door {
    path: PathBuf,
    /// Device and inode of the file, so that another's is not removed.
    file: (u64, u64),
    roles: Roles,
    listener: Option<UnixListener>,
    serving: Option<Serving>,
}

#[derive(Debug)]
struct Serving {
    stop: Arc<AtomicBool>,
    wake: Arc<UnixStream>,
    thread: JoinHandle<()>,
}

impl Door {
    /// Makes the socket, with the rights of whoever started the driver; `None`
    /// where none is wanted.
    ///
    /// # Errors
    ///
    /// One line on why it cannot be had.
    pub(crate) fn open(
        at: &ControlAt,
        program: &str,
        targets: &[String],
    ) -> Result<Option<Self>, String> {
        let roles = Roles::of_host();
        let path = match at {
            ControlAt::Off => return Ok(None),
            ControlAt::Path(path) => path.clone(),
            ControlAt::On => {
                let folder = address::folder(rustix::process::geteuid().is_root());
                make_folder(&folder, roles.viewers()).map_err(|error| refused(&folder, &error))?;
                folder.join(address::name(program, targets))
            }
        };
        let listener = bind(&path)?;
        // From here on the file is removed if anything fails.
        let metadata = fs::symlink_metadata(&path).map_err(|error| refused(&path, &error))?;
        let file = (metadata.dev(), metadata.ino());
        let door = Self { path, file, roles, listener: Some(listener), serving: None };
        door.give_to(roles.viewers()).map_err(|error| refused(&door.path, &error))?;
        Ok(Some(door))
    }

    /// Serves, in a thread without privileges.
    ///
    /// # Errors
    ///
    /// The system gives no thread or no socket pair.
    pub(crate) fn serve(
        &mut self,
        handle: Handle,
        sink: &Sink,
        program: &'static str,
        version: &'static str,
    ) -> io::Result<()> {
        let Some(listener) = self.listener.take() else { return Ok(()) };
        let (woken, wake) = UnixStream::pair()?;
        woken.set_nonblocking(true)?;
        wake.set_nonblocking(true)?;
        let (wake, stop) = (Arc::new(wake), Arc::new(AtomicBool::new(false)));
        let journal = Arc::new(Journal::new(Arc::clone(&wake)));
        sink.keep_in(&journal);
        let server = Server::new(
            (listener, woken, Arc::clone(&wake)),
            handle,
            journal,
            self.roles,
            (program, version),
        )?;
        let is_stopped = Arc::clone(&stop);
        let thread = privileges::spawn("control", move || server.run(&is_stopped))?;
        self.serving = Some(Serving { stop, wake, thread });
        Ok(())
    }

    /// Lets a group connect, as far as this user may say so.
    fn give_to(&self, group: Option<u32>) -> io::Result<()> {
        if let Some(gid) = group {
            // Only root and members of the group may; others keep it for themselves.
            let _ = chown(&self.path, None, Some(Gid::from_raw(gid)));
        }
        fs::set_permissions(&self.path, fs::Permissions::from_mode(0o660))
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Some(serving) = self.serving.take() {
            // Release: pairs with the server's Acquire.
            serving.stop.store(true, Ordering::Release);
            let _ = io::Write::write(&mut &*serving.wake, &[0]);
            let _ = serving.thread.join();
        }
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.file);
        if is_ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Binds; takes the place of a socket that nobody answers at.
fn bind(path: &Path) -> Result<UnixListener, String> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(format!(
                "--control {}: there is something that is no socket: use another path",
                path.display()
            ));
        }
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => {
                return Err(format!(
                    "--control {}: another driver answers there: use another path",
                    path.display()
                ));
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path).map_err(|error| refused(path, &error))?;
            }
            Err(error) => return Err(refused(path, &error)),
        },
        Err(_) => {}
    }
    let listener = UnixListener::bind(path).map_err(|error| refused(path, &error))?;
    listener.set_nonblocking(true).map_err(|error| refused(path, &error))?;
    Ok(listener)
}

fn make_folder(folder: &Path, group: Option<u32>) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o750).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        made => made?,
    }
    if let Some(gid) = group {
        let _ = chown(folder, None, Some(Gid::from_raw(gid)));
    }
    Ok(())
}

fn refused(path: &Path, error: &io::Error) -> String {
    format!("--control {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("farend-{}-{name}", std::process::id()));
            fs::create_dir(&folder).unwrap();
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn open(path: &Path) -> Result<Option<Door>, String> {
        Door::open(&ControlAt::Path(path.to_owned()), "p", &[])
    }

    #[test]
    fn socket_is_for_user_and_group_and_goes_with_its_driver() {
        let folder = Folder::new("door-mode");
        let path = folder.0.join("x");
        let door = open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
        drop(door);
        assert!(!path.exists());
        assert!(Door::open(&ControlAt::Off, "p", &[]).unwrap().is_none());
    }

    #[test]
    fn stale_socket_is_replaced_and_a_living_one_is_not() {
        let folder = Folder::new("door-stale");
        let path = folder.0.join("x");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let door = open(&path).unwrap();
        assert!(open(&path).unwrap_err().contains("another driver answers there"));
        // Somebody else's by now: it stays.
        fs::remove_file(&path).unwrap();
        let other = UnixListener::bind(&path).unwrap();
        drop(door);
        assert!(path.exists());
        drop(other);
    }

    #[test]
    fn file_that_is_no_socket_is_left_alone() {
        let folder = Folder::new("door-foreign");
        let path = folder.0.join("x");
        fs::write(&path, "mine").unwrap();
        assert!(open(&path).unwrap_err().contains("is no socket"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        assert!(open(&folder.0.join("none/x")).unwrap_err().contains("No such file"));
    }
}
