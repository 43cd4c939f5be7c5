//! Says in one sentence what is wrong with a command line.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The sentence for what the parser found.
pub(super) fn sentence(error: &clap::Error) -> String {
    let arg = text(error, ContextKind::InvalidArg).unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument => match text(error, ContextKind::SuggestedArg) {
            Some(flag) => format!("{arg} is not known; did you mean {flag}?"),
            None => format!("{arg} is not known; --help names what is"),
        },
        ErrorKind::InvalidSubcommand => {
            let command = text(error, ContextKind::InvalidSubcommand).unwrap_or_default();
            match text(error, ContextKind::SuggestedSubcommand) {
                Some(other) => format!("{command} is no command; did you mean {other}?"),
                None => format!("{command} is no command; podmeter --help names them"),
            }
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "a command is missing, such as podmeter proxy; podmeter --help names them".to_owned()
        }
        // What clap calls an invalid value without the value is a value that is not there.
        ErrorKind::InvalidValue
            if text(error, ContextKind::InvalidValue).is_none_or(|value| value.is_empty()) =>
        {
            format!("{arg} needs a value, which is missing")
        }
        ErrorKind::ArgumentConflict
            if text(error, ContextKind::PriorArg).as_ref() == Some(&arg) =>
        {
            format!("{arg} is given twice; give it once")
        }
        ErrorKind::InvalidUtf8 => "an argument is not valid UTF-8 text".to_owned(),
        _ => {
            let message = error.to_string();
            let line = message.lines().next().unwrap_or_default();
            line.trim_start_matches("error: ").to_owned()
        }
    }
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(one_line(text)),
        ContextValue::Strings(texts) => texts.first().map(|text| one_line(text)),
        _ => None,
    }
}

/// An argument is shown as it was typed, save what would break the line.
fn one_line(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_debug().collect() } else { vec![c] })
        .collect()
}
