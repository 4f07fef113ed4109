//! Chooses the tier and opens it.

use farend_core::Policy;
use farend_driver::{clock, console::say, observe::Watchers};

use super::{Threaded, Tier, TierChoice, TierError};
use crate::{
    failure::Failure,
    plan::{Plan, udp_settings},
    target::Target,
};
#[cfg(target_os = "linux")]
use crate::{
    interface::Interface,
    tier::{af_packet, af_xdp, xdp},
};
#[cfg(target_os = "linux")]
use farend_driver::{
    observe::Watch,
    privileges::{self, Capability},
    settings::Settings,
};

/// The order in which `auto` tries.
const LADDER: [TierChoice; 5] = [
    TierChoice::Xdp,
    TierChoice::XdpGeneric,
    TierChoice::AfXdp,
    TierChoice::AfPacket,
    TierChoice::Udp,
];

/// An open tier and what it was opened with.
pub struct Opened {
    /// Which one it is.
    pub choice: TierChoice,
    /// What it answers.
    pub policy: Policy,
    /// The tier itself.
    pub tier: Box<dyn Tier>,
}

/// Opens the tier that the plan names, or the best that works; tells `skipped`
/// of each better one why it does not.
///
/// # Errors
///
/// A contradiction between settings, or why no tier works.
pub fn open(
    plan: &Plan,
    target: &Target,
    watchers: &Watchers,
    mut skipped: impl FnMut(TierChoice, &TierError),
) -> Result<Opened, Failure> {
    let about = |error: &dyn std::fmt::Display| format!("{}: {error}", target.name());
    if plan.tier != TierChoice::Auto {
        let policy = policy(plan, target, plan.tier)?;
        return match open_one(plan, target, watchers, plan.tier, &policy) {
            Ok(tier) => Ok(Opened { choice: plan.tier, policy, tier }),
            Err(error) => Err(Failure::run_time(about(&error))),
        };
    }
    for choice in LADDER {
        let attempt = unfit(plan, target, choice).map_or_else(
            || {
                let policy = policy(plan, target, choice)?;
                let tier =
                    open_one(plan, target, watchers, choice, &policy).map_err(Refusal::Tier)?;
                Ok(Opened { choice, policy, tier })
            },
            |error| Err(Refusal::Tier(error)),
        );
        match attempt {
            Ok(opened) => return Ok(opened),
            Err(Refusal::Tier(error)) => skipped(choice, &error),
            Err(Refusal::Plan(failure)) => return Err(failure),
        }
    }
    Err(Failure::run_time(about(&"no tier works here; the lines above say why")))
}

/// Finds the tier that would be opened, without touching the target: privileges
/// and the kernel's verifier have their say, the driver has not.
///
/// # Errors
///
/// As in [`open`].
pub fn rehearse(
    plan: &Plan,
    target: &Target,
    mut skipped: impl FnMut(TierChoice, &TierError),
) -> Result<TierChoice, Failure> {
    if plan.tier != TierChoice::Auto {
        let policy = policy(plan, target, plan.tier)?;
        return match rehearse_one(plan, target, plan.tier, &policy) {
            Ok(()) => Ok(plan.tier),
            Err(error) => Err(Failure::run_time(format!("{}: {error}", target.name()))),
        };
    }
    for choice in LADDER {
        let outcome = match policy(plan, target, choice) {
            Ok(policy) => rehearse_one(plan, target, choice, &policy),
            Err(PolicyRefusal::Unfit(message)) => Err(TierError::new(message)),
            Err(PolicyRefusal::Contradiction(failure)) => return Err(failure),
        };
        match unfit(plan, target, choice).map_or(outcome, Err) {
            Ok(()) => return Ok(choice),
            Err(error) => skipped(choice, &error),
        }
    }
    Err(Failure::run_time(format!("{}: no tier works here", target.name())))
}

#[cfg(target_os = "linux")]
fn rehearse_one(
    plan: &Plan,
    target: &Target,
    choice: TierChoice,
    policy: &Policy,
) -> Result<(), TierError> {
    match (target, choice) {
        (Target::Interface(_), TierChoice::Xdp | TierChoice::XdpGeneric) => xdp::rehearse(policy),
        (Target::Interface(_), TierChoice::AfXdp) => {
            af_xdp::rehearse(policy, plan.settings.observe.refused_sample())
        }
        (Target::Interface(_), TierChoice::AfPacket) => may_open_packet_socket(),
        _ => target.addresses().map(drop).map_err(TierError::new),
    }
}

#[cfg(not(target_os = "linux"))]
fn rehearse_one(
    _plan: &Plan,
    target: &Target,
    _choice: TierChoice,
    _policy: &Policy,
) -> Result<(), TierError> {
    target.addresses().map(drop).map_err(TierError::new)
}

/// Looks for contradictions before anything is opened.
///
/// # Errors
///
/// As in [`policy`]; but where the tier is to be found, one that does not fit
/// is no error.
pub fn check_policy(plan: &Plan, target: &Target) -> Result<(), Failure> {
    check_af_xdp(plan, target)?;
    match policy(plan, target, plan.tier) {
        Err(PolicyRefusal::Unfit(_)) if plan.tier == TierChoice::Auto => Ok(()),
        outcome => Ok(outcome.map(drop)?),
    }
}

/// Looks for queues and CPUs that do not exist.
#[cfg(target_os = "linux")]
fn check_af_xdp(plan: &Plan, target: &Target) -> Result<(), Failure> {
    let Target::Interface(interface) = target else { return Ok(()) };
    if plan.needs_af_xdp().is_none() {
        return Ok(());
    }
    let queues = plan.af_xdp.queues.as_ref().map(|queues| queues.0.as_slice());
    let cpus = plan.af_xdp.cpus.as_ref().map(|cpus| cpus.0.as_slice());
    let checked = af_xdp::check(interface, queues, cpus);
    checked.map_err(|error| Failure::usage(error.to_string()))
}

#[cfg(not(target_os = "linux"))]
fn check_af_xdp(_plan: &Plan, _target: &Target) -> Result<(), Failure> {
    Ok(())
}

/// Why one rung of the ladder does not hold.
enum Refusal {
    /// The next may.
    Tier(TierError),
    /// No other would.
    Plan(Failure),
}

impl From<PolicyRefusal> for Refusal {
    fn from(refusal: PolicyRefusal) -> Self {
        match refusal {
            PolicyRefusal::Unfit(message) => Self::Tier(TierError::new(message)),
            PolicyRefusal::Contradiction(failure) => Self::Plan(failure),
        }
    }
}

/// Why there is no policy for a tier.
#[derive(Debug)]
pub enum PolicyRefusal {
    /// The tier does not go with the settings or with the target; another may.
    Unfit(String),
    /// Settings contradict one another.
    Contradiction(Failure),
}

impl From<PolicyRefusal> for Failure {
    fn from(refusal: PolicyRefusal) -> Self {
        match refusal {
            PolicyRefusal::Unfit(message) => Self::usage(message),
            PolicyRefusal::Contradiction(failure) => failure,
        }
    }
}

/// Makes the policy of one target on one tier.
///
/// # Errors
///
/// Settings that contradict one another or the tier.
pub fn policy(plan: &Plan, target: &Target, choice: TierChoice) -> Result<Policy, PolicyRefusal> {
    let contradiction = |error| PolicyRefusal::Contradiction(plan.contradiction(&error));
    if choice == TierChoice::Udp {
        let addresses = target.addresses().unwrap_or_default();
        let has_loopback =
            addresses.is_empty() || addresses.iter().any(std::net::IpAddr::is_loopback);
        let settings = udp_settings(&plan.settings, has_loopback).map_err(PolicyRefusal::Unfit)?;
        return settings.policy(None, clock::TICKS_PER_SECOND).map_err(contradiction);
    }
    frame_policy(plan, target, choice)
}

#[cfg(target_os = "linux")]
fn frame_policy(plan: &Plan, target: &Target, choice: TierChoice) -> Result<Policy, PolicyRefusal> {
    let Target::Interface(interface) = target else { return Err(only_udp(target)) };
    let Some(mac) = interface.mac.filter(|mac| mac.0 != [0; 6]) else {
        return Err(only_udp(target));
    };
    let ticks_per_second = match choice {
        TierChoice::AfXdp | TierChoice::AfPacket => clock::TICKS_PER_SECOND,
        _ => xdp::ticks_per_second(),
    };
    let policy = plan.settings.policy(Some(mac), ticks_per_second);
    policy.map_err(|error| PolicyRefusal::Contradiction(plan.contradiction(&error)))
}

#[cfg(not(target_os = "linux"))]
fn frame_policy(
    _plan: &Plan,
    target: &Target,
    _choice: TierChoice,
) -> Result<Policy, PolicyRefusal> {
    Err(only_udp(target))
}

fn only_udp(target: &Target) -> PolicyRefusal {
    let name = target.name();
    PolicyRefusal::Unfit(format!("{name} is no Ethernet interface: --tier udp alone serves it"))
}

/// Why a tier that would open is still not to be chosen by itself.
#[cfg(target_os = "linux")]
fn unfit(plan: &Plan, target: &Target, choice: TierChoice) -> Option<TierError> {
    if let Some(reason) = unfit_for_options(plan, choice) {
        return Some(TierError::new(reason));
    }
    match (target, choice) {
        (Target::Interface(interface), TierChoice::Xdp) => {
            crate::doctor::deaf_veth_peer(interface).map(TierError::new)
        }
        _ => None,
    }
}

/// Why a tier cannot do what an option asks for.
#[cfg(target_os = "linux")]
fn unfit_for_options(plan: &Plan, choice: TierChoice) -> Option<String> {
    match choice {
        TierChoice::Xdp | TierChoice::XdpGeneric => {
            plan.needs_user_space().map(|option| format!("{option} needs frames in user space"))
        }
        TierChoice::AfXdp => None,
        _ => plan.needs_af_xdp().map(|option| format!("{option} is for AF_XDP sockets")),
    }
}

#[cfg(not(target_os = "linux"))]
fn unfit(_plan: &Plan, _target: &Target, choice: TierChoice) -> Option<TierError> {
    (choice != TierChoice::Udp).then(|| TierError::new("it needs Linux"))
}

#[cfg(target_os = "linux")]
fn open_one(
    plan: &Plan,
    target: &Target,
    watchers: &Watchers,
    choice: TierChoice,
    policy: &Policy,
) -> Result<Box<dyn Tier>, TierError> {
    let Target::Interface(interface) = target else { return open_udp(target, policy) };
    let attach = |mode| -> Result<Box<dyn Tier>, TierError> {
        let is_foreign_replaced = plan.is_foreign_replaced;
        let opened = xdp::Attachment::open(interface, policy, mode, is_foreign_replaced, notice)?;
        Ok(Box::new(opened))
    };
    match choice {
        TierChoice::Auto | TierChoice::Xdp => attach(xdp::Mode::Native),
        TierChoice::XdpGeneric => attach(xdp::Mode::Generic),
        TierChoice::AfXdp => open_af_xdp(plan, interface, watchers, policy),
        TierChoice::AfPacket => open_af_packet(interface, &plan.settings, watchers, policy),
        TierChoice::Udp => open_udp(target, policy),
    }
}

#[cfg(not(target_os = "linux"))]
fn open_one(
    _plan: &Plan,
    target: &Target,
    choice: TierChoice,
    policy: &Policy,
) -> Result<Box<dyn Tier>, TierError> {
    match choice {
        TierChoice::Auto | TierChoice::Udp => open_udp(target, policy),
        _ => Err(TierError::new("it needs Linux").with_advice("use --tier udp")),
    }
}

fn open_udp(target: &Target, policy: &Policy) -> Result<Box<dyn Tier>, TierError> {
    let mut options = farend_udp::Options::new(policy.port());
    options.addresses = target.addresses().map_err(TierError::new)?;
    options.notice = notice;
    let mut worker =
        farend_udp::Worker::open(&options).map_err(|error| TierError::new(error.to_string()))?;
    Ok(Box::new(Threaded::new("udp", policy, move |policy, stop, statistics| {
        worker.run(policy, stop, statistics)
    })))
}

#[cfg(target_os = "linux")]
fn open_af_xdp(
    plan: &Plan,
    interface: &Interface,
    watchers: &Watchers,
    policy: &Policy,
) -> Result<Box<dyn Tier>, TierError> {
    let missing = privileges::missing(&af_xdp::CAPABILITIES);
    if !missing.is_empty() {
        return Err(xdp::permission_error(&af_xdp::CAPABILITIES));
    }
    let options = af_xdp::Options {
        interface,
        queues: plan.af_xdp.queues.as_ref().map(|queues| queues.0.as_slice()),
        cpus: plan.af_xdp.cpus.as_ref().map(|cpus| cpus.0.as_slice()),
        busy_poll_us: plan.af_xdp.busy_poll.map(|time| time.0),
        is_foreign_replaced: plan.is_foreign_replaced,
        watchers,
        notice,
    };
    Ok(Box::new(af_xdp::AfXdp::open(&options, policy)?))
}

#[cfg(target_os = "linux")]
fn open_af_packet(
    interface: &Interface,
    settings: &Settings,
    watchers: &Watchers,
    policy: &Policy,
) -> Result<Box<dyn Tier>, TierError> {
    may_open_packet_socket()?;
    let options = af_packet::Options {
        is_promiscuous: settings.any_destination,
        notice,
        ..af_packet::Options::new(interface.index, &interface.name, interface.mtu_octets)
    };
    let worker =
        af_packet::Worker::open(&options).map_err(|error| TierError::new(error.to_string()))?;
    let unshielded = |error: &dyn std::fmt::Display| {
        notice(&format!("the host stack sees what is answered here too, which is slower: {error}"));
    };
    let attached = af_packet::Shield::attach(interface.index, policy);
    let mut shield = attached.inspect_err(|error| unshielded(error)).ok();
    let tier = match watchers.watcher() {
        Some(watcher) => af_packet_thread(worker.watched_by(watcher), policy),
        None => af_packet_thread(worker, policy),
    };
    Ok(Box::new(tier.on_replace(move |policy| {
        // One that is not in step would keep frames from the host that nobody
        // answers.
        if let Some(Err(error)) = shield.as_mut().map(|shield| shield.replace(policy)) {
            unshielded(&error);
            shield = None;
        }
        Ok(())
    })))
}

#[cfg(target_os = "linux")]
fn af_packet_thread<W: Watch + Send + 'static>(
    mut worker: af_packet::Worker<W>,
    policy: &Policy,
) -> Threaded {
    Threaded::new("af-packet", policy, move |policy, stop, statistics| {
        worker.run(policy, stop, statistics)
    })
}

/// Whether a packet socket is to be had. Without the capabilities of its
/// shield it works too, slower.
#[cfg(target_os = "linux")]
fn may_open_packet_socket() -> Result<(), TierError> {
    if Capability::NET_RAW.is_held() {
        return Ok(());
    }
    let wanted = [&[Capability::NET_RAW], &xdp::CAPABILITIES[..]].concat();
    Err(TierError::new("no permission: CAP_NET_RAW missing")
        .with_advice(privileges::advice(&wanted)))
}

/// Where workers say what a person should know.
pub(crate) fn notice(line: &str) {
    say(format!("notice: {line}"));
}
