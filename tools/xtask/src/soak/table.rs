//! What the stages found.

use std::time::Duration;

use anyhow::{Result, bail};
use serde::Serialize;

/// How a stage ended.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    result: &'static str,
    /// What it counted, or what went wrong.
    figures: String,
}

#[derive(Debug, Serialize)]
struct Line {
    stage: &'static str,
    seconds: f64,
    #[serde(flatten)]
    outcome: Outcome,
}

/// Stage by stage; as JSON each is printed at once.
#[derive(Debug)]
pub(crate) struct Table {
    is_json: bool,
    lines: Vec<Line>,
}

impl Outcome {
    pub(crate) fn passed(figures: String) -> Self {
        Self { result: "passed", figures }
    }

    pub(crate) fn failed(error: &anyhow::Error) -> Self {
        Self { result: "FAILED", figures: format!("{error:#}") }
    }

    pub(crate) fn interrupted(figures: String) -> Self {
        Self { result: "interrupted", figures }
    }
}

impl Table {
    pub(crate) fn new(is_json: bool) -> Self {
        Self { is_json, lines: Vec::new() }
    }

    pub(crate) fn add(&mut self, stage: &'static str, time: Duration, outcome: Outcome) {
        let line = Line { stage, seconds: time.as_secs_f64(), outcome };
        if self.is_json {
            match serde_json::to_string(&line) {
                Ok(line) => println!("{line}"),
                Err(error) => eprintln!("cannot write JSON: {error}"),
            }
        }
        self.lines.push(line);
    }

    pub(crate) fn print(&self) {
        if self.is_json {
            return;
        }
        println!("\n{:<8} {:<12} {:>8}  figures", "stage", "result", "seconds");
        for Line { stage, seconds, outcome: Outcome { result, figures } } in &self.lines {
            println!("{stage:<8} {result:<12} {seconds:>8.1}  {figures}");
        }
    }

    /// An error if a stage failed.
    pub(crate) fn check(&self) -> Result<()> {
        let failed = self.lines.iter().filter(|line| line.outcome.result == "FAILED").count();
        if failed > 0 {
            bail!("{failed} of {} stages failed", self.lines.len());
        }
        Ok(())
    }
}
