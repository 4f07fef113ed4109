//! Which settings go together.

use farend_driver::{failure::Failure, settings::Settings};

use crate::{arguments::XdpSettings, tier::TierChoice};

/// This driver's plan.
pub(crate) type Plan = farend_driver::plan::Plan<crate::platform::Xdp>;

/// Looks for contradictions between settings.
///
/// # Errors
///
/// The first of them.
pub(crate) fn check(plan: &Plan) -> Result<(), Failure> {
    if plan.targets.is_empty() && plan.own.tier != TierChoice::Udp {
        return Err(Failure::usage(
            "name an interface: farend-xdp IFACE, or interfaces = [\"IFACE\"] in the file",
        ));
    }
    check_tier(&plan.own, &plan.settings).map_err(Failure::usage)
}

/// The first option that the tiers in the kernel cannot serve.
#[cfg(any(target_os = "linux", test))]
pub(crate) fn needs_user_space(own: &XdpSettings, settings: &Settings) -> Option<&'static str> {
    own.needs_af_xdp().or_else(|| settings.needs_user_space())
}

/// What the named tier cannot do; one that is to be found is found with this
/// in mind.
fn check_tier(own: &XdpSettings, settings: &Settings) -> Result<(), String> {
    let is_af_xdp = matches!(own.tier, TierChoice::Auto | TierChoice::AfXdp);
    if let Some(option) = own.needs_af_xdp().filter(|_| !is_af_xdp) {
        return Err(format!("{option} is for AF_XDP sockets: leave it out, or give --tier af-xdp"));
    }
    let is_blind = matches!(own.tier, TierChoice::Xdp | TierChoice::XdpGeneric);
    if let Some(option) = settings.needs_user_space().filter(|_| is_blind) {
        return Err(format!("{option} needs frames in user space: give --tier af-xdp, or auto"));
    }
    match own.tier {
        TierChoice::Udp => farend_udp::tier::settings(settings, false).map(drop),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        arguments::{PROGRAM, XdpOptions},
        platform::Xdp,
    };

    fn plan(line: &str) -> Result<Plan, String> {
        let line = std::iter::once("farend-xdp").chain(line.split_whitespace());
        let line = farend_driver::arguments::parse::<XdpOptions>(&PROGRAM, line).unwrap();
        farend_driver::plan::Plan::<Xdp>::make(&line).map_err(|error| error.to_string())
    }

    #[test]
    fn no_interface_is_an_error_except_for_plain_sockets() {
        assert!(plan("").unwrap_err().contains("farend-xdp IFACE"));
        assert!(plan("--tier udp").unwrap().targets.is_empty());
    }

    #[test]
    fn interface_named_twice_is_an_error() {
        assert!(plan("a b a").unwrap_err().starts_with("a is named twice"));
    }

    #[test]
    fn replace_is_a_flag_with_a_negative() {
        assert!(plan("a --replace").unwrap().own.replace);
        assert!(!plan("a --replace --no-replace").unwrap().own.replace);
    }

    #[test]
    fn options_of_af_xdp_contradict_other_tiers() {
        for option in ["--queues 0", "--cpus 0-1", "--busy-poll", "--busy-poll=50"] {
            let error = plan(&format!("eth0 --tier xdp {option}")).unwrap_err();
            assert!(error.starts_with("--") && error.contains("--tier af-xdp"), "{error}");
            assert!(plan(&format!("eth0 {option}")).unwrap().own.needs_af_xdp().is_some());
        }
        assert_eq!(plan("eth0 --tier af-xdp").unwrap().own.needs_af_xdp(), None);
    }

    #[test]
    fn what_a_tier_cannot_look_at_is_refused_with_one_that_can() {
        for tier in ["xdp", "xdp-generic"] {
            let error = plan(&format!("eth0 --tier {tier} --residence")).unwrap_err();
            assert!(error.starts_with("--residence needs frames in user space"), "{error}");
        }
        let sample = "--sample 1 --sample-file f --sample-of";
        for of in ["reflected", "refused", "all"] {
            assert!(plan(&format!("eth0 --tier af-xdp {sample} {of}")).is_ok());
            assert!(plan(&format!("eth0 --tier xdp {sample} {of}")).is_err());
        }
        assert!(plan("--tier udp --testers 9").unwrap_err().starts_with("--testers needs"));
        assert!(plan("eth0 --sample 1").unwrap_err().contains("--sample-file"));
        let plan = plan("eth0 --residence").unwrap();
        assert_eq!(needs_user_space(&plan.own, &plan.settings), Some("--residence"));
    }

    #[test]
    fn what_needs_frames_contradicts_plain_sockets() {
        for option in
            ["--vlan 7", "--oui 00:c0:17", "--mode mac", "--port any", "--any-destination"]
        {
            let error = plan(&format!("--tier udp {option}")).unwrap_err();
            let name = option.split(' ').next().unwrap_or_default();
            assert!(error.starts_with(name) && error.contains("another tier"), "{error}");
            assert!(plan(&format!("eth0 {option}")).is_ok());
        }
    }
}
