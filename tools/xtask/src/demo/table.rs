//! Every tier side by side.

use std::fmt;

use anyhow::{Result, bail};

use super::CALM_RATE_FPS;
use crate::probe::Run;

/// Width of what stands under one tier.
const TIER_WIDTH: usize = 29;

/// One size through one tier.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    /// As fast as it goes.
    pub(crate) fast: Run,
    /// At [`CALM_RATE_FPS`].
    pub(crate) calm: Run,
}

/// The table as far as it is filled.
#[derive(Debug)]
pub(crate) struct Table {
    sizes: &'static [usize],
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    tier: String,
    cells: Result<Vec<Cell>>,
}

impl Table {
    /// An empty one, a row for each size.
    pub(crate) fn new(sizes: &'static [usize]) -> Self {
        Self { sizes, columns: Vec::new() }
    }

    /// Adds a tier, or why it could not be measured.
    pub(crate) fn add(&mut self, tier: &str, cells: Result<Vec<Cell>>) {
        self.columns.push(Column { tier: tier.to_owned(), cells });
    }

    /// An error if a tier could not be measured or answered nothing.
    pub(crate) fn check(&self) -> Result<()> {
        for column in &self.columns {
            let answers =
                |cells: &Vec<Cell>| cells.iter().all(|cell| cell.calm.lost < cell.calm.sent);
            if !column.cells.as_ref().is_ok_and(answers) {
                bail!("not every tier answered every size");
            }
        }
        Ok(())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{:>8}", "")?;
        for column in &self.columns {
            write!(f, " |{:^TIER_WIDTH$}", column.tier)?;
        }
        write!(f, "\n{:>8}", "octets")?;
        for _column in &self.columns {
            write!(f, " |{:>9} {:>7} {:>11}", "kframes/s", "loss %", "p50/p99 us")?;
        }
        for (index, octets) in self.sizes.iter().enumerate() {
            write!(f, "\n{octets:>8}")?;
            for column in &self.columns {
                match column.cells.as_ref().ok().and_then(|cells| cells.get(index)) {
                    Some(cell) => write!(f, " |{cell}")?,
                    None => write!(f, " |{:^TIER_WIDTH$}", "-")?,
                }
            }
        }
        write!(
            f,
            "\n\nkframes/s: came back, sent as fast as the tester goes (it is the limit of the \
             fast tiers).\nloss and round-trip times: at {CALM_RATE_FPS} frames/s. Sizes with FCS.",
        )?;
        for column in &self.columns {
            if let Err(error) = &column.cells {
                write!(f, "\n{}: {error:#}", column.tier)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let returned_fps = self.fast.returned.as_ref().map_or(0.0, |rate| rate.frames_per_s);
        let times = self.calm.round_trip_ns.as_ref().map_or_else(
            || "-".to_owned(),
            |times| format!("{}/{}", times.p50.div_ceil(1_000), times.p99.div_ceil(1_000)),
        );
        let loss = self.calm.loss_percent;
        write!(f, "{:>9.1} {loss:>7.2} {times:>11}", returned_fps / 1_000.0)
    }
}
