//! The laws of path templates, checked over any texts and any path. Shared by the ordinary suite and
//! the fuzz target, so it needs nothing but the library.

use podmeter::observe::path::{LONGEST_TEMPLATE, Templates, fold};

/// The template that is found is the most exact of those that match by a plain comparison; what is
/// folded is short and clean, has as many segments, and only a path of one's own could have braces.
pub(crate) fn check(texts: &[String], path: &[u8]) -> Result<(), String> {
    let mut buffer = [0; LONGEST_TEMPLATE];
    if let Some(template) = fold(path, &mut buffer) {
        let segments = |bytes: &[u8]| bytes.split(|b| *b == b'/').count();
        let is_clean = template.bytes().all(|b| b.is_ascii_graphic());
        if !is_clean || segments(template.as_bytes()) != segments(path) {
            return Err(format!("{path:?} is folded to {template:?}"));
        }
    }
    let Ok(templates) = Templates::read(texts.iter().map(String::as_str)) else { return Ok(()) };
    let best = texts.iter().filter_map(|text| Some((ranks(text, path)?, text))).min();
    let best = best.map(|(_, text)| text.as_str());
    let found = templates.find(path).and_then(|id| templates.name(id));
    if found == best {
        Ok(())
    } else {
        Err(format!("{path:?} of {texts:?} is {found:?}, not {best:?}"))
    }
}

/// How exact a template is about each segment of a path that it matches: just so, any, all that
/// remain.
fn ranks(template: &str, path: &[u8]) -> Option<Vec<u8>> {
    let mut segments = path.strip_prefix(b"/")?.split(|b| *b == b'/');
    let mut ranks = Vec::new();
    for part in template.strip_prefix('/')?.split('/') {
        let segment = segments.next()?;
        if part.ends_with("...}") {
            ranks.push(2);
            return Some(ranks);
        }
        let is_any = part.starts_with('{');
        if if is_any { segment.is_empty() } else { part.as_bytes() != segment } {
            return None;
        }
        ranks.push(u8::from(is_any));
    }
    segments.next().is_none().then_some(ranks)
}
