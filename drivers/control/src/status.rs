//! What is served, and how.

use crate::{
    event::Finding,
    idl::{message, names},
};

names! {
    /// What an interface, or the driver, does.
    pub enum State {
        /// Answers; of a driver: on all interfaces.
        Serving = "serving",
        /// Answers on some interfaces.
        Partly = "partly",
        /// Was stopped, and can be started.
        Stopped = "stopped",
        /// Is gone for good.
        Ended = "ended",
    }
}

message! {
    /// The state of a driver.
    pub struct Status {
        /// What it does.
        pub state: State,
        /// Version of this interface.
        pub api: u64,
        /// Name of the program.
        pub program: String,
        /// Its version.
        pub program_version: String,
        /// Its process.
        pub pid: u32,
        /// Since it began to answer, in seconds.
        pub elapsed_s: f64,
        /// Each interface, in the order in which they were given.
        pub interfaces: Vec<InterfaceStatus>,
        /// Capabilities still held, by name; null where the system has none.
        pub capabilities: Option<Vec<String>>,
        /// Of the configuration.
        pub generation: u64,
        /// Of the statistics.
        pub epoch: u64,
        /// Keys of the file whose new values wait for a restart.
        pub needs_restart: Vec<String>,
        /// Connections to this socket.
        pub connections: u64,
        /// Connections and requests that were refused.
        pub refused: u64,
    }

    /// One interface, or addresses of one name.
    pub struct InterfaceStatus {
        /// Its name at the start.
        pub interface: String,
        /// What it does.
        pub state: State,
        /// The tier that answers, or did last.
        pub tier: String,
        /// What it answers.
        pub policy: PolicyStatus,
        /// The interface itself; null where addresses are served.
        pub link: Option<Link>,
        /// Until it stops by itself; null where it does not.
        pub remaining_s: Option<f64>,
        /// What would make a test fail.
        pub findings: Vec<Finding>,
    }

    /// What is answered.
    #[derive(Eq)]
    pub struct PolicyStatus {
        /// Own MAC address; null where there is none.
        pub own_mac: Option<String>,
        /// What is exchanged: mac, mac-ip or all.
        pub mode: String,
        /// UDP port; null for any.
        pub port: Option<u16>,
        /// OUI of sources; null for any.
        pub source_oui: Option<String>,
        /// Built-in signatures.
        pub signatures: Vec<String>,
        /// Guards that are on.
        pub guards: Vec<String>,
    }

    /// An interface of the system.
    #[derive(Eq)]
    pub struct Link {
        /// Whether frames can pass.
        pub is_up: bool,
        /// The longest packet, in octets.
        pub mtu_octets: u64,
    }

    /// A better tier that does not work here.
    #[derive(Eq)]
    pub struct Skipped {
        /// Which.
        pub tier: String,
        /// Why.
        pub reason: String,
    }
}
