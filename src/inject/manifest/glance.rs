//! Looks at a long document before it is kept as a tree: most cannot have pods, and need not be.

use super::node::failed;
use super::objects::unsupported_kind;
use super::{ManifestError, Report, bare_list, kinds, no_object};
use granit_parser::{Event, Parser};

/// Whether a document may have pods in it. Where it cannot, that is told, as far as it is an object.
pub(super) fn may_have_pods(text: &str, reports: &mut Vec<Report>) -> Result<bool, ManifestError> {
    let mut depth = 0_usize;
    // The keys that we are behind, of the document and of what is in it.
    let mut keys = [None, None];
    let mut is_key = [true, true];
    let (mut kind, mut name) = (None, None);
    let (mut is_list, mut is_object) = (false, false);
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|error| failed(&error))?;
        let mut whole = None;
        match event {
            Event::SequenceStart(..) if depth == 0 => {
                is_list = true;
                depth += 1;
            }
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                is_object |= depth == 0;
                if depth == 1 {
                    keys[1] = None;
                    is_key[1] = matches!(event, Event::MappingStart(..));
                }
                depth += 1;
            }
            Event::MappingEnd | Event::SequenceEnd => {
                depth -= 1;
                whole = Some(None);
            }
            Event::Scalar(text, ..) => whole = Some(Some(text)),
            // What it stands for may be anything.
            Event::Alias(_) if depth == 1 => return Ok(true),
            Event::Alias(_) => whole = Some(None),
            _ => {}
        }
        // What is whole at a level that we look at is a key there, or the value of one.
        let (Some(text), level @ (1 | 2)) = (whole, depth) else { continue };
        if is_list {
            continue;
        }
        let level = level - 1;
        if is_key[level] {
            keys[level] = text;
        } else if level == 0 && keys[0].as_deref() == Some("kind") {
            kind = text.map(std::borrow::Cow::into_owned);
        } else if level == 1
            && keys[0].as_deref() == Some("metadata")
            && keys[1].as_deref() == Some("name")
        {
            name = text.map(std::borrow::Cow::into_owned);
        }
        is_key[level] = !is_key[level];
    }
    if is_list {
        reports.push(bare_list());
    } else if let Some(kind) = kind {
        if kinds::may_have_pods(&kind) {
            return Ok(true);
        }
        reports.push(unsupported_kind(&kind, name.as_deref()));
    } else if is_object {
        reports.push(no_object());
    }
    Ok(false)
}
