//! The text of one corpus file.

use farend_core::Verdict;

use super::Entry;
use crate::options::PolicyOptions;

/// Most octets of one frame: more than any link here carries.
const FRAME_OCTETS_MAX: usize = 1 << 16;

/// Line, from 1, and what is wrong there.
type Fault = (usize, String);

#[derive(Clone, Copy)]
enum Block {
    Head,
    Octets,
    Answer,
}

impl Entry {
    /// Reads the text of a corpus file.
    ///
    /// # Errors
    ///
    /// The line, from 1, and what is wrong there.
    pub fn parse(name: String, text: &str) -> Result<Self, (usize, String)> {
        let mut what = None;
        let mut options = PolicyOptions::default();
        let mut verdict = None;
        let mut octets = Vec::new();
        let mut answer: Option<Vec<u8>> = None;
        let mut recipe = None;
        let mut block = Block::Head;
        let mut line_of_policy = 1;
        for (line, text) in (1..).zip(text.lines()) {
            let fault = |message: String| -> Fault { (line, message) };
            let text = uncommented(text).trim_end();
            if text.is_empty() {
                continue;
            }
            if text.starts_with([' ', '\t']) {
                let into = match (block, &mut answer) {
                    (Block::Octets, _) => &mut octets,
                    (Block::Answer, Some(answer)) => answer,
                    _ => return Err(fault("octets before `octets`".to_owned())),
                };
                read_octets(text, into).map_err(fault)?;
                continue;
            }
            let (key, value) = text.split_once(' ').unwrap_or((text, ""));
            let value = value.trim();
            match key {
                "what" => what = Some(value.to_owned()),
                "policy" => {
                    options = value.parse().map_err(fault)?;
                    line_of_policy = line;
                }
                "verdict" => verdict = Some(read_verdict(value).map_err(fault)?),
                "octets" => block = Block::Octets,
                "answer" if value.is_empty() => (block, answer) = (Block::Answer, Some(Vec::new())),
                "answer" => recipe = Some((line, value)),
                _ => return Err(fault(format!("`{key}` is no key"))),
            }
        }
        if let Some((line, recipe)) = recipe {
            answer = Some(answered(&octets, recipe).map_err(|message| (line, message))?);
        }
        let missing = |key: &str| -> Fault { (1, format!("`{key}` is missing")) };
        Ok(Self {
            name,
            what: what.ok_or_else(|| missing("what"))?,
            policy: options.build().map_err(|message| (line_of_policy, message))?,
            options,
            verdict: verdict.ok_or_else(|| missing("verdict"))?,
            octets,
            answer,
        })
    }
}

/// The answer by a recipe such as `swap 0/6 26/4 34/2 set 22=3f`: at offset 0, six
/// octets trade places with the six behind them, and so on.
fn answered(octets: &[u8], recipe: &str) -> Result<Vec<u8>, String> {
    let mut answer = octets.to_vec();
    let mut verb = "";
    for word in recipe.split_whitespace() {
        let refused =
            || format!("`{word}` does not fit: write swap OFFSET/OCTETS, set OFFSET=OCTETS");
        match (verb, word.split_once(['/', '='])) {
            (_, None) => verb = word,
            ("swap", Some((at, octets))) if word.contains('/') => {
                let at: usize = at.parse().map_err(|_| refused())?;
                let octets: usize = octets.parse().map_err(|_| refused())?;
                let both = answer.get_mut(at..at + 2 * octets).ok_or_else(refused)?;
                both.rotate_left(octets);
            }
            ("set", Some((at, octets))) if word.contains('=') => {
                let at: usize = at.parse().map_err(|_| refused())?;
                let mut new = Vec::new();
                for pair in octets.as_bytes().chunks(2) {
                    read_octets(&String::from_utf8_lossy(pair), &mut new)?;
                }
                let old = answer.get_mut(at..at + new.len()).ok_or_else(refused)?;
                old.copy_from_slice(&new);
            }
            _ => return Err(refused()),
        }
    }
    Ok(answer)
}

/// The line up to its comment; a `#` in text does not start one.
fn uncommented(line: &str) -> &str {
    let mut is_text = false;
    for (at, character) in line.char_indices() {
        match character {
            '"' => is_text = !is_text,
            '#' if !is_text => return &line[..at],
            _ => {}
        }
    }
    line
}

fn read_verdict(text: &str) -> Result<Verdict, String> {
    let verdict = (0..=u8::MAX)
        .filter_map(Verdict::from_code)
        .find(|verdict| text.split_whitespace().eq([super::group(*verdict), verdict.name()]));
    verdict.ok_or_else(|| format!("`{text}` is no verdict"))
}

fn read_octets(line: &str, into: &mut Vec<u8>) -> Result<(), String> {
    // Text may have blanks: it stands between quotes, everything else outside.
    for (index, part) in line.split('"').enumerate() {
        if index % 2 == 1 {
            into.extend(part.as_bytes());
            continue;
        }
        for word in part.split_whitespace() {
            let refused = || format!("`{word}` is no octet: write 5a, or 5a*18, or \"text\"");
            let (octet, times) = word.split_once('*').unwrap_or((word, "1"));
            let is_pair = octet.len() == 2 && octet.bytes().all(|c| c.is_ascii_hexdigit());
            let octet = is_pair.then(|| u8::from_str_radix(octet, 16).ok()).flatten();
            let times: usize = times.parse().map_err(|_| refused())?;
            if times > FRAME_OCTETS_MAX {
                return Err(format!("`{word}` is longer than any frame"));
            }
            into.extend(vec![octet.ok_or_else(refused)?; times]);
        }
    }
    if into.len() > FRAME_OCTETS_MAX {
        return Err(format!("more than {FRAME_OCTETS_MAX} octets"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "what  odd\nverdict  pass udp_port\n";

    fn parse(text: &str) -> Result<Entry, Fault> {
        Entry::parse("odd".to_owned(), text)
    }

    #[test]
    fn octets_come_as_pairs_repeats_and_text() {
        let text = format!("{HEAD}octets\n  0a FF # \"not\n  \"R F#\" 00*3\nanswer\n  01\n");
        let entry = parse(&text).unwrap();
        assert_eq!(entry.octets, b"\x0a\xffR F#\0\0\0");
        assert_eq!(entry.answer, Some(vec![1]));
    }

    #[test]
    fn answer_follows_its_recipe() {
        let text = format!("{HEAD}octets\n  01 02 03 04 05 06\nanswer swap 0/1 2/2 set 1=aabb\n");
        assert_eq!(parse(&text).unwrap().answer, Some(vec![2, 0xaa, 0xbb, 6, 3, 4]));
        for wrong in ["swap 4/2", "set 5=aabb", "turn 0/1", "swap x/1", "swap 0=1", "set 0=a"] {
            let text = format!("{HEAD}octets\n  01 02 03 04 05 06\nanswer {wrong}\n");
            assert_eq!(parse(&text).unwrap_err().0, 5, "{wrong}");
        }
    }

    #[test]
    fn what_an_entry_prints_parses_back_to_it() {
        let text = format!("{HEAD}policy  port any; mode mac\noctets\n  00*40 \"RFC2544\"\n");
        let entry = parse(&text).unwrap();
        let again = parse(&entry.to_string()).unwrap();
        assert_eq!(
            (again.octets, again.options, again.verdict),
            (entry.octets, entry.options, entry.verdict)
        );
    }

    #[test]
    fn faults_name_their_line() {
        assert_eq!(parse("verdict pass udp_port").unwrap_err().1, "`what` is missing");
        assert_eq!(parse("\nwhy").unwrap_err(), (2, "`why` is no key".to_owned()));
        assert_eq!(parse("verdict pass probeot").unwrap_err().1, "`pass probeot` is no verdict");
        assert_eq!(parse("  00").unwrap_err().1, "octets before `octets`");
        assert!(parse("octets\n  0").unwrap_err().1.starts_with("`0` is no octet"));
        assert!(parse("octets\n  +1").unwrap_err().1.starts_with("`+1` is no octet"));
        assert!(parse("octets\n  00*99999999").is_err());
        let refused = parse(&format!("{HEAD}policy port 0")).unwrap_err();
        assert_eq!(refused.0, 3);
    }
}
