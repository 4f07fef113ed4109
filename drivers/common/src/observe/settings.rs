//! What to look at beside reflecting: options, and what they settle.

use std::{fmt::Write, path::PathBuf};

use clap::Args;

use super::RefusedSample;
use crate::values::{Every, SampleOctets, SampleOf, SegmentName, TapName, TesterCount};

/// Help heading of all of them.
const HEADING: &str = "Looking on";

/// Options on what to look at.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = HEADING)]
#[group(id = "looking-on")]
pub struct Arguments {
    /// Write every Nth frame to --sample-file, the first one in; tiers in user
    /// space alone can
    #[arg(long, value_name = "N")]
    pub sample: Option<Every>,

    /// Where --sample writes, as pcapng; a file of another kind is not
    /// overwritten
    #[arg(long, value_name = "FILE")]
    pub sample_file: Option<PathBuf>,

    /// Which frames --sample counts [default: reflected]
    #[arg(long, value_name = "reflected|refused|all")]
    pub sample_of: Option<SampleOf>,

    /// Octets of a frame that --sample keeps; of a refused one tier af-xdp has
    /// 2048 at most [default: all of them]
    #[arg(long, value_name = "N")]
    pub sample_octets: Option<SampleOctets>,

    /// Write the answer too, behind each sampled frame
    #[arg(
        long,
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub sample_answers: Option<bool>,

    /// Show every Nth frame, or each, in shared memory of this name, for
    /// farend-tester tap NAME; tier af-xdp shows the reflected ones alone
    #[arg(long, value_name = "NAME[:sample=N]")]
    pub tap: Option<TapName>,

    /// Count frames by tester, for so many testers at once; 0 for none
    /// [default: 0]
    #[arg(long, value_name = "N")]
    pub testers: Option<TesterCount>,

    /// Measure how long frames stay here, from receiving to sending
    #[arg(
        long,
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub residence: Option<bool>,

    /// Keep the statistics in shared memory of this name, for farend-tester
    /// counters NAME; every tier can
    #[arg(long, value_name = "NAME")]
    pub counters_page: Option<SegmentName>,
}

impl Arguments {
    /// What the command line says of them.
    #[must_use]
    pub fn choices(&self) -> Choices {
        Choices {
            sample: self.sample,
            sample_file: self.sample_file.clone(),
            sample_of: self.sample_of,
            sample_octets: self.sample_octets,
            sample_answers: self.sample_answers,
            tap: self.tap.clone(),
            testers: self.testers,
            residence: self.residence,
            counters_page: self.counters_page.clone(),
        }
    }
}

/// What one source of settings says; `None` is what it does not speak of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "each field is the option of the same name")]
pub struct Choices {
    pub sample: Option<Every>,
    pub sample_file: Option<PathBuf>,
    pub sample_of: Option<SampleOf>,
    pub sample_octets: Option<SampleOctets>,
    pub sample_answers: Option<bool>,
    pub tap: Option<TapName>,
    pub testers: Option<TesterCount>,
    pub residence: Option<bool>,
    pub counters_page: Option<SegmentName>,
}

impl Choices {
    /// What this says, and where it says nothing what `lower` says.
    #[must_use]
    pub fn over(self, lower: Self) -> Self {
        Self {
            sample: self.sample.or(lower.sample),
            sample_file: self.sample_file.or(lower.sample_file),
            sample_of: self.sample_of.or(lower.sample_of),
            sample_octets: self.sample_octets.or(lower.sample_octets),
            sample_answers: self.sample_answers.or(lower.sample_answers),
            tap: self.tap.or(lower.tap),
            testers: self.testers.or(lower.testers),
            residence: self.residence.or(lower.residence),
            counters_page: self.counters_page.or(lower.counters_page),
        }
    }

    /// Fills in the defaults.
    #[must_use]
    pub fn settle(self) -> Settings {
        Settings {
            sample: self.sample,
            sample_file: self.sample_file,
            sample_of: self.sample_of.unwrap_or_default(),
            sample_octets: self.sample_octets.unwrap_or(SampleOctets::WHOLE),
            sample_answers: self.sample_answers.unwrap_or(false),
            tap: self.tap,
            testers: self.testers.unwrap_or(TesterCount(0)),
            residence: self.residence.unwrap_or(false),
            counters_page: self.counters_page,
        }
    }
}

/// All that is settled.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each field is the option of the same name")]
pub struct Settings {
    /// `None` for no sample.
    pub sample: Option<Every>,
    pub sample_file: Option<PathBuf>,
    pub sample_of: SampleOf,
    pub sample_octets: SampleOctets,
    pub sample_answers: bool,
    /// `None` for no tap.
    pub tap: Option<TapName>,
    pub testers: TesterCount,
    pub residence: bool,
    /// `None` for no page.
    pub counters_page: Option<SegmentName>,
}

impl Default for Settings {
    fn default() -> Self {
        Choices::default().settle()
    }
}

impl Settings {
    /// The first option that needs user space to see frames, which the tiers
    /// in the kernel cannot serve.
    #[must_use]
    pub fn needs_user_space(&self) -> Option<&'static str> {
        let needs = [
            (self.sample.is_some(), "--sample"),
            (self.tap.is_some(), "--tap"),
            (self.testers.0 > 0, "--testers"),
            (self.residence, "--residence"),
        ];
        needs.into_iter().find(|(is_given, _)| *is_given).map(|(_, option)| option)
    }

    /// What of the refused frames is wanted, for a kernel program that keeps
    /// them from user space; `None` if nothing.
    #[must_use]
    pub fn refused_sample(&self) -> Option<RefusedSample> {
        RefusedSample::of(self)
    }

    /// What contradicts itself: the key that is to blame, and what to do.
    #[must_use]
    pub fn contradiction(&self) -> Option<(&'static str, String)> {
        if self.sample.is_some() && self.sample_file.is_none() {
            return Some((
                "sample",
                "--sample needs --sample-file FILE: where the frames go".into(),
            ));
        }
        if self.sample.is_none() && self.sample_file.is_some() {
            return Some((
                "sample-file",
                "--sample-file needs --sample N: every how manieth frame goes there, 1 for each"
                    .into(),
            ));
        }
        if let (Some(tap), Some(page)) = (&self.tap, &self.counters_page)
            && tap.name == *page
        {
            return Some((
                "counters-page",
                format!("--counters-page and --tap are both named {page}: give each its own name"),
            ));
        }
        None
    }

    /// The lines of a configuration file that say the same.
    pub(crate) fn to_toml(&self) -> Vec<String> {
        let or_none = |key: &str, value: Option<String>| match value {
            Some(value) => format!("{key} = {value}"),
            None => format!("# {key}: none"),
        };
        let path = self.sample_file.as_ref().map(|path| path.display().to_string());
        vec![
            or_none("sample", self.sample.map(|every| every.to_string())),
            or_none("sample-file", path.map(|path| toml_string(&path))),
            format!("sample-of = \"{}\"", self.sample_of),
            format!("sample-octets = {}", self.sample_octets.0),
            format!("sample-answers = {}", self.sample_answers),
            or_none("tap", self.tap.as_ref().map(|tap| format!("\"{tap}\""))),
            format!("testers = {}", self.testers.0),
            format!("residence = {}", self.residence),
            or_none("counters-page", self.counters_page.as_ref().map(|page| format!("\"{page}\""))),
        ]
    }
}

/// A basic string of TOML (TOML 1.0, "String").
fn toml_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser, Debug)]
    struct Program {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn settle(line: &str) -> Settings {
        let line = std::iter::once("p").chain(line.split_whitespace());
        Program::try_parse_from(line).unwrap().arguments.choices().settle()
    }

    #[test]
    fn the_first_option_that_needs_frames_is_named() {
        assert_eq!(settle("").needs_user_space(), None);
        assert_eq!(settle("--counters-page a --testers 0").needs_user_space(), None);
        assert_eq!(settle("--residence=false").needs_user_space(), None);
        assert_eq!(settle("--residence --testers 3").needs_user_space(), Some("--testers"));
        assert_eq!(settle("--tap a --residence").needs_user_space(), Some("--tap"));
        assert_eq!(settle("--sample 1 --sample-file f").needs_user_space(), Some("--sample"));
    }

    #[test]
    fn refused_frames_are_copied_for_samples_of_them_alone() {
        assert_eq!(settle("--sample-of refused").refused_sample(), None);
        let line = "--sample 7 --sample-file f --sample-of";
        assert_eq!(settle(&format!("{line} reflected")).refused_sample(), None);
        for of in ["refused", "all"] {
            let line = format!("{line} {of}");
            let wanted = |octets_max| Some(RefusedSample { every: 7, octets_max });
            assert_eq!(settle(&line).refused_sample(), wanted(2_048));
            let cut = settle(&format!("{line} --sample-octets 14"));
            assert_eq!(cut.refused_sample(), wanted(14));
        }
    }

    #[test]
    fn halves_of_a_sample_ask_for_the_other() {
        let (key, message) = settle("--sample 5").contradiction().unwrap();
        assert!(key == "sample" && message.contains("--sample-file FILE"), "{message}");
        let (key, message) = settle("--sample-file f").contradiction().unwrap();
        assert!(key == "sample-file" && message.contains("--sample N"), "{message}");
        let (key, message) = settle("--tap a --counters-page a").contradiction().unwrap();
        assert!(key == "counters-page" && message.contains("its own name"), "{message}");
        assert_eq!(settle("--sample 5 --sample-file f --tap a").contradiction(), None);
    }

    #[test]
    fn a_path_with_quotes_is_a_string_of_toml() {
        assert_eq!(toml_string("a\"b\\c\n"), "\"a\\\"b\\\\c\\u000a\"");
    }
}
