//! `start`, `stop`, `reset` and `call`.

use std::io::Write;

use clap::Args;
use farend_control::{
    calls::{GetStatus, ResetStatistics, Start, Stop},
    json,
    statistics::StatisticsLine,
};
use serde_json::Value;

use crate::{
    drivers::{self, Driver, Which},
    error::Error,
    print,
    time::parse_seconds_ns,
};

/// What `start` is given.
#[derive(Args, Clone, Debug)]
pub struct StartArgs {
    /// The interface; all of the driver, if none is named
    pub interface: Option<String>,

    /// Stop by itself after so many seconds
    #[arg(long = "for", value_name = "S", value_parser = parse_seconds_ns)]
    pub time: Option<u64>,
}

/// What `call` is given.
#[derive(Args, Clone, Debug)]
pub struct CallArgs {
    /// The method, as in docs/control.md; with its interface, if that is another
    pub method: String,

    /// Its parameters
    #[arg(default_value = "{}")]
    pub parameters: String,

    /// Ask for a stream, and print each reply
    #[arg(long)]
    pub more: bool,
}

/// Starts answering again.
///
/// # Errors
///
/// Nobody is there, or the driver refuses.
pub fn start(
    args: &StartArgs,
    which: &Which,
    is_json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let mut driver = drivers::one(which)?;
    let interfaces = if let Some(name) = &args.interface {
        vec![name.clone()]
    } else {
        let status = driver.client.call(&GetStatus {}).map_err(|error| driver.error(&error))?;
        status.interfaces.into_iter().map(|one| one.interface).collect()
    };
    #[expect(clippy::cast_precision_loss, reason = "seconds, to be rounded anyway")]
    let for_s = args.time.map(|ns| ns as f64 / 1e9);
    for interface in interfaces {
        let asked = Start { interface: interface.clone(), for_s };
        let started = driver.client.call(&asked).map_err(|error| driver.error(&error))?;
        if is_json {
            print::reply(out, &driver.name, &started)?;
            continue;
        }
        for skipped in &started.skipped {
            print::line(
                out,
                &format!("tier {} skipped on {interface}: {}", skipped.tier, skipped.reason),
            )?;
        }
        print::line(out, &format!("{interface}: started, tier={}", started.tier))?;
    }
    Ok(())
}

/// Stops answering.
///
/// # Errors
///
/// As in [`start`].
pub fn stop(
    interface: Option<&String>,
    which: &Which,
    is_json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let mut driver = drivers::one(which)?;
    let asked = Stop { interface: interface.cloned() };
    let stopped = driver.client.call(&asked).map_err(|error| driver.error(&error))?;
    if is_json {
        return print::reply(out, &driver.name, &stopped).map(drop);
    }
    counted(&driver, "stopped", &stopped.r#final, out)
}

/// Begins an epoch of statistics.
///
/// # Errors
///
/// As in [`start`].
pub fn reset(
    interfaces: &[String],
    which: &Which,
    is_json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let mut driver = drivers::one(which)?;
    let interfaces = (!interfaces.is_empty()).then(|| interfaces.to_vec());
    let asked = ResetStatistics { interfaces };
    let reset = driver.client.call(&asked).map_err(|error| driver.error(&error))?;
    if is_json {
        return print::reply(out, &driver.name, &reset).map(drop);
    }
    counted(&driver, &format!("epoch {} begins", reset.epoch), &reset.r#final, out)
}

fn counted(
    driver: &Driver,
    what: &str,
    line: &StatisticsLine,
    out: &mut impl Write,
) -> Result<(), Error> {
    for one in &line.body.interfaces {
        let frames = one.frames;
        let text = format!(
            "{}: {what}; {}: {} reflected, {} passed, {} dropped, {} malformed, {} lost",
            driver.name,
            one.interface,
            frames.reflected,
            frames.passed,
            frames.dropped,
            frames.malformed,
            one.lost
        );
        print::line(out, &text)?;
    }
    Ok(())
}

/// Makes any call, and prints its reply as JSON.
///
/// # Errors
///
/// As in [`start`]; [`Error::Usage`] for parameters that are none.
pub fn call(args: &CallArgs, which: &Which, out: &mut impl Write) -> Result<(), Error> {
    let method = if args.method.contains('.') {
        args.method.clone()
    } else {
        format!("{}.{}", farend_control::INTERFACE, args.method)
    };
    let parameters = match json::parse(args.parameters.as_bytes()) {
        Ok(Value::Object(parameters)) => parameters,
        Ok(_) => return Err(Error::usage("parameters are an object: {\"interface\":\"eth1\"}")),
        Err(reason) => return Err(Error::usage(format!("parameters: {reason}"))),
    };
    if args.more {
        let mut driver = drivers::one_stream(which)?;
        let mut failed = None;
        let told = driver.client.raw_stream(&method, parameters, |reply| {
            Ok(print::line(out, &Value::Object(reply).to_string()).unwrap_or_else(|error| {
                failed = Some(error);
                false
            }))
        });
        return match (failed, told) {
            (Some(error), _) => Err(error),
            (None, told) => told.map_err(|error| driver.error(&error)),
        };
    }
    let mut driver = drivers::one(which)?;
    let reply = driver.client.raw(&method, parameters).map_err(|error| driver.error(&error))?;
    print::line(out, &Value::Object(reply).to_string()).map(drop)
}
