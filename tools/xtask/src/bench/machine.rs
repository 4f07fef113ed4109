//! The machine during a run: its kind of CPU, whether others used it, and one
//! CPU for us.

use std::fs;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Load of others, in runnable tasks, from which on the machine is busy.
const LOAD_MAX: f64 = 0.7;
/// Percent of the CPU time that the host took away, from which on it matters.
const STEAL_PERCENT_MAX: f64 = 1.0;

/// A kind of CPU, as `/proc/cpuinfo` names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cpu {
    /// Its kind, fit for a file's name: vendor, family, model.
    pub(crate) kind: String,
    /// Its name for people.
    pub(crate) model: String,
}

impl Cpu {
    /// The CPU of this machine; its architecture alone where the kernel does
    /// not tell more.
    pub(crate) fn of_this_machine() -> Self {
        Self::parse(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        let field = |name: &str| {
            let line = text.lines().find(|line| {
                line.split_once(':').is_some_and(|(field, _)| field.trim_end() == name)
            });
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim())
        };
        let parts = [
            field("vendor_id").or(field("CPU implementer")).unwrap_or(std::env::consts::ARCH),
            field("cpu family").or(field("CPU architecture")).unwrap_or("unknown"),
            field("model").or(field("CPU part")).unwrap_or("unknown"),
        ];
        let kind = parts.join("-").to_lowercase().replace(|c: char| !c.is_alphanumeric(), "-");
        let model = field("model name").unwrap_or(std::env::consts::ARCH).to_owned();
        Self { kind, model }
    }
}

/// What the machine was like at the start.
#[derive(Debug)]
pub(crate) struct Machine {
    load: Option<f64>,
    times: Option<Times>,
}

#[derive(Clone, Copy, Debug)]
struct Times {
    all: f64,
    stolen: f64,
}

impl Machine {
    /// Looks before the run.
    pub(crate) fn look() -> Self {
        Self { load: load(), times: Times::read() }
    }

    /// Runnable tasks of the last minute, before the run and now.
    pub(crate) fn loads(&self) -> [Option<f64>; 2] {
        [self.load, load()]
    }

    /// How busy it was, in words.
    pub(crate) fn describe(&self) -> String {
        let load = |load: Option<f64>| load.map_or("?".to_owned(), |load| format!("{load:.2}"));
        let cpus = std::thread::available_parallelism().map_or(0, usize::from);
        format!("load {} before, {} after; {cpus} CPUs", load(self.load), load(self::load()))
    }

    /// What must be known of a run that ends now.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        // At the end the load is our own; only the start tells of others.
        if let Some(load) = self.load
            && load > LOAD_MAX
        {
            warnings.push(format!(
                "the machine was busy at the start, load {load:.2}; times and rates are too low"
            ));
        }
        if let (Some(before), Some(after)) = (self.times, Times::read()) {
            let stolen = 100.0 * (after.stolen - before.stolen) / (after.all - before.all).max(1.0);
            if stolen > STEAL_PERCENT_MAX {
                warnings.push(format!("the host took {stolen:.1} % of the CPU time away"));
            }
        }
        warnings
    }
}

/// Load average of the last minute, man 5 proc.
fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

impl Times {
    /// The first line of /proc/stat: user, nice, system, idle, iowait, irq,
    /// softirq, steal; man 5 proc.
    fn read() -> Option<Self> {
        let text = fs::read_to_string("/proc/stat").ok()?;
        let fields: Vec<f64> = text
            .lines()
            .next()?
            .split_whitespace()
            .skip(1)
            .take(8)
            .filter_map(|field| field.parse().ok())
            .collect();
        Some(Self { all: fields.iter().sum(), stolen: *fields.get(7)? })
    }
}

/// Keeps the calling thread on one CPU until dropped.
#[derive(Debug)]
pub(crate) struct Pinned {
    before: Option<CpuSet>,
}

impl Pinned {
    /// Pins to the last CPU that is allowed: the first one serves interrupts.
    pub(crate) fn to_last_cpu() -> Self {
        let before = sched_getaffinity(None).ok();
        if let Some(allowed) = before
            && let Some(last) = (0..CpuSet::MAX_CPU).rev().find(|&cpu| allowed.is_set(cpu))
        {
            let mut one = CpuSet::new();
            one.set(last);
            let _best_effort = sched_setaffinity(None, &one);
        }
        Self { before }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _best_effort = sched_setaffinity(None, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_kind_is_vendor_family_and_model() {
        let text = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\n\
            model\t\t: 17\nmodel name\t: AMD EPYC 9R14\n\n";
        let cpu = Cpu::parse(text);
        assert_eq!(cpu.kind, "authenticamd-25-17");
        assert_eq!(cpu.model, "AMD EPYC 9R14");
        let unknown = Cpu::parse("");
        assert!(unknown.kind.ends_with("-unknown-unknown"), "{unknown:?}");
    }
}
