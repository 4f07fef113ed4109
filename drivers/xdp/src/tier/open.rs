//! Opens the tiers of this driver.

#[cfg(target_os = "linux")]
use std::{cell::RefCell, rc::Rc};

use farend_core::Policy;
use farend_driver::{
    clock, failure::Failure, observe::ObserverFactory, runtime::Target as _, tier::PolicyRefusal,
};
use farend_udp::tier as udp;

use super::{Tier, TierChoice, TierError};
#[cfg(target_os = "linux")]
use crate::plan::needs_user_space;
#[cfg(target_os = "linux")]
use crate::{
    interface::Interface,
    tier::{
        Threaded, af_packet, af_xdp,
        claim::{Claim, Claimed},
        xdp::{self, foreign},
    },
};
use crate::{plan::Plan, target::Target};
#[cfg(target_os = "linux")]
use farend_driver::{
    observe::ReportingObserver,
    privileges::{self, Capability},
    sink,
};

/// Whether a tier would open, without touching the target: privileges, the
/// kernel's verifier and who is there already have their say, the driver has
/// not.
///
/// # Errors
///
/// Why it would not.
#[cfg(target_os = "linux")]
pub(crate) fn rehearse(
    plan: &Plan,
    target: &Target,
    choice: TierChoice,
    policy: &Policy,
) -> Result<(), TierError> {
    let Target::Interface(interface) = target else {
        return udp::rehearse(&target.addresses(), policy);
    };
    match choice {
        TierChoice::Auto | TierChoice::Xdp | TierChoice::XdpGeneric | TierChoice::AfXdp => {
            if !plan.own.replace {
                is_free(interface)?;
            }
            if choice == TierChoice::Xdp {
                runs_programs(interface)?;
            }
            match choice {
                TierChoice::AfXdp => {
                    af_xdp::rehearse(policy, plan.settings.observe.refused_sample())
                }
                _ => xdp::rehearse(policy),
            }
        }
        TierChoice::AfPacket => {
            may_open_packet_socket()?;
            Claim::look(interface).map_or(Ok(()), Err)
        }
        TierChoice::Udp => udp::rehearse(&target.addresses(), policy),
    }
}

/// Whether nobody else has a program there or reflects.
#[cfg(target_os = "linux")]
fn is_free(interface: &Interface) -> Result<(), TierError> {
    if foreign::is_there(interface) {
        return Err(foreign::describe(interface));
    }
    Claim::look(interface).map_or(Ok(()), Err)
}

/// Takes the interface for a tier in the kernel, which `--replace` lets take the place
/// of another reflector's program.
#[cfg(target_os = "linux")]
fn claim(plan: &Plan, interface: &Interface) -> Result<Claim, TierError> {
    if plan.own.replace {
        return Ok(Claim::take_when_free(interface));
    }
    if foreign::is_there(interface) {
        return Err(foreign::describe(interface));
    }
    Claim::take(interface, sink::notice)
}

/// Whether a kind of interface can run XDP programs before the kernel does
/// anything else. Kinds that are not known may.
#[cfg(target_os = "linux")]
fn runs_programs(interface: &Interface) -> Result<(), TierError> {
    const WITHOUT: [&str; 10] = [
        "bridge", "vlan", "macvlan", "macvtap", "ipvlan", "dummy", "vxlan", "geneve", "ifb", "vrf",
    ];
    match WITHOUT.iter().find(|kind| interface.is_kind(kind)) {
        Some(kind) => Err(TierError::new(format!("the driver ({kind}) does not run XDP programs"))
            .with_advice("use --tier xdp-generic")),
        None => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn rehearse(
    _plan: &Plan,
    target: &Target,
    _choice: TierChoice,
    policy: &Policy,
) -> Result<(), TierError> {
    udp::rehearse(&target.addresses(), policy)
}

/// Looks for queues and CPUs that do not exist.
#[cfg(target_os = "linux")]
pub(crate) fn check_af_xdp(plan: &Plan, target: &Target) -> Result<(), Failure> {
    let Target::Interface(interface) = target else { return Ok(()) };
    if plan.own.needs_af_xdp().is_none() {
        return Ok(());
    }
    let queues = plan.own.queues.as_ref().map(|queues| queues.0.as_slice());
    let cpus = plan.own.cpus.as_ref().map(|cpus| cpus.0.as_slice());
    let checked = af_xdp::check(interface, queues, cpus);
    checked.map_err(|error| Failure::usage(error.to_string()))
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "the same function as on Linux")]
pub(crate) fn check_af_xdp(_plan: &Plan, _target: &Target) -> Result<(), Failure> {
    Ok(())
}

/// Makes the policy of one target on one tier.
///
/// # Errors
///
/// Settings that contradict one another or the tier.
pub(crate) fn policy(
    plan: &Plan,
    target: &Target,
    choice: TierChoice,
) -> Result<Policy, PolicyRefusal> {
    if choice != TierChoice::Udp {
        return frame_policy(plan, target, choice);
    }
    let settings = udp::settings(&plan.settings, target.addresses().has_loopback());
    let policy = settings.map_err(PolicyRefusal::Unfit)?.policy(None, clock::TICKS_PER_SECOND);
    policy.map_err(|error| PolicyRefusal::Contradiction(plan.contradiction(&error)))
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
pub(crate) fn unfit(plan: &Plan, target: &Target, choice: TierChoice) -> Option<TierError> {
    if let Some(reason) = unfit_for_options(plan, choice) {
        return Some(TierError::new(reason));
    }
    let Target::Interface(interface) = target else { return None };
    // Beside another reflector the lower tiers would open too, and none be right.
    let other = if plan.own.replace { None } else { Claim::look(interface) };
    other.or_else(|| match choice {
        TierChoice::Xdp => crate::doctor::deaf_veth_peer(interface).map(TierError::new),
        _ => None,
    })
}

/// Why a tier cannot do what an option asks for.
#[cfg(target_os = "linux")]
fn unfit_for_options(plan: &Plan, choice: TierChoice) -> Option<String> {
    match choice {
        TierChoice::Xdp | TierChoice::XdpGeneric => needs_user_space(&plan.own, &plan.settings)
            .map(|option| format!("{option} needs frames in user space")),
        TierChoice::AfXdp => None,
        _ => plan.own.needs_af_xdp().map(|option| format!("{option} is for AF_XDP sockets")),
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn unfit(_plan: &Plan, _target: &Target, choice: TierChoice) -> Option<TierError> {
    (choice != TierChoice::Udp).then(|| TierError::new("it needs Linux"))
}

/// Opens a tier.
///
/// # Errors
///
/// Why it does not work here, and what to do.
#[cfg(target_os = "linux")]
pub(crate) fn open(
    plan: &Plan,
    target: &Target,
    observers: &ObserverFactory,
    choice: TierChoice,
    policy: &Policy,
) -> Result<Box<dyn Tier>, TierError> {
    let Target::Interface(interface) = target else {
        return udp::open(&target.addresses(), policy);
    };
    let attach = |mode| -> Result<Box<dyn Tier>, TierError> {
        let claim = claim(plan, interface)?;
        let opened =
            xdp::Attachment::open(interface, policy, mode, plan.own.replace, sink::notice)?;
        Ok(Box::new(Claimed::new(opened, claim)))
    };
    match choice {
        TierChoice::Auto | TierChoice::Xdp => attach(xdp::Mode::Native),
        TierChoice::XdpGeneric => attach(xdp::Mode::Generic),
        TierChoice::AfXdp => open_af_xdp(plan, interface, observers, policy),
        TierChoice::AfPacket => open_af_packet(interface, observers, policy),
        TierChoice::Udp => udp::open(&target.addresses(), policy),
    }
}

/// Opens a tier.
///
/// # Errors
///
/// Why it does not work here, and what to do.
#[cfg(not(target_os = "linux"))]
pub(crate) fn open(
    _plan: &Plan,
    target: &Target,
    _observers: &ObserverFactory,
    choice: TierChoice,
    policy: &Policy,
) -> Result<Box<dyn Tier>, TierError> {
    match choice {
        TierChoice::Auto | TierChoice::Udp => udp::open(&target.addresses(), policy),
        _ => Err(TierError::new("it needs Linux").with_advice("use --tier udp")),
    }
}

/// What AF_XDP would take, in numbers.
#[cfg(target_os = "linux")]
pub(crate) fn forecast(plan: &Plan, target: &Target, choice: TierChoice) -> Vec<String> {
    let Target::Interface(interface) = target else { return Vec::new() };
    if choice != TierChoice::AfXdp {
        return Vec::new();
    }
    let queues = plan.own.queues.as_ref().map(|queues| queues.0.as_slice());
    let numbers = match af_xdp::forecast(interface, queues) {
        Ok(numbers) => numbers,
        Err(error) => error.to_string(),
    };
    std::iter::once(numbers).chain(af_xdp::memory_trouble(interface, queues)).collect()
}

#[cfg(target_os = "linux")]
fn open_af_xdp(
    plan: &Plan,
    interface: &Interface,
    observers: &ObserverFactory,
    policy: &Policy,
) -> Result<Box<dyn Tier>, TierError> {
    let missing = privileges::missing(&af_xdp::CAPABILITIES);
    if !missing.is_empty() {
        return Err(xdp::permission_error(&af_xdp::CAPABILITIES));
    }
    let claim = claim(plan, interface)?;
    let options = af_xdp::Options {
        interface,
        queues: plan.own.queues.as_ref().map(|queues| queues.0.as_slice()),
        cpus: plan.own.cpus.as_ref().map(|cpus| cpus.0.as_slice()),
        busy_poll_us: plan.own.busy_poll.map(|time| time.0),
        is_foreign_replaced: plan.own.replace,
        observers,
        notice: sink::notice,
    };
    Ok(Box::new(Claimed::new(af_xdp::AfXdp::open(&options, policy)?, claim)))
}

#[cfg(target_os = "linux")]
fn open_af_packet(
    interface: &Interface,
    observers: &ObserverFactory,
    policy: &Policy,
) -> Result<Box<dyn Tier>, TierError> {
    may_open_packet_socket()?;
    let claim = Claim::take(interface, sink::notice)?;
    if foreign::is_there(interface) {
        sink::notice(&format!(
            "an XDP program is attached to {}: only what it passes on is answered",
            interface.name
        ));
    }
    let options = af_packet::Options {
        notice: sink::notice,
        ..af_packet::Options::new(interface.index, &interface.name, interface.mtu_octets)
    };
    let worker =
        af_packet::Worker::open(&options).map_err(|error| TierError::new(error.to_string()))?;
    let mut promiscuity = worker.promiscuity().map_err(|error| not_promiscuous(&error))?;
    promiscuity
        .commit(policy.answers_any_destination())
        .map_err(|error| not_promiscuous(&error))?;
    let promiscuity = Rc::new(RefCell::new(promiscuity));
    let unshielded = |error: &dyn std::fmt::Display| {
        sink::notice(&format!(
            "the host stack sees what is answered here too, which is slower: {error}"
        ));
    };
    let attached = af_packet::Shield::attach(interface.index, policy);
    let mut shield = attached.inspect_err(|error| unshielded(error)).ok();
    let tier = match observers.observer() {
        Some(observer) => af_packet_thread(worker.observed_by(observer), policy),
        None => af_packet_thread(worker, policy),
    };
    let prepared = Rc::clone(&promiscuity);
    let tier = tier.on_prepare(move |policy| {
        let mut promiscuity = prepared.borrow_mut();
        let Some(policy) = policy else {
            promiscuity.abandon();
            return Ok(());
        };
        let is_wanted = policy.answers_any_destination();
        promiscuity.prepare(is_wanted).map_err(|error| not_promiscuous(&error))
    });
    let tier = tier.on_replace(move |policy| {
        let is_wanted = policy.answers_any_destination();
        promiscuity.borrow_mut().commit(is_wanted).map_err(|error| not_promiscuous(&error))?;
        // One that is not in step would keep frames from the host that nobody
        // answers.
        if let Some(Err(error)) = shield.as_mut().map(|shield| shield.replace(policy)) {
            unshielded(&error);
            shield = None;
        }
        Ok(())
    });
    Ok(Box::new(Claimed::new(tier, claim)))
}

#[cfg(target_os = "linux")]
fn not_promiscuous(error: &std::io::Error) -> TierError {
    TierError::new(format!("cannot take in frames to other stations: {error}"))
}

#[cfg(target_os = "linux")]
fn af_packet_thread<W: ReportingObserver + Send + 'static>(
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
