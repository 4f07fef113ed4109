//! Runs the tester as a user would, and reads what it prints.

use std::process::Output;

use serde_json::Value;

/// The built program.
pub(crate) const TESTER: &str = env!("CARGO_BIN_EXE_farend-tester");

/// What one command gave.
#[derive(Debug)]
pub(crate) struct Probed {
    /// The `run` records.
    pub(crate) runs: Vec<Value>,
    /// The `summary` record.
    pub(crate) summary: Value,
    /// The exit code.
    pub(crate) code: Option<i32>,
    /// Everything on stderr.
    pub(crate) stderr: String,
}

impl Probed {
    /// A number of the first run.
    pub(crate) fn count(&self, name: &str) -> u64 {
        number(&self.runs[0], name)
    }
}

/// A number of a record; a path into it is written with dots.
pub(crate) fn number(record: &Value, name: &str) -> u64 {
    let value = name.split('.').fold(record, |value, key| &value[key]);
    value.as_u64().unwrap_or_else(|| panic!("{name} is {value} in {record}"))
}

/// Reads what a command printed, and checks what holds for every one.
pub(crate) fn read(output: Output) -> Probed {
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert!(!stderr.contains("panicked"), "{stderr}");
    let stdout = String::from_utf8(output.stdout).expect("text");
    let mut records: Vec<Value> = stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let summary = records.pop().unwrap_or(Value::Null);
    for run in &records {
        assert_eq!((&run["schema"], number(run, "version")), (&"farend.probe".into(), 1));
        assert_eq!(run["event"], "run");
        assert!(number(run, "time_unix_ms") > 1_700_000_000_000);
        let lost = number(run, "lost");
        assert_eq!(lost, number(run, "sent") - number(run, "received"));
        let causes = run["loss_causes"].as_object().expect("causes");
        assert_eq!(causes.values().filter_map(Value::as_u64).sum::<u64>(), lost);
    }
    Probed { runs: records, summary, code: output.status.code(), stderr }
}
