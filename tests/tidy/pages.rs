//! Pages of the documentation: that each is where readers find it, fits into what it is shown in, and leads on.

use std::path::Path;

use crate::folder;
use crate::links::documents;

/// The pages of the guide, each by its path in the guide's folder.
fn guide() -> Vec<String> {
    let guide = folder("reaper/docs/guide");
    let path = |page: &Path| page.strip_prefix(&guide).unwrap().to_str().unwrap().to_owned();
    let pages: Vec<_> = documents(&guide).iter().map(|page| path(page)).collect();
    // An empty scan must not pass.
    assert!(pages.len() > 20, "only {pages:?} were seen");
    pages
}

/// One that is not in the documentation is compiled by nobody, and one that nothing leads to is read by nobody.
#[test]
fn every_page_of_the_guide_is_in_the_documentation_and_in_the_readme_or_the_page_above() {
    let library = std::fs::read_to_string(folder("reaper/src/lib.rs")).unwrap();
    let readme = std::fs::read_to_string(folder("README.md")).unwrap();
    for page in guide() {
        let indent = " ".repeat(4 * page.split('/').count());
        let included = format!(
            "{indent}#[doc = include_str!(\"../docs/links.md\")]\n{indent}#[doc = include_str!(\"../docs/guide/{page}\")]\n"
        );
        assert!(library.contains(&included), "{page} is not in the documentation");
        match page.split_once('/') {
            None => {
                assert!(readme.contains(&format!("reaper/docs/guide/{page}")), "{page} is not in the README")
            }
            Some((above, _)) => {
                let above = format!("{above}.md");
                let text = std::fs::read_to_string(folder("reaper/docs/guide").join(&above)).unwrap();
                assert!(text.contains(&format!("]: {page}")), "{page} is not in {above}");
            }
        }
    }
    let lines = readme.lines().count();
    assert!(lines <= 130, "the README is to be read in a minute, and has {lines} lines");
}
