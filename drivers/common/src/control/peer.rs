//! Who is at the other end, and what they may do.

use std::{fs, io, os::unix::net::UnixStream};

use farend_control::Role;

use super::sys;

/// A user id that has no meaning here stands as this one.
const UNMAPPED: u32 = 65_534;

/// Whoever has connected, as of then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Peer {
    pub(super) uid: u32,
    /// All groups.
    pub(super) gids: Vec<u32>,
}

impl Peer {
    /// Asks the kernel.
    pub(super) fn of(socket: &UnixStream) -> io::Result<Self> {
        let (uid, gids) = sys::peer(socket)?;
        Ok(Self { uid, gids })
    }
}

/// Which users and groups have which role.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Roles {
    own_uid: u32,
    viewers: Option<u32>,
    admins: Option<u32>,
}

impl Roles {
    /// Those of this host. The file is read once: asking a directory service
    /// for each connection could wait, and races.
    pub(super) fn of_host() -> Self {
        let groups = fs::read_to_string("/etc/group").unwrap_or_default();
        let own_uid = rustix::process::geteuid().as_raw();
        let (viewers, admins) = (gid(&groups, "farend"), gid(&groups, "farend-admin"));
        Self { own_uid, viewers, admins }
    }

    /// The group that may connect.
    pub(super) const fn viewers(&self) -> Option<u32> {
        self.viewers
    }

    /// What somebody may do.
    pub(super) fn of(&self, peer: &Peer) -> Role {
        let is_in = |group: Option<u32>| group.is_some_and(|gid| peer.gids.contains(&gid));
        match peer.uid {
            UNMAPPED | u32::MAX => Role::Nobody,
            uid if uid == 0 || uid == self.own_uid => Role::Owner,
            _ if is_in(self.admins) => Role::Admin,
            _ if is_in(self.viewers) => Role::Viewer,
            _ => Role::Nobody,
        }
    }
}

/// The number of a group in the text of `/etc/group` (group(5)).
fn gid(text: &str, name: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_number_is_the_third_field_of_its_line() {
        let text = "root:x:0:\nfarend-admin:x:71:a,b\nfarend:x:70:c\nbroken\nfarend:x:99:\n";
        assert_eq!(gid(text, "farend"), Some(70));
        assert_eq!(gid(text, "farend-admin"), Some(71));
        assert_eq!((gid(text, "broken"), gid(text, "c")), (None, None));
    }

    #[test]
    fn role_follows_user_and_groups() {
        let roles = Roles { own_uid: 1_000, viewers: Some(70), admins: Some(71) };
        for (uid, gids, role) in [
            (0, vec![], Role::Owner),
            (1_000, vec![1_000], Role::Owner),
            (1_001, vec![5, 71], Role::Admin),
            (1_001, vec![70, 71], Role::Admin),
            (1_001, vec![70], Role::Viewer),
            (1_001, vec![1_001, 0], Role::Nobody),
            (UNMAPPED, vec![70, 71], Role::Nobody),
            (u32::MAX, vec![71], Role::Nobody),
        ] {
            assert_eq!(roles.of(&Peer { uid, gids: gids.clone() }), role, "{uid} {gids:?}");
        }
        let without = Roles { own_uid: 1_000, viewers: None, admins: None };
        assert_eq!(without.of(&Peer { uid: 1_001, gids: vec![70] }), Role::Nobody);
    }

    #[test]
    fn peer_of_a_pair_is_this_process() {
        let (one, _other) = UnixStream::pair().unwrap();
        let peer = Peer::of(&one).unwrap();
        assert_eq!(peer.uid, rustix::process::geteuid().as_raw());
        assert!(peer.gids.contains(&rustix::process::getegid().as_raw()));
    }
}
