//! The links of the documentation that rustdoc has written: that each leads to a page that it has written, too.
//!
//! rustdoc itself refuses a broken link to an item. What it takes as it stands, a path or an address, is looked at here,
//! also the addresses at which the documentation will be: a page that is moved breaks them long before a release shows it.

use std::collections::BTreeSet;
use std::fs::read_to_string;
use std::path::{Component, Path, PathBuf};

/// Where the documentation is, once it is published.
const PUBLISHED: &str = "https://docs.rs/test-reaper/latest/";
/// Also the ends of what is no page of the documentation itself: pictures, licences.
const LEAST_LINKS: usize = 500;

/// Looks at every page of the library, and at every document of the repository that leads to one.
pub(crate) fn check(root: &Path, documentation: &Path) -> Result<(), String> {
    println!("==> following the links of the documentation");
    let (mut seen, mut mistakes) = (0, BTreeSet::new());
    for page in files(&documentation.join("reaper"), "html")? {
        let text = read_to_string(&page).map_err(|error| format!("{}: {error}", page.display()))?;
        // What follows is the documentation of other crates' traits, whose links rustdoc leaves as they are.
        let ours = text.split("id=\"blanket-implementations\"").next().unwrap_or_default();
        for target in ours.split(" href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            seen += 1;
            if leads_nowhere(documentation, &page, target) {
                mistakes.insert(format!("{} leads to {target}", shown(&page, root)));
            }
        }
    }
    let documents = [root.join("README.md"), root.join("reaper-macros/README.md")];
    for page in files(&root.join("reaper/docs"), "md")?.into_iter().chain(documents) {
        let text = read_to_string(&page).map_err(|error| format!("{}: {error}", page.display()))?;
        for rest in text.split(PUBLISHED).skip(1) {
            let is_end = |letter: char| letter.is_whitespace() || matches!(letter, ')' | '>' | '"');
            let target = format!("{PUBLISHED}{}", rest.split(is_end).next().unwrap_or_default());
            if leads_nowhere(documentation, &page, &target) {
                mistakes.insert(format!("{} leads to {target}", shown(&page, root)));
            }
        }
    }
    if seen < LEAST_LINKS {
        return Err(format!("only {seen} links are in the documentation"));
    }
    if mistakes.is_empty() {
        return Ok(());
    }
    let mistakes = mistakes.into_iter().collect::<Vec<_>>().join("\n  ");
    Err(format!("links that lead nowhere:\n  {mistakes}"))
}

fn shown(page: &Path, root: &Path) -> String {
    page.strip_prefix(root).unwrap_or(page).display().to_string()
}

/// Whether a link of a page leads neither out of the documentation nor to a file in it.
fn leads_nowhere(documentation: &Path, page: &Path, target: &str) -> bool {
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let file = match path.strip_prefix(PUBLISHED) {
        Some(path) => documentation.join(path),
        None if path.contains("://") || path.starts_with("data:") => return false,
        None if path.is_empty() => page.to_owned(),
        None => page.with_file_name("").join(path),
    };
    let file = if file.is_dir() { file.join("index.html") } else { normal(&file) };
    // Numbers of lines are made by a script.
    let is_source = file.components().any(|part| part.as_os_str() == "src");
    if anchor.is_empty() || is_source {
        return !file.exists();
    }
    read_to_string(&file).map_or(true, |text| !text.contains(&format!("id=\"{anchor}\"")))
}

/// Without `..`, since a folder on the way need not be there.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            normal.pop();
        } else {
            normal.push(part);
        }
    }
    normal
}

fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, String> {
    let failed = |error| format!("failed to read {}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            files.extend(self::files(&path, extension)?);
        } else if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    Ok(files)
}
