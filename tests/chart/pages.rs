//! The pages: what they link to is there.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::helm::repository;

#[test]
fn every_link_within_the_pages_leads_somewhere() {
    let mut pages = vec![repository().join("charts/podmeter/README.md")];
    for folder in ["", "docs", "fuzz"] {
        pages.extend(pages_in(&repository().join(folder)));
    }
    for entry in std::fs::read_dir(repository().join("examples")).unwrap() {
        pages.extend(pages_in(&entry.unwrap().path()));
    }
    assert!(pages.len() > 15, "{pages:?}");
    let mut anchors = HashMap::new();
    for page in &pages {
        let text = std::fs::read_to_string(page).unwrap();
        for link in links(&text) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => page.clone(),
                path => page.parent().unwrap().join(path),
            };
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            if !anchor.is_empty() {
                let of_target = anchors.entry(target.clone()).or_insert_with(|| headings(&target));
                let is_there = of_target.iter().any(|heading| heading == anchor);
                assert!(is_there, "{}: {link} is no heading: {of_target:?}", page.display());
            }
        }
    }
}

fn pages_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

/// Where the links of a text lead that lead to files: `[words](path#heading)`.
fn links(text: &str) -> Vec<&str> {
    let ends = text.split("](").skip(1).filter_map(|part| part.split_once(')'));
    ends.map(|(link, _)| link).filter(|link| !link.contains("://")).collect()
}

/// The headings of a page, as the links to them are written.
fn headings(page: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(page).unwrap();
    let mut is_code = false;
    let mut headings = Vec::new();
    for line in text.lines() {
        is_code ^= line.starts_with("```");
        if let Some(title) = line.strip_prefix('#').filter(|_| !is_code) {
            let title = title.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            headings.push(kept.map(|c| if c == ' ' { '-' } else { c }).collect());
        }
    }
    headings
}
