//! Links of the documents: that what they lead to is there, file and heading, wherever the page is read.
//!
//! A crate that follows links was rejected: those that lead out of the repository need a network, and what changes here are
//! the others. What rustdoc has made of the pages is looked at by `cargo xtask check`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::folder;

/// A link, as it is written, and where.
struct Link {
    target: String,
    line: usize,
}

/// All documents that people read, wherever they lie.
pub(super) fn documents(under: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(under).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && name != ".git" {
            found.extend(documents(&path));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found
}

/// The lines of a page that are no code, each with its number.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    text.lines().zip(1..).filter_map(move |(line, number)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        (!is_code && !is_fence).then_some((number, line))
    })
}

/// Written in place, `[text](target)`, or as a definition, `[name]: target`.
fn links(text: &str) -> Vec<Link> {
    let mut links = Vec::new();
    for (number, line) in prose(text) {
        let without_code: String = line.split('`').step_by(2).collect();
        let inline = without_code.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let definition =
            line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")).map(|(_, target)| target);
        links.extend(
            inline.chain(definition).map(|target| Link { target: target.trim().into(), line: number }),
        );
    }
    links
}

/// The anchors that the usual hosts give to a page's headings.
fn anchors(text: &str) -> Vec<String> {
    let mut seen = BTreeMap::new();
    let headings = prose(text).filter(|(_, line)| line.starts_with('#'));
    headings
        .map(|(_, line)| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
            let anchor = kept.collect::<String>().replace(' ', "-");
            let times: &mut usize = seen.entry(anchor.clone()).or_default();
            *times += 1;
            if *times == 1 { anchor } else { format!("{anchor}-{}", *times - 1) }
        })
        .collect()
}

/// What is wrong with a link on a page, if anything is.
fn mistake(page: &Path, target: &str) -> Option<String> {
    if target.starts_with("https://") || target.starts_with("mailto:") {
        return None;
    }
    if target.contains("::") {
        return Some(
            "is rustdoc's alone: define the name at the page's end, and in reaper/docs/links.md".into(),
        );
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let file = if path.is_empty() { page.to_owned() } else { page.with_file_name("").join(path) };
    if !file.exists() {
        return Some("leads to no file".into());
    }
    if anchor.is_empty() {
        return None;
    }
    let headings = anchors(&std::fs::read_to_string(&file).unwrap());
    let is_there = headings.iter().any(|heading| heading == anchor);
    (!is_there).then(|| format!("leads to none of the headings {headings:?}"))
}

#[test]
fn every_link_of_a_document_leads_somewhere() {
    let root = folder("").canonicalize().unwrap();
    let (mut seen, mut mistakes) = (0, Vec::new());
    for page in documents(&root) {
        // Read by rustdoc alone, which holds it itself.
        if page.ends_with("reaper/docs/links.md") {
            continue;
        }
        let text = std::fs::read_to_string(&page).unwrap();
        for Link { target, line } in links(&text) {
            seen += 1;
            let page_name = page.strip_prefix(&root).unwrap().display();
            mistakes
                .extend(mistake(&page, &target).map(|what| format!("{page_name}:{line}: {target} {what}")));
        }
    }
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
    // An empty scan must not pass.
    assert!(seen > 40, "only {seen} links were seen");
}

/// One written in place means the same file to rustdoc, which makes other pages of them.
#[test]
fn pages_of_the_documentation_name_each_other_by_definitions() {
    let definitions = std::fs::read_to_string(folder("reaper/docs/links.md")).unwrap();
    let mut seen = 0;
    for page in documents(&folder("reaper/docs")) {
        if page.ends_with("links.md") {
            continue;
        }
        let text = std::fs::read_to_string(&page).unwrap();
        for (number, line) in prose(&text) {
            assert!(!line.contains(".md)"), "{}:{number}: {line}", page.display());
            let Some((name, target)) = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")) else {
                continue;
            };
            seen += 1;
            // Where rustdoc has the same name the target is rustdoc's; elsewhere it has to be good for both.
            let is_defined = ["crate::", "macro@crate::"]
                .iter()
                .any(|start| definitions.contains(&format!("[{name}]: {start}")));
            assert!(is_defined || target.starts_with("https://"), "{}:{number}: {line}", page.display());
        }
    }
    assert!(seen > 10, "only {seen} definitions were seen");
}

#[test]
fn links_and_headings_are_read_as_they_are_shown() {
    let text = "# One page\n[a](b.md#c) and `[no](x)` ![d](e.svg)\n```text\n[no](y)\n```\n## One page\n[f]: g.md\n## `A` & B\n";
    let targets: Vec<_> = links(text).into_iter().map(|link| link.target).collect();
    assert_eq!(targets, ["b.md#c", "e.svg", "g.md"]);
    assert_eq!(anchors(text), ["one-page", "one-page-1", "a--b"]);
    let page = folder("README.md");
    assert_eq!(mistake(&page, "ARCHITECTURE.md#invariants"), None);
    assert!(mistake(&page, "ARCHITECTURE.md#nowhere").is_some_and(|what| what.contains("\"invariants\"")));
    assert!(mistake(&page, "nowhere.md").is_some() && mistake(&page, "crate::labels").is_some());
}
