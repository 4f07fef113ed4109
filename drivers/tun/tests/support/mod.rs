//! Both ends of a link, each in its own network namespace.

pub(crate) mod old_peer;

use std::{
    fs::{self, File},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket},
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use farend_lab::{
    Lab, Process, Wire,
    impair::{Impairment, Path},
};
use farend_linux::Rtnetlink;
use rustix::process::Signal;

pub(crate) const NEAR: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));
pub(crate) const FAR: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 2));
pub(crate) const FAR_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2));

/// Where the bad path takes datagrams.
const PATH_PORT: u16 = 9_500;

/// Whether frames are encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    Plain,
    Sealed,
}

/// Two processes; the near one begins.
pub(crate) struct Ends {
    pub(crate) lab: Lab,
    near: Option<Process>,
    far: Option<Process>,
    arguments: [Vec<String>; 2],
    folder: PathBuf,
}

/// What a process has counted.
pub(crate) struct Counted(serde_json::Value);

impl Counted {
    pub(crate) fn figure(&self, name: &str) -> u64 {
        let value = &self.0["interfaces"][0]["figures"][name];
        value.as_u64().unwrap_or_else(|| panic!("no figure {name} in {}", self.0))
    }

    pub(crate) fn loss(&self, name: &str) -> u64 {
        let value = &self.0["interfaces"][0]["losses"][name];
        value.as_u64().unwrap_or_else(|| panic!("no loss {name} in {}", self.0))
    }
}

impl Ends {
    /// Starts both and returns when packets pass.
    pub(crate) fn start(mode: Mode, options: &[&str]) -> Self {
        Self::start_by(mode, options, None).0
    }

    /// Starts both with a bad path between them.
    pub(crate) fn start_through(impairment: Impairment, options: &[&str]) -> (Self, Path) {
        let (ends, path) = Self::start_by(Mode::Sealed, options, Some(impairment));
        (ends, path.unwrap())
    }

    fn start_by(
        mode: Mode,
        options: &[&str],
        impairment: Option<Impairment>,
    ) -> (Self, Option<Path>) {
        let lab = Lab::new(Wire::default()).unwrap();
        let folder = std::env::temp_dir().join(format!(
            "farend-tun-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        let _ = fs::remove_dir_all(&folder);
        let mut sides = [Vec::new(), Vec::new()];
        match mode {
            Mode::Plain => {
                for (side, host) in sides.iter_mut().zip([&lab.far, &lab.near]) {
                    let peer = format!("{}:9443", host.ipv4);
                    side.extend(["--insecure-plaintext".to_owned(), "--connect".into(), peer]);
                }
            }
            Mode::Sealed => {
                let folders = [folder.join("near"), folder.join("far")];
                let [near, far] = [peer_id(&folders[0]), peer_id(&folders[1])];
                let port = if impairment.is_some() { PATH_PORT } else { 9_443 };
                let connect = format!("{far}@{}:{port}", lab.far.ipv4);
                sides[0].extend(["--connect".to_owned(), connect]);
                sides[1].extend(["--accept".to_owned(), near]);
                for (side, folder) in sides.iter_mut().zip(&folders) {
                    side.extend(["--keydir".to_owned(), folder.display().to_string()]);
                }
            }
        }
        for (number, side) in (1..).zip(&mut sides) {
            let addresses = format!("10.77.0.{number}/24,fd77::{number}/64");
            side.extend(
                ["--tun", "link0", "--stats", "json", "--stats-interval", "1", "--tun-ip"]
                    .map(str::to_owned),
            );
            side.push(addresses);
            side.extend(options.iter().map(|option| (*option).to_owned()));
        }
        let path = impairment.map(|impairment| {
            let [front, to] = [PATH_PORT, 9_443].map(|port| (lab.far.ipv4, port).into());
            Path::open(&lab.far.namespace, front, to, impairment).unwrap()
        });
        let mut ends = Self { lab, near: None, far: None, arguments: sides, folder };
        ends.restart(false);
        ends.restart(true);
        ends.wait_until_up(Duration::from_secs(10));
        (ends, path)
    }

    /// Starts one side, near if it is the initiator.
    pub(crate) fn restart(&mut self, is_near: bool) {
        let (host, arguments) = if is_near {
            (&self.lab.near, &self.arguments[0])
        } else {
            (&self.lab.far, &self.arguments[1])
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_farend-tun"));
        fs::create_dir_all(&self.folder).unwrap();
        let output = File::create(self.folder.join(file(is_near))).unwrap();
        command.args(arguments).stdout(output);
        let process = host.namespace.spawn(command).unwrap();
        *(if is_near { &mut self.near } else { &mut self.far }) = Some(process);
    }

    /// Kills one side, and waits until it is gone.
    pub(crate) fn kill(&mut self, is_near: bool) {
        drop(if is_near { self.near.take() } else { self.far.take() });
    }

    /// Waits until a datagram goes through the link and back.
    pub(crate) fn wait_until_up(&self, time: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < time {
            // The interfaces may not be there yet.
            let sockets = self.lab.near.namespace.run(|| UdpSocket::bind((NEAR, 0))).unwrap();
            let others = self.lab.far.namespace.run(|| UdpSocket::bind((FAR, 0))).unwrap();
            if let (Ok(from), Ok(to)) = (sockets, others) {
                to.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
                let _ = from.send_to(b"up?", to.local_addr().unwrap());
                if let Ok((_, back)) = to.recv_from(&mut [0; 8]) {
                    from.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
                    let _ = to.send_to(b"up!", back);
                    if from.recv(&mut [0; 8]).is_ok() {
                        return;
                    }
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the link is not up after {time:?}");
    }

    /// A figure of the near side, as it was told last.
    pub(crate) fn near_figure(&self, name: &str) -> u64 {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) {
            let lines = fs::read_to_string(self.folder.join(file(true))).unwrap_or_default();
            let last = lines.lines().rfind(|line| line.contains("figures"));
            if let Some(line) = last.and_then(|line| serde_json::from_str(line).ok()) {
                return Counted(line).figure(name);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("no statistics");
    }

    /// Gives the near host another address in place of its own.
    pub(crate) fn move_near(&self, to: Ipv4Addr) {
        let near = &self.lab.near;
        let moved = near.namespace.run(|| {
            let mut rtnetlink = Rtnetlink::open()?;
            rtnetlink.delete_address(near.interface_index, near.ipv4.into(), 24)?;
            rtnetlink.add_address(near.interface_index, to.into(), 24)
        });
        moved.unwrap().unwrap();
    }

    /// The last statistics of both, for a failure's message.
    pub(crate) fn told(&self) -> String {
        std::thread::sleep(Duration::from_secs(2));
        let last = |is_near| {
            let lines = fs::read_to_string(self.folder.join(file(is_near))).unwrap_or_default();
            lines.lines().last().unwrap_or_default().to_owned()
        };
        format!("near: {}; far: {}", last(true), last(false))
    }

    /// Stops both; gives what near and far have counted.
    pub(crate) fn stop(mut self) -> [Counted; 2] {
        let processes = [(self.near.take(), true), (self.far.take(), false)];
        processes.map(|(process, is_near)| {
            let mut process = process.unwrap();
            process.signal(Signal::TERM).unwrap();
            assert!(process.wait_for(Duration::from_secs(5)).unwrap().success());
            let lines = fs::read_to_string(self.folder.join(file(is_near))).unwrap();
            Counted(serde_json::from_str(lines.lines().last().unwrap()).unwrap())
        })
    }
}

/// Where a side's statistics go.
fn file(is_near: bool) -> &'static str {
    if is_near { "near.json" } else { "far.json" }
}

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The interfaces of this network namespace.
pub(crate) fn interfaces() -> Vec<String> {
    let mut rtnetlink = Rtnetlink::open().unwrap();
    rtnetlink.all().unwrap().into_iter().map(|interface| interface.name).collect()
}

/// Makes a key; gives its name.
fn peer_id(folder: &PathBuf) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_farend-tun"));
    let made = command.args(["keys", "--keydir"]).arg(folder).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}
