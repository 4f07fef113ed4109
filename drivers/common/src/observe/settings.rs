//! What to look at beside reflecting: options, and what they settle.

use std::path::PathBuf;

use super::RefusedSample;
use crate::{
    options,
    options::{Flag, Maybe, One, Options},
    values::{Every, SampleOctets, SampleOf, SegmentName, TesterCount},
};

pub(crate) const HEADING: &str = "Observation";

options! {
    /// What to look at beside reflecting.
    pub struct ObserveOptions, Choices, Settings;
    include {}

    /// Write every Nth frame to --sample-file, the first one in; needs frames
    /// in user space
    sample("sample", "N", "no sample", HEADING, Restart): Maybe<Every> = None;

    /// Where --sample writes, as pcapng; a file of another kind is not
    /// overwritten
    sample_file("sample-file", "FILE", "none", HEADING, Restart): Maybe<PathBuf> = None;

    /// Which frames --sample counts
    sample_of("sample-of", "reflected|refused|all", "reflected", HEADING, Restart):
        One<SampleOf> = SampleOf::default();

    /// Octets of a frame that --sample keeps; of a refused one tier af-xdp has
    /// 2048 at most
    sample_octets("sample-octets", "N", "65535", HEADING, Restart):
        One<SampleOctets> = SampleOctets::WHOLE;

    /// Write the answer too, behind each sampled frame
    sample_answers("sample-answers", "true|false", "", HEADING, Restart): Flag = false;

    /// Show frames as they pass in shared memory of this name, for
    /// farendctl tap NAME; needs frames in user space, and with tier af-xdp
    /// shows the reflected ones alone
    tap("tap", "NAME", "no tap", HEADING, Restart): Maybe<SegmentName> = None;

    /// Show every Nth frame in the tap, the first one in
    tap_sample("tap-sample", "N", "1", HEADING, Restart): One<Every> = Every::ONE;

    /// Count frames by tester, for so many testers at once; needs frames in
    /// user space
    testers("testers", "N", "0", HEADING, Restart): One<TesterCount> = TesterCount(0);

    /// Measure how long frames stay here, from receiving to sending; needs
    /// frames in user space
    residence("residence", "true|false", "", HEADING, Restart): Flag = false;

    /// Keep the statistics in shared memory of this name, for
    /// farendctl counters NAME; every tier can
    counters_page("counters-page", "NAME", "no page", HEADING, Restart):
        Maybe<SegmentName> = None;
}

impl Choices {
    /// Fills in the defaults.
    #[must_use]
    pub fn settle(self) -> Settings {
        ObserveOptions::settle(self)
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
                "--sample-file needs --sample N: write every Nth frame, 1 for each".into(),
            ));
        }
        if self.tap.is_none() && self.tap_sample != Every::ONE {
            return Some((
                "tap-sample",
                "--tap-sample needs --tap NAME: where frames are shown".into(),
            ));
        }
        if let (Some(tap), Some(page)) = (&self.tap, &self.counters_page)
            && tap == page
        {
            return Some((
                "counters-page",
                format!("--counters-page and --tap are both named {page}: give each its own name"),
            ));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(line: &str) -> Settings {
        let line = std::iter::once("p").chain(line.split_whitespace());
        let command = ObserveOptions::arguments(clap::Command::new("p"));
        ObserveOptions::from_matches(&command.try_get_matches_from(line).unwrap()).settle()
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
        let (key, message) = settle("--tap-sample 5").contradiction().unwrap();
        assert!(key == "tap-sample" && message.contains("--tap NAME"), "{message}");
        let (key, message) = settle("--tap a --counters-page a").contradiction().unwrap();
        assert!(key == "counters-page" && message.contains("its own name"), "{message}");
        assert_eq!(settle("--sample 5 --sample-file f --tap a").contradiction(), None);
    }
}
