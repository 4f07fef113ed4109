//! Plain sockets as a tier of a driver.

use farend_core::{Mode, Policy};
use farend_driver::{
    settings::Settings,
    sink,
    threaded::Threaded,
    tier::{Tier, TierError},
    values::{Port, SourceOui, mode_name},
};

use crate::{Addresses, OpenError, Options, Worker};

/// The name of the tier.
pub const NAME: &str = "udp";

/// Opens sockets, and makes a tier of them.
///
/// # Errors
///
/// Why they are not to be had, and what to do.
pub fn open(addresses: &Addresses, policy: &Policy) -> Result<Box<dyn Tier>, TierError> {
    let mut worker = open_worker(addresses, policy)?;
    let (mover, committed) = (worker.mover(), worker.mover());
    let addresses = addresses.clone();
    let tier = Threaded::new(NAME, policy, move |policy, stop, statistics| {
        worker.run(policy, stop, statistics)
    });
    let tier = tier.on_prepare(move |policy| {
        let Some(policy) = policy else {
            mover.abandon();
            return Ok(());
        };
        let addresses = addresses.now().map_err(TierError::new)?;
        mover.prepare(&addresses, policy.port()).map_err(error)
    });
    Ok(Box::new(tier.on_replace(move |_| {
        committed.commit();
        Ok(())
    })))
}

/// Opens sockets and lets go of them: whether they are to be had.
///
/// # Errors
///
/// As in [`open`].
pub fn rehearse(addresses: &Addresses, policy: &Policy) -> Result<(), TierError> {
    open_worker(addresses, policy).map(drop)
}

fn open_worker(addresses: &Addresses, policy: &Policy) -> Result<Worker, TierError> {
    let mut options = Options::new(policy.port());
    options.addresses = addresses.now().map_err(TierError::new)?;
    options.notice = sink::notice;
    Worker::open(&options).map_err(error)
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn error(error: OpenError) -> TierError {
    TierError::new(error.to_string())
}

/// Options that need whole frames ([`settings`] refuses them), and those that say more of
/// one that does.
pub(crate) const REFUSED: &[&str] = &[
    "oui",
    "tester-oui",
    "vlan",
    "any-destination",
    "mode",
    "sample",
    "sample-file",
    "sample-of",
    "sample-octets",
    "sample-answers",
    "tap",
    "tap-sample",
    "testers",
    "residence",
];

/// The settings for plain sockets, which see neither MAC addresses nor tags.
///
/// On loopback addresses the loopback guard is off: it is there for frames
/// that claim such an address on a wire, and the kernel drops those itself.
///
/// # Errors
///
/// Names the setting that needs frames.
pub fn settings(settings: &Settings, has_loopback: bool) -> Result<Settings, String> {
    let looks = settings.needs_user_space();
    let needs_frames = [
        (looks.is_some(), looks.unwrap_or_default().to_owned()),
        (settings.port == Port::Any, "--port any".to_owned()),
        (settings.oui != SourceOui::Any, format!("--oui {}", settings.oui)),
        (!settings.tester_ouis.is_empty(), "--tester-oui".to_owned()),
        (!settings.vlans.is_empty(), "--vlan".to_owned()),
        (settings.any_destination, "--any-destination".to_owned()),
        (settings.mode != Mode::All, format!("--mode {}", mode_name(settings.mode))),
    ];
    if let Some((_, option)) = needs_frames.into_iter().find(|(is_given, _)| *is_given) {
        return Err(format!(
            "{option} needs whole frames, and a UDP socket has none: \
             leave it out, or use another tier"
        ));
    }
    // No MAC address is ever compared.
    let mut settings = Settings { any_destination: true, ..settings.clone() };
    if has_loopback && let Ok(guard) = "loopback".parse() {
        settings.disabled_guards.push(guard);
    }
    Ok(settings)
}
