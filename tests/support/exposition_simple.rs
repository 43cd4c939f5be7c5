//! A second reader of text and OpenMetrics, written from the formats' descriptions to be obviously
//! right: character by character, nothing borrowed, nothing fast. It reads lines one by one, as
//! the parser under test does, and says of each whether it is a sample and which.

use std::collections::BTreeMap;

/// A sample as this reader sees it.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    /// As bits, so that NaN equals NaN.
    pub(crate) value: u64,
    /// Milliseconds in text, seconds in OpenMetrics.
    pub(crate) time: Option<u64>,
    pub(crate) exemplar: Option<(BTreeMap<String, String>, u64, Option<u64>)>,
}

/// Reads all samples of a body, and counts the lines that should have been one. `strict` reads
/// OpenMetrics as its grammar has it, otherwise text with any blanks.
pub(crate) fn read(body: &[u8], strict: bool) -> (Vec<Sample>, u64) {
    let (mut samples, mut bad) = (Vec::new(), 0);
    for line in body.split(|b| *b == b'\n') {
        let first = line.first().copied();
        let Ok(line) = std::str::from_utf8(line) else {
            // The parser looks for the `#` of a comment without blanks before it.
            bad += u64::from(first != Some(b'#'));
            continue;
        };
        let line = if strict { line } else { line.trim_end_matches(['\r', ' ', '\t']) };
        let begin = if strict { line } else { line.trim_start_matches([' ', '\t']) };
        // Other white space at the beginning hides a comment from nobody.
        let shown = if strict { line } else { line.trim_ascii_start() };
        if line.is_empty() || shown.starts_with('#') || !strict && line.trim_ascii().is_empty() {
            continue;
        }
        let chars: Vec<char> = begin.chars().collect();
        let mut reader = Reader { chars, at: 0, strict };
        match reader.sample() {
            Some(sample) => samples.push(sample),
            None => bad += 1,
        }
    }
    (samples, bad)
}

struct Reader {
    chars: Vec<char>,
    at: usize,
    strict: bool,
}

impl Reader {
    fn sample(&mut self) -> Option<Sample> {
        let mut name = self.word_of(|c| is_letter(c) || c == ':' || c.is_ascii_digit());
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let named = !name.is_empty();
        let blanks = self.blanks();
        let mut labels = BTreeMap::new();
        if self.peek() == Some('{') && !(self.strict && blanks > 0) {
            let (found, inside) = self.labels(!named)?;
            labels = found;
            if !named {
                name = inside?;
            }
            let after = self.blanks();
            if self.strict && after != 1 {
                return None;
            }
        } else if !named || blanks == 0 || self.strict && blanks != 1 {
            return None;
        }
        let value = number(&self.word())?;
        let mut sample =
            Sample { name, labels, value: value.to_bits(), time: None, exemplar: None };
        if self.is_done() {
            return Some(sample);
        }
        self.gap()?;
        if self.peek() != Some('#') {
            let word = self.word();
            sample.time = Some(self.time(&word)?);
            if self.is_done() {
                return Some(sample);
            }
            self.gap()?;
        }
        let exemplar = self.exemplar()?;
        // Text has none; what is said in one is left out, and the sample kept.
        let length = |labels: &BTreeMap<String, String>| -> usize {
            labels.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum()
        };
        if self.strict && length(&exemplar.0) <= 128 {
            sample.exemplar = Some(exemplar);
        }
        Some(sample)
    }

    fn exemplar(&mut self) -> Option<(BTreeMap<String, String>, u64, Option<u64>)> {
        if self.word() != "#" {
            return None;
        }
        self.gap_before_brace()?;
        let (labels, _) = self.labels(false)?;
        let blanks = self.blanks();
        if self.strict && blanks != 1 {
            return None;
        }
        let value = number(&self.word())?.to_bits();
        let mut time = None;
        if !self.is_done() {
            self.gap()?;
            let word = self.word();
            time = Some(seconds(&word)?);
            if !self.is_done() {
                return None;
            }
        }
        Some((labels, value, time))
    }

    /// The labels, and the metric's name where it stands among them and may.
    fn labels(&mut self, may_name: bool) -> Option<(BTreeMap<String, String>, Option<String>)> {
        let mut labels = BTreeMap::new();
        let mut inside = None;
        self.at += 1;
        loop {
            self.any_blanks();
            if self.take('}') {
                return Some((labels, inside));
            }
            let quoted = self.peek() == Some('"');
            let (name, raw) = if quoted {
                self.string()?
            } else {
                let name = self.word_of(|c| is_letter(c) || c == ':' || c.is_ascii_digit());
                if name.is_empty() || name.contains(':') || name.as_bytes()[0].is_ascii_digit() {
                    return None;
                }
                (name.clone(), name)
            };
            self.any_blanks();
            if quoted && may_name && inside.is_none() && self.peek() != Some('=') {
                if name.is_empty() {
                    return None;
                }
                inside = Some(name);
            } else {
                if name.is_empty() || raw.starts_with("__") || !self.take('=') {
                    return None;
                }
                self.any_blanks();
                if self.peek() != Some('"') {
                    return None;
                }
                let (value, _) = self.string()?;
                if labels.insert(name, value).is_some() {
                    return None;
                }
                self.any_blanks();
            }
            if !self.take(',') && self.peek() != Some('}') {
                return None;
            }
        }
    }

    /// A string in quotes, as it means and as it stands.
    fn string(&mut self) -> Option<(String, String)> {
        let (mut meant, mut raw) = (String::new(), String::new());
        self.at += 1;
        loop {
            let c = self.next()?;
            if c == '"' {
                return Some((meant, raw));
            }
            raw.push(c);
            if c != '\\' {
                meant.push(c);
                continue;
            }
            let escaped = self.next()?;
            raw.push(escaped);
            match escaped {
                'n' => meant.push('\n'),
                '\\' | '"' => meant.push(escaped),
                other => meant.extend(['\\', other]),
            }
        }
    }

    fn time(&self, word: &str) -> Option<u64> {
        if self.strict {
            return seconds(word);
        }
        word.parse::<i64>().ok().map(|millis| (millis as f64).to_bits())
    }

    fn gap(&mut self) -> Option<()> {
        let blanks = self.blanks();
        (blanks > 0 && (!self.strict || blanks == 1 && !self.is_done())).then_some(())
    }

    fn gap_before_brace(&mut self) -> Option<()> {
        let blanks = self.blanks();
        ((!self.strict || blanks == 1) && self.peek() == Some('{')).then_some(())
    }

    /// Passes blanks between braces, where nobody minds them.
    fn any_blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t')) {
            self.at += 1;
        }
    }

    /// Passes blanks; in OpenMetrics a space is the only one.
    fn blanks(&mut self) -> usize {
        let from = self.at;
        while matches!(self.peek(), Some(' ')) || !self.strict && self.peek() == Some('\t') {
            self.at += 1;
        }
        self.at - from
    }

    fn word(&mut self) -> String {
        let strict = self.strict;
        self.word_of(|c| c != ' ' && (strict || c != '\t'))
    }

    fn word_of(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let mut word = String::new();
        while let Some(c) = self.peek().filter(|c| belongs(*c)) {
            word.push(c);
            self.at += 1;
        }
        word
    }

    fn take(&mut self, wanted: char) -> bool {
        let there = self.peek() == Some(wanted);
        self.at += usize::from(there);
        there
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += 1;
        c
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn is_done(&self) -> bool {
        self.at >= self.chars.len()
    }
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

/// Decimals with or without an exponent, infinity and NaN in any letters; none that overflows.
fn number(word: &str) -> Option<f64> {
    let lower = word.to_ascii_lowercase();
    let unsigned = lower.strip_prefix(['+', '-']).unwrap_or(&lower);
    if lower == "nan" {
        return Some(f64::NAN);
    }
    if unsigned == "inf" || unsigned == "infinity" {
        return Some(if lower.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    let (mantissa, exponent) = match unsigned.split_once('e') {
        Some((mantissa, exponent)) => {
            (mantissa, exponent.strip_prefix(['+', '-']).unwrap_or(exponent))
        }
        None => (unsigned, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let sound = digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    if !sound || exponent.is_empty() || !digits(exponent) {
        return None;
    }
    lower.parse::<f64>().ok().filter(|number| number.is_finite())
}

fn seconds(word: &str) -> Option<u64> {
    number(word).filter(|number| number.is_finite()).map(f64::to_bits)
}
