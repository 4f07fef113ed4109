//! `status`, `stats` and `watch`: what drivers do.

use std::{io::Write, sync::mpsc, thread};

use clap::Args;
use farend_control::{
    calls::{GetStatistics, GetStatus, Monitor, Parameters, Since, StatisticsReply},
    event::EventReply,
    status::{InterfaceStatus, State, Status},
};
use serde::Serialize;

use crate::{
    counters::text,
    drivers::{self, Which},
    error::Error,
    print,
    time::parse_seconds_ns,
};

/// What `stats` is given.
#[derive(Args, Clone, Debug)]
pub struct StatsArgs {
    /// These interfaces alone
    pub interfaces: Vec<String>,

    /// Counts since the driver's start, not since the last reset
    #[arg(long)]
    pub since_start: bool,

    /// Go on, once every --interval
    #[arg(long)]
    pub watch: bool,

    /// Seconds between two readings, 0.1 at least
    #[arg(long, value_name = "S", default_value = "1", value_parser = parse_seconds_ns,
          requires = "watch")]
    pub interval: u64,
}

/// Shows what is served, and how.
///
/// # Errors
///
/// Nobody is there, or a driver refuses.
pub fn status(which: &Which, is_json: bool, out: &mut impl Write) -> Result<(), Error> {
    for mut driver in drivers::all(which, false)? {
        let status = driver.client.call(&GetStatus {}).map_err(|error| driver.error(&error))?;
        let goes = if is_json {
            print::reply(out, &driver.name, &status)?
        } else {
            print::line(out, &status_text(&driver.name, &status))?
        };
        if !goes {
            break;
        }
    }
    Ok(())
}

/// Shows counters.
///
/// # Errors
///
/// As in [`status`].
pub fn stats(
    args: &StatsArgs,
    which: &Which,
    is_json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let interfaces = (!args.interfaces.is_empty()).then(|| args.interfaces.clone());
    let asked = GetStatistics {
        since: Some(if args.since_start { Since::Start } else { Since::Reset }),
        interfaces,
        max_age_ms: None,
        interval_ms: args.watch.then_some(args.interval / 1_000_000),
    };
    let show = |driver: &str, reply: &StatisticsReply, out: &mut dyn Write| {
        let mut out = out;
        if is_json {
            return print::reply(&mut out, driver, reply);
        }
        let page = serde_json::to_value(&reply.statistics).unwrap_or_default();
        let mut lines = Vec::new();
        // Into memory: it cannot fail.
        let _ = text::write(&mut lines, &page);
        let lines = String::from_utf8_lossy(&lines).trim_end().to_owned();
        print::line(&mut out, &format!("{driver}, epoch {}\n{lines}", reply.epoch))
    };
    if args.watch {
        return stream(&asked, which, |driver, reply| show(driver, reply, out));
    }
    for mut driver in drivers::all(which, false)? {
        let reply = driver.client.call(&asked).map_err(|error| driver.error(&error))?;
        if !show(&driver.name, &reply, out)? {
            break;
        }
    }
    Ok(())
}

/// Shows what happens, as it happens.
///
/// # Errors
///
/// As in [`status`].
pub fn watch(which: &Which, is_json: bool, out: &mut impl Write) -> Result<(), Error> {
    stream(&Monitor {}, which, |driver, event: &EventReply| {
        if is_json {
            return print::reply(out, driver, event);
        }
        let missed = if event.missed > 0 {
            format!(" ({} events missed before)", event.missed)
        } else {
            String::new()
        };
        let interface = event.interface.as_ref().map_or(String::new(), |name| format!(" {name}:"));
        print::line(
            out,
            &format!("{driver}: {}:{interface} {}{missed}", event.event, event.message),
        )
    })
}

/// Takes what streams of all drivers give, until one ends or nobody reads.
fn stream<P>(
    asked: &P,
    which: &Which,
    mut show: impl FnMut(&str, &P::Reply) -> print::Goes,
) -> Result<(), Error>
where
    P: Parameters + Clone + Send + 'static,
    P::Reply: Serialize + Send,
{
    let (sender, replies) = mpsc::sync_channel(64);
    for mut driver in drivers::all(which, true)? {
        let (sender, asked) = (sender.clone(), asked.clone());
        thread::spawn(move || {
            let name = driver.name.clone();
            let told = driver
                .client
                .stream(&asked, |reply| sender.send(Ok((name.clone(), reply))).is_ok());
            if let Err(error) = told {
                let _ = sender.send(Err(driver.error(&error)));
            }
        });
    }
    drop(sender);
    for reply in replies {
        let (name, reply) = reply?;
        if !show(&name, &reply)? {
            break;
        }
    }
    Ok(())
}

fn status_text(driver: &str, status: &Status) -> String {
    let mut lines = vec![format!(
        "{driver}: {}, {} {}, pid {}, {:.0} s, generation {}, epoch {}",
        status.state.name(),
        status.program,
        status.program_version,
        status.pid,
        status.elapsed_s,
        status.generation,
        status.epoch,
    )];
    if !status.needs_restart.is_empty() {
        lines.push(format!("  waits for a restart: {}", status.needs_restart.join(", ")));
    }
    lines.extend(status.interfaces.iter().flat_map(interface_lines));
    lines.join("\n")
}

fn interface_lines(one: &InterfaceStatus) -> Vec<String> {
    let policy = &one.policy;
    let port = policy.port.map_or("any".to_owned(), |port| port.to_string());
    let mut words = vec![format!("  {}: {}, tier={}", one.interface, one.state.name(), one.tier)];
    words.extend(policy.own_mac.as_ref().map(|mac| format!("mac={mac}")));
    words.push(format!("mode={} port={port}", policy.mode));
    if let Some(link) = &one.link {
        let state = if link.is_up { "up" } else { "down" };
        words.push(format!("link={state} mtu={}", link.mtu_octets));
    }
    if let Some(time) = one.remaining_s.filter(|_| one.state == State::Serving) {
        words.push(format!("stops-in={time:.1}s"));
    }
    let line = words.join(" ");
    let findings = one.findings.iter().map(|finding| format!("    warning: {finding}"));
    std::iter::once(line).chain(findings).collect()
}
