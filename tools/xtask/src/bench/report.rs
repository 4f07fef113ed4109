//! The rows, as a table or as JSON lines.

use std::{borrow::Cow, cell::RefCell};

use serde::{Deserialize, Serialize};

use super::samples::Samples;

/// One number and what it is compared with.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) name: String,
    /// Its median.
    pub(crate) value: f64,
    /// Unit of `value`, `spread` and `against`.
    pub(crate) unit: Cow<'static, str>,
    /// Distance between the quartiles.
    pub(crate) spread: f64,
    /// Name of what it is compared with.
    pub(crate) against: Option<Cow<'static, str>>,
    /// Median of what it is compared with.
    pub(crate) against_value: Option<f64>,
    /// Median of the ratios of each turn.
    pub(crate) ratio: Option<f64>,
    /// What must hold, in words.
    pub(crate) must: Option<String>,
    /// Whether it does.
    pub(crate) holds: Option<bool>,
}

impl Row {
    /// A number that is compared with nothing but what must hold.
    pub(crate) fn plain(
        name: String,
        value: f64,
        unit: &'static str,
        must: String,
        holds: bool,
    ) -> Self {
        Self {
            name,
            value,
            unit: unit.into(),
            spread: 0.0,
            against: None,
            against_value: None,
            ratio: None,
            must: Some(must),
            holds: Some(holds),
        }
    }

    /// Samples beside others of the same turns, as a ratio that must not be
    /// less than this.
    pub(crate) fn ratio(
        name: String,
        samples: &Samples,
        unit: &'static str,
        (against, others): (&'static str, &Samples),
        ratio_min: f64,
    ) -> Self {
        let ratio = samples.zip(others, |one, other| one / other).median();
        Self {
            name,
            value: samples.median(),
            unit: unit.into(),
            spread: samples.spread(),
            against: Some(against.into()),
            against_value: Some(others.median()),
            ratio: Some(ratio),
            must: Some(format!("ratio at least {ratio_min}")),
            holds: Some(ratio >= ratio_min),
        }
    }
}

/// One contender by itself, beside the row that judges it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Detail {
    /// Of which comparison, and its name.
    pub(crate) contender: String,
    /// Its median.
    pub(crate) value: f64,
    /// Unit of `value` and `spread`.
    pub(crate) unit: String,
    /// Distance between the quartiles.
    pub(crate) spread: f64,
    /// Medians of each run's quantiles, in nanoseconds of one operation.
    pub(crate) p50_ns: Option<f64>,
    pub(crate) p99_ns: Option<f64>,
    pub(crate) p999_ns: Option<f64>,
    /// Operations of all runs: of messages, those that were delivered.
    pub(crate) operations: u64,
    /// Messages that readers were told to have missed.
    pub(crate) lagged: Option<u64>,
    /// CPUs of both sides, if each was kept on one.
    pub(crate) cpus: Option<[usize; 2]>,
}

/// A warning on the whole run.
#[derive(Debug, Serialize)]
struct Warning<'a> {
    warning: &'a str,
}

/// Something else on the whole run.
#[derive(Debug, Serialize)]
struct Remark<'a> {
    remark: &'a str,
}

/// Collects rows; as JSON it prints each at once.
#[derive(Debug)]
pub(crate) struct Report {
    is_json: bool,
    rows: Vec<Row>,
    details: Vec<Detail>,
    warnings: RefCell<Vec<String>>,
}

impl Report {
    pub(crate) fn new(is_json: bool) -> Self {
        Self { is_json, rows: Vec::new(), details: Vec::new(), warnings: RefCell::default() }
    }

    /// Takes one row.
    pub(crate) fn push(&mut self, row: Row) {
        if self.is_json {
            print_json(&row);
        } else {
            eprintln!("measured {}", row.name);
        }
        self.rows.push(row);
    }

    /// Takes what is told of one contender.
    pub(crate) fn detail(&mut self, detail: Detail) {
        if self.is_json {
            print_json(&detail);
        }
        self.details.push(detail);
    }

    /// Says something about the whole run.
    pub(crate) fn remark(&self, remark: &str) {
        if self.is_json {
            print_json(&Remark { remark });
        } else {
            println!("{remark}");
        }
    }

    /// Warns of something about the whole run.
    pub(crate) fn warn(&self, warning: &str) {
        self.warnings.borrow_mut().push(warning.to_owned());
        if self.is_json {
            print_json(&Warning { warning });
        } else {
            println!("warning: {warning}");
        }
    }

    /// Whether a row does not hold.
    pub(crate) fn is_broken(&self) -> bool {
        self.rows.iter().any(|row| row.holds == Some(false))
    }

    /// The rows so far.
    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// What was warned of so far.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.warnings.borrow().clone()
    }

    /// Prints the table, unless every row was printed already.
    pub(crate) fn print_table(&self) {
        if self.is_json {
            return;
        }
        print!("\n{}", table(&self.rows));
        self.print_details();
    }

    fn print_details(&self) {
        if self.details.is_empty() {
            return;
        }
        println!(
            "\n{:<36} {:>12} {:>9} {:<11} {:>9} {:>9} {:>9} {:>12}",
            "contender", "value", "spread", "unit", "p50 ns", "p99 ns", "p99.9 ns", "operations"
        );
        for detail in &self.details {
            let number = |value: Option<f64>| value.map_or("-".to_owned(), format_number);
            let lagged = detail.lagged.map_or(String::new(), |lagged| format!(", lag {lagged}"));
            let cpus =
                detail.cpus.map_or(String::new(), |[near, far]| format!(" CPU {near}+{far}"));
            println!(
                "{:<36} {:>12} {:>9} {:<11} {:>9} {:>9} {:>9} {:>12}{lagged}{cpus}",
                detail.contender,
                format_number(detail.value),
                format_number(detail.spread),
                detail.unit,
                number(detail.p50_ns),
                number(detail.p99_ns),
                number(detail.p999_ns),
                detail.operations,
            );
        }
    }
}

/// Rows as a table, a line each.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut table = format!(
        "{:<44} {:>12} {:>9} {:<12} {:>12} {:>7}  must\n",
        "what", "value", "spread", "unit", "against", "ratio"
    );
    for row in rows {
        let number = |value: Option<f64>| value.map_or(String::new(), format_number);
        let ratio = row.ratio.map_or(String::new(), |ratio| format!("{ratio:.3}"));
        let holds = match row.holds {
            None => "",
            Some(true) => "holds: ",
            Some(false) => "BROKEN: ",
        };
        let line = format!(
            "{:<44} {:>12} {:>9} {:<12} {:>12} {ratio:>7}  {holds}{}",
            row.name,
            format_number(row.value),
            format_number(row.spread),
            row.unit,
            number(row.against_value),
            row.must.as_deref().unwrap_or(""),
        );
        table.push_str(line.trim_end());
        table.push('\n');
    }
    table
}

fn print_json(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(line) => println!("{line}"),
        Err(error) => eprintln!("cannot write JSON: {error}"),
    }
}

/// Small numbers with a fraction, large ones without.
fn format_number(value: f64) -> String {
    if value.abs() < 1000.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}
