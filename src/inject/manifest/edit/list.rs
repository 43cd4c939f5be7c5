//! Edits of lists without brackets.

use super::block::moved_up;
use super::place::{
    after_comments, before_comments, line_after, only_space_before, skip, skip_properties,
};
use super::{Editor, Left};
use crate::inject::manifest::node::Id;
use crate::inject::manifest::write::Writer;
use crate::inject::patch::aligned;
use serde_json::Value;

impl<'a> Editor<'a> {
    pub(super) fn block_sequence(
        &mut self,
        items: &[Id],
        from: usize,
        old: &'a [Value],
        new: &'a [Value],
    ) -> Option<()> {
        let dashes = self.dashes(items, from)?;
        let first = *dashes.first()?;
        let column = self.column_of(first);
        let mut stays = vec![None; items.len()];
        // What is added before each that was there, and behind the last.
        let mut added = vec![String::new(); items.len() + 1];
        let mut next = 0;
        for (value, was) in new.iter().zip(aligned(old, new)) {
            if let Some(found) = was {
                stays[found] = Some(value);
                next = found + 1;
            } else {
                let mut writer = Writer::new(self.style);
                writer.item(value, column, None);
                added[next].push_str(&writer.out);
            }
        }
        let inline = only_space_before(self.source, first).is_none();
        let mut gone = 0;
        if inline && stays[0].is_none() {
            // The next one moves up to where this was.
            gone = stays.iter().position(Option::is_some)?;
            self.take(first..dashes[gone], column, Left::Rest);
        }
        for (at, (item, dash)) in items.iter().zip(&dashes).enumerate() {
            let lines = std::mem::take(&mut added[at]);
            if at == 0 && inline {
                if !lines.is_empty() {
                    self.put(first..first, moved_up(lines, column));
                }
            } else {
                let place = match at.checked_sub(1) {
                    Some(last) => line_after(self.source, self.end(items[last]).max(dashes[last])),
                    None => before_comments(self.source, only_space_before(self.source, first)?),
                };
                self.put(place..place, lines);
            }
            match stays[at] {
                Some(now) => self.item(*item, *dash, &old[at], now)?,
                None if at < gone => {}
                None => {
                    let line = only_space_before(self.source, *dash)?;
                    let end = line_after(self.source, self.end(*item).max(*dash));
                    self.take(line..end, column, Left::Lines);
                }
            }
        }
        stays.iter().any(Option::is_some).then_some(())?;
        let last = self.end(*items.last()?).max(*dashes.last()?);
        let end = after_comments(self.source, line_after(self.source, last), column);
        self.put(end..end, added.pop()?);
        Some(())
    }

    /// Changes an item with its dash.
    pub(in crate::inject::manifest) fn item(
        &mut self,
        item: Id,
        dash: usize,
        was: &'a Value,
        now: &'a Value,
    ) -> Option<()> {
        if !self.attempt(|editor| editor.change(item, dash + 1, was, now)) {
            self.replace_item(item, dash + 1, self.column_of(dash), now)?;
        }
        Some(())
    }

    /// Where the dashes of a list are.
    pub(in crate::inject::manifest) fn dashes(
        &self,
        items: &[Id],
        from: usize,
    ) -> Option<Vec<usize>> {
        let mut dashes = Vec::with_capacity(items.len());
        let (_, mut at) = skip_properties(self.source, from);
        for item in items {
            if self.source.as_bytes().get(at) != Some(&b'-') {
                return None;
            }
            dashes.push(at);
            at = skip(self.source, self.end(*item).max(at + 1));
        }
        Some(dashes)
    }
}
