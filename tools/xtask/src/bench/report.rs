//! The rows, as a table or as JSON lines.

use serde::Serialize;

use super::samples::Samples;

/// One number and what it is compared with.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) name: String,
    /// Its median.
    pub(crate) value: f64,
    /// Unit of `value`, `spread` and `against`.
    pub(crate) unit: &'static str,
    /// Distance between the quartiles.
    pub(crate) spread: f64,
    /// Name of what it is compared with.
    pub(crate) against: Option<&'static str>,
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
            unit,
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
            unit,
            spread: samples.spread(),
            against: Some(against),
            against_value: Some(others.median()),
            ratio: Some(ratio),
            must: Some(format!("ratio at least {ratio_min}")),
            holds: Some(ratio >= ratio_min),
        }
    }
}

/// A remark on the whole run.
#[derive(Debug, Serialize)]
struct Remark<'a> {
    warning: &'a str,
}

/// Collects rows; as JSON it prints each at once.
#[derive(Debug)]
pub(crate) struct Report {
    is_json: bool,
    rows: Vec<Row>,
}

impl Report {
    pub(crate) fn new(is_json: bool) -> Self {
        Self { is_json, rows: Vec::new() }
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

    /// Says something about the whole run.
    pub(crate) fn warn(&self, warning: &str) {
        if self.is_json {
            print_json(&Remark { warning });
        } else {
            println!("warning: {warning}");
        }
    }

    /// Whether a row does not hold.
    pub(crate) fn is_broken(&self) -> bool {
        self.rows.iter().any(|row| row.holds == Some(false))
    }

    /// Prints the table, unless every row was printed already.
    pub(crate) fn print_table(&self) {
        if self.is_json {
            return;
        }
        println!(
            "\n{:<44} {:>12} {:>9} {:<12} {:>12} {:>7}  must",
            "what", "value", "spread", "unit", "against", "ratio"
        );
        for row in &self.rows {
            let number = |value: Option<f64>| value.map_or(String::new(), format_number);
            let ratio = row.ratio.map_or(String::new(), |ratio| format!("{ratio:.3}"));
            let holds = match row.holds {
                None => "",
                Some(true) => "holds: ",
                Some(false) => "BROKEN: ",
            };
            println!(
                "{:<44} {:>12} {:>9} {:<12} {:>12} {ratio:>7}  {holds}{}",
                row.name,
                format_number(row.value),
                format_number(row.spread),
                row.unit,
                number(row.against_value),
                row.must.as_deref().unwrap_or(""),
            );
        }
    }
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
