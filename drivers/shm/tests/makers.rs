//! Makers of named segments: a name is nobody's or belongs to one living maker, and
//! what is found under it is always whole.
#![cfg(target_os = "linux")] // Reaches behind segments by their files.
#![expect(unsafe_code, reason = "forks")]

#[macro_use]
mod support;

use std::{
    fs,
    mem::ManuallyDrop,
    os::unix::process::ExitStatusExt,
    process::ExitStatus,
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use farend_shm::{
    Deadline, LayoutError, RingError, SegmentError, SlowReader, WaitSet, broadcast, spsc, unlink,
};
use support::{DONE, LONG, Numbers, Peer, THERE, fresh_name};

/// Large enough for the system to take a while to find the memory.
const SLOW_OCTETS: u64 = 1 << 28;

/// How long a test waits for what does not come.
const IN_VAIN: Duration = Duration::from_millis(30);

peer_process!(play);

fn play(role: &str, arguments: &[String]) {
    let name = &arguments[0];
    match role {
        "maker" => {
            let _ring = spsc::Ring::create(name, 1 << 20);
            println!("{THERE}");
            thread::sleep(LONG);
        }
        "other time namespace" => {
            let refused = spsc::Ring::attach(name).unwrap_err();
            assert!(matches!(refused, SegmentError::OtherRealm), "{refused}");
            let refused = spsc::Ring::create(name, 1 << 12).unwrap_err();
            assert!(matches!(refused, SegmentError::OtherRealm), "{refused}");
        }
        "small memory" => {
            let refused = spsc::Ring::create(name, 1 << 20).unwrap_err();
            assert!(matches!(refused, SegmentError::System { .. }), "{refused}");
            assert!(refused.to_string().contains("No space left"), "{refused}");
            assert_eq!(fs::read_dir("/dev/shm").unwrap().count(), 0, "something was left");
            spsc::Ring::create(name, 1 << 12).unwrap();
        }
        "forks" => forks(),
        "forks into a pid namespace" => forks_into_a_pid_namespace(name),
        "forks while a descriptor is in use" => forks_while_a_descriptor_is_in_use(),
        "waits without inotify" => waits_without_inotify(name),
        "forks into a time namespace" => forks_into_a_time_namespace(),
        "sends for ever" => {
            let mut sender = spsc::Ring::attach(name).unwrap().sender().unwrap();
            for number in 0_u64.. {
                sender.send(&number.to_le_bytes(), Deadline::NEVER).unwrap();
            }
        }
        other => panic!("no role {other}"),
    }
    println!("{DONE}");
}

fn file_of(name: &str) -> String {
    format!("/dev/shm{name}")
}

#[test]
fn of_makers_at_the_same_time_one_succeeds_and_nobody_sees_half_a_ring() {
    let name = fresh_name();
    let start = Barrier::new(3);
    thread::scope(|scope| {
        let makers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    spsc::Ring::create(&name, SLOW_OCTETS)
                })
            })
            .collect();
        start.wait();
        while !makers.iter().all(thread::ScopedJoinHandle::is_finished) {
            match spsc::Ring::attach(&name) {
                Ok(_) | Err(SegmentError::Missing { .. }) => {}
                Err(error) => panic!("half a ring: {error}"),
            }
        }
        let made: Vec<_> = makers.into_iter().map(|maker| maker.join().unwrap()).collect();
        let refused = made.iter().filter_map(|made| made.as_ref().err()).collect::<Vec<_>>();
        assert_eq!(refused.len(), 1, "two makers of one name");
        assert!(
            matches!(refused[0], SegmentError::InUse { pid, .. } if *pid == std::process::id())
        );
    });
}

#[test]
fn a_maker_killed_at_any_moment_leaves_nothing_or_a_whole_ring_to_replace() {
    let mut numbers = Numbers::new();
    for _ in 0..support::kills() / 4 {
        let name = fresh_name();
        let maker = Peer::start("maker", &[&name]);
        drop(maker.kill_after(Duration::from_micros(numbers.below(4_000))));
        maker.finish_killed();
        match spsc::Ring::attach(&name) {
            Ok(_) | Err(SegmentError::Missing { .. }) => {}
            Err(error) => panic!("half a ring: {error}"),
        }
        drop(spsc::Ring::create(&name, 1 << 12).unwrap());
        assert!(!fs::exists(file_of(&name)).unwrap());
    }
    let left: Vec<_> = fs::read_dir("/dev/shm")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|left| left.starts_with(".farend"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn who_opens_what_a_killed_maker_left_removes_its_name_at_the_end() {
    let name = fresh_name();
    let mut maker = Peer::start("maker", &[&name]);
    assert!(maker.said().any(|line| line.contains(THERE)), "it makes nothing");
    let while_it_lives = spsc::Ring::open_or_create(&name, 1 << 12).unwrap();
    drop(maker);
    let heir = spsc::Ring::open_or_create(&name, 1 << 12).unwrap();
    assert_eq!(heir.layout().capacity(), 1 << 20, "the dead one's");
    let last = spsc::Ring::open_or_create(&name, 1 << 12).unwrap();
    let refused = spsc::Ring::create(&name, 1 << 12).unwrap_err();
    assert!(matches!(refused, SegmentError::InUse { pid, .. } if pid == std::process::id()));
    drop((while_it_lives, last));
    assert!(fs::exists(file_of(&name)).unwrap(), "by one who made nothing");
    drop(heir);
    assert!(!fs::exists(file_of(&name)).unwrap());
}

/// As on macOS, where a segment has a name before it has a content.
#[test]
fn who_opens_a_segment_before_it_is_filled_waits_for_that() {
    let (name, filled) = (fresh_name(), fresh_name());
    fs::write(file_of(&name), [0; 8192]).unwrap();
    fs::set_permissions(file_of(&name), std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .unwrap();
    let _ring = spsc::Ring::create(&filled, 1 << 13).unwrap();
    thread::scope(|scope| {
        let opening = scope.spawn(|| spsc::Ring::open_or_create(&name, 1 << 12));
        thread::sleep(IN_VAIN);
        fs::rename(file_of(&filled), file_of(&name)).unwrap();
        let opened = opening.join().unwrap().unwrap();
        assert_eq!(opened.layout().capacity(), 1 << 13);
    });
    unlink(&name).unwrap();
}

#[test]
fn a_maker_does_not_remove_the_name_of_its_successor() {
    let name = fresh_name();
    let first = spsc::Ring::create(&name, 1 << 12).unwrap();
    unlink(&name).unwrap();
    let second = spsc::Ring::create(&name, 1 << 13).unwrap();
    drop(first);
    assert_eq!(spsc::Ring::attach(&name).unwrap().layout().capacity(), 1 << 13);
    drop(second);
    assert!(matches!(spsc::Ring::attach(&name), Err(SegmentError::Missing { .. })));
}

#[test]
fn memory_without_content_is_not_taken_for_anybodys() {
    let name = fresh_name();
    for octets in [&[][..], &[0; 8192][..]] {
        fs::write(file_of(&name), octets).unwrap();
        fs::set_permissions(file_of(&name), std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        let blank = |error| matches!(error, SegmentError::Layout(LayoutError::Blank));
        assert!(blank(spsc::Ring::attach(&name).unwrap_err()));
        assert!(blank(spsc::Ring::create(&name, 1 << 12).unwrap_err()));
        assert!(fs::exists(file_of(&name)).unwrap());
        unlink(&name).unwrap();
    }
}

/// Start times are told by the clock of the time namespace of whoever asks.
#[test]
fn processes_of_another_time_namespace_are_refused() {
    let name = fresh_name();
    let _ring = spsc::Ring::create(&name, 1 << 12).unwrap();
    let arguments = ["--time", "--fork", "--boottime", "100000"];
    Peer::in_namespaces(&arguments, "other time namespace", &name);
}

#[test]
fn a_full_shared_memory_is_an_error_and_leaves_nothing() {
    let script = "mount -t tmpfs -o size=64k tmpfs /dev/shm && exec \"$@\"";
    let arguments = ["--mount", "sh", "-c", script, "sh"];
    Peer::in_namespaces(&arguments, "small memory", &fresh_name());
}

#[test]
fn a_child_forked_while_a_descriptor_is_in_use_drops_it_and_goes_on() {
    Peer::start("forks while a descriptor is in use", &[""]).finish();
}

fn forks_while_a_descriptor_is_in_use() {
    let line = spsc::Ring::anonymous(1 << 12).unwrap();
    let (mut sender, mut receiver) = (line.sender().unwrap(), line.receiver().unwrap());
    let mut set = WaitSet::new();
    set.add(receiver.readiness().unwrap());
    let set = ManuallyDrop::new(set);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                set.rearm().unwrap();
                sender.send(b"message", Deadline::NEVER).unwrap();
                while receiver.try_receive().unwrap().is_some() {}
                set.wait(Deadline::NEVER).unwrap();
            }
        });
        for _ in 0..1_000 {
            in_child(|| {
                // SAFETY: the child's copy, which nobody else there uses.
                drop(unsafe { std::ptr::read(&raw const *set) });
            });
        }
        is_over.store(true, Ordering::Relaxed);
    });
    drop(ManuallyDrop::into_inner(set));
}

/// Both have the id 1, each in its own pid namespace.
#[test]
fn a_forked_child_with_the_same_id_does_not_remove_the_name() {
    let arguments = ["--pid", "--fork", "--mount-proc"];
    Peer::in_namespaces(&arguments, "forks into a pid namespace", &fresh_name());
}

fn forks_into_a_pid_namespace(name: &str) {
    assert_eq!(std::process::id(), 1);
    let ring = spsc::Ring::create(name, 1 << 12).unwrap();
    let line = spsc::Ring::anonymous(1 << 12).unwrap();
    let mut set = WaitSet::new();
    set.add(line.receiver().unwrap().readiness().unwrap());
    // SAFETY: changes the pid namespace of later children alone.
    assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWPID) }, 0);
    let mut inherited = Some((ring, set));
    in_child(|| {
        assert_eq!(std::process::id(), 1);
        let (ring, set) = inherited.take().unwrap();
        assert!(set.rearm().is_err(), "its thread is not here");
        drop((ring, set));
    });
    assert!(fs::exists(file_of(name)).unwrap(), "the child removed the name");
    drop(inherited);
    assert!(!fs::exists(file_of(name)).unwrap());
}

#[test]
fn a_segment_is_waited_for_where_the_kernel_does_not_tell_of_it() {
    let script = "echo 0 > /proc/sys/user/max_inotify_instances && exec \"$@\"";
    let arguments = ["--user", "--map-root-user", "sh", "-c", script, "sh"];
    Peer::in_namespaces(&arguments, "waits without inotify", &fresh_name());
}

fn waits_without_inotify(name: &str) {
    assert!(rustix::fs::inotify::init(rustix::fs::inotify::CreateFlags::empty()).is_err());
    let timed_out = spsc::Ring::attach_when_there(name, Deadline::after(IN_VAIN)).unwrap_err();
    assert!(matches!(timed_out, SegmentError::Missing { .. }), "{timed_out}");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| spsc::Ring::attach_when_there(name, Deadline::after(LONG)));
        thread::sleep(IN_VAIN);
        let _ring = spsc::Ring::create(name, 1 << 12).unwrap();
        waiting.join().unwrap().unwrap();
        spsc::Ring::attach_when_there(name, Deadline::NOW).unwrap();
    });
}

#[test]
fn a_forked_child_changes_nothing_by_dropping_what_it_inherited() {
    Peer::start("forks", &[""]).finish();
}

#[test]
fn a_child_in_a_new_time_namespace_takes_no_side_of_an_inherited_ring() {
    Peer::start("forks into a time namespace", &[""]).finish();
}

fn forks_into_a_time_namespace() {
    let ring = spsc::Ring::anonymous(1 << 8).unwrap();
    // SAFETY: changes the time namespace of later children alone.
    if unsafe { libc::unshare(libc::CLONE_NEWTIME) } != 0 {
        return farend_effort::skip("only root can make namespaces");
    }
    in_child(|| assert_eq!(ring.sender().unwrap_err(), RingError::OtherRealm));
    ring.sender().unwrap();
}

/// A stopped process lives, and goes on where it was.
#[test]
fn a_peer_that_is_stopped_for_a_second_is_not_judged_dead() {
    let name = fresh_name();
    let ring = spsc::Ring::create(&name, 1 << 12).unwrap();
    let mut receiver = ring.receiver().unwrap();
    let peer = Peer::start("sends for ever", &[&name]);
    let pid = rustix::process::Pid::from_raw(i32::try_from(peer.pid()).unwrap()).unwrap();
    let mut next = 0_u64;
    let mut receive = |deadline| -> Result<(), RingError> {
        let record = receiver.receive(deadline)?;
        assert_eq!(record, next.to_le_bytes());
        next += 1;
        Ok(())
    };
    for _ in 0..100 {
        receive(Deadline::after(LONG)).unwrap();
    }
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let until = Deadline::after(Duration::from_secs(1));
    let error = loop {
        if let Err(error) = receive(until) {
            break error;
        }
    };
    assert_eq!(error, RingError::TimedOut);
    assert!(matches!(ring.sender(), Err(RingError::Taken(owner)) if owner.pid() == peer.pid()));
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    for _ in 0..100 {
        receive(Deadline::after(LONG)).unwrap();
    }
}

/// Runs `child` in a forked child; panics if that fails.
fn in_child(child: impl FnOnce()) {
    // SAFETY: the child calls what is safe to call after a fork of a process whose
    // other threads hold no locks: they sleep.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        let succeeded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).is_ok();
        // SAFETY: ends the child without destructors of the parent's.
        unsafe { libc::_exit(i32::from(!succeeded)) };
    }
    let started = Instant::now();
    let mut status = 0;
    // SAFETY: one word to write to.
    while unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) } == 0 {
        if started.elapsed() > LONG {
            // SAFETY: a child that was not waited for.
            unsafe { libc::kill(pid, libc::SIGKILL) };
            panic!("the child hangs");
        }
        thread::yield_now();
    }
    assert!(ExitStatus::from_raw(status).success());
}

fn forks() {
    let name = fresh_name();
    let options = broadcast::Options {
        capacity_messages: 4,
        message_octets_max: 16,
        subscribers_max: 2,
        slow_reader: SlowReader::Block,
    };
    let ring = broadcast::Ring::create(&name, options).unwrap();
    let mut publisher = ring.publisher().unwrap();
    let mut subscriber = ring.subscriber().unwrap();
    let line = spsc::Ring::anonymous(1 << 8).unwrap();
    let (mut sender, mut receiver) = (line.sender().unwrap(), line.receiver().unwrap());
    for number in 0..3_u8 {
        sender.send(&[number; 40], Deadline::NOW).unwrap();
        assert_eq!(receiver.receive(Deadline::NOW).unwrap(), [number; 40]);
    }
    assert!(publisher.try_send(b"kept").unwrap());
    assert_eq!(subscriber.receive_in_place(Deadline::NOW).unwrap(), b"kept");

    let mut inherited = Some((ring, subscriber, receiver, sender));
    in_child(|| {
        let (ring, subscriber, mut receiver, sender) = inherited.take().unwrap();
        let waited = receiver.receive(Deadline::after(Duration::from_millis(50)));
        assert!(matches!(waited, Err(RingError::Taken(_))), "{waited:?}");
        assert!(matches!(ring.publisher(), Err(RingError::Taken(_))));
        drop((subscriber, receiver, sender, ring));
    });
    let (ring, mut subscriber, mut receiver, mut sender) = inherited.take().unwrap();
    assert!(fs::exists(file_of(&name)).unwrap(), "the child removed the name");
    let sent = (0..20).filter(|_| publisher.try_send(b"more").unwrap()).count();
    assert_eq!(sent, 3, "the child gave messages back that the parent needs");
    assert_eq!(subscriber.release(), Ok(()));
    for number in 0..20_u8 {
        sender.send(&[number; 40], Deadline::NOW).unwrap();
        assert_eq!(receiver.receive(Deadline::NOW).unwrap(), [number; 40]);
    }
    drop((ring, subscriber, publisher));
    assert!(!fs::exists(file_of(&name)).unwrap());
}
