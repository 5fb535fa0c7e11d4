//! Pages of the documentation: that each is where readers find it, fits into what it is shown in, and leads on.

use std::collections::BTreeSet;
use std::path::Path;

use syn::visit::{self, Visit};

use crate::links::documents;
use crate::{folder, sources};

/// As many columns as a box of code has in rustdoc, in a window of the usual width; what is longer is cut off.
const COLUMNS: usize = 92;

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
                let is_named = readme.contains(&format!("reaper/docs/guide/{page}"));
                assert!(is_named, "{page} is not in the README");
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

#[test]
fn no_line_of_code_in_the_documentation_is_longer_than_its_box() {
    let mut seen = 0;
    let others = ["README.md", "CONTRIBUTING.md", "docs/how-a-run-ends.md"].map(folder);
    for page in documents(&folder("reaper/docs")).into_iter().chain(others) {
        let text = std::fs::read_to_string(&page).unwrap();
        let mut is_code = false;
        for (line, number) in text.lines().zip(1..) {
            if line.trim_start().starts_with("```") {
                is_code = !is_code;
                continue;
            }
            let length = line.chars().count();
            seen += usize::from(is_code);
            assert!(!is_code || length <= COLUMNS, "{}:{number} has {length} columns", page.display());
        }
    }
    assert!(seen > 300, "only {seen} lines of code were seen");
}

/// A reader who has come to the end is told where to go on.
#[test]
fn every_page_of_the_guide_begins_with_a_heading_and_a_sentence_and_leads_on() {
    for page in guide() {
        let text = std::fs::read_to_string(folder("reaper/docs/guide").join(&page)).unwrap();
        let mut lines = text.lines();
        assert!(lines.next().is_some_and(|line| line.starts_with("# ")), "{page} has no heading");
        let first = lines.find(|line| !line.is_empty()).unwrap_or_default();
        let is_sentence = first.starts_with(|letter: char| letter.is_alphanumeric() || letter == '`');
        assert!(is_sentence && !first.starts_with("```"), "{page} begins with {first:?}");
        assert!(text.contains("\nNext: "), "{page} leads nowhere");
    }
}

/// Who runs a session tells it by this. Nobody writes it by hand.
const NO_SETTING: &str = "REAPER_RUN";

/// What looks like the name of a setting: a variable, or one in the properties file.
fn is_setting(name: &str) -> bool {
    let starts = ["REAPER_", "TESTCONTAINERS_", "RYUK_", "DOCKER_"];
    let upper = |letter: char| letter.is_ascii_uppercase() || letter == '_';
    let is_variable = starts.iter().any(|start| name.starts_with(start)) && !name.ends_with('_');
    let is_word = |word: &str| !word.is_empty() && word.chars().all(|letter| letter.is_ascii_lowercase());
    let starts = ["reaper.", "ryuk.", "docker.", "tc.", "hub.", "host.", "session."];
    let is_property = starts.iter().any(|start| name.starts_with(start)) && name.split('.').all(is_word);
    is_variable && name.chars().all(upper) || is_property
}

/// The texts in code, that of tests left out.
#[derive(Default)]
struct Texts(BTreeSet<String>);

impl<'code> Visit<'code> for Texts {
    fn visit_lit_str(&mut self, text: &'code syn::LitStr) {
        self.0.insert(text.value());
    }

    fn visit_item_mod(&mut self, module: &'code syn::ItemMod) {
        if module.ident != "tests" {
            visit::visit_item_mod(self, module);
        }
    }
}

#[test]
fn the_page_of_settings_has_every_setting_with_default_and_example_and_nothing_else() {
    let mut texts = Texts::default();
    for file in sources(&folder("reaper/src/settings")) {
        let code = std::fs::read_to_string(&file).unwrap();
        texts.visit_file(&syn::parse_file(&code).unwrap());
    }
    let known: BTreeSet<_> =
        texts.0.iter().map(String::as_str).filter(|text| is_setting(text) && *text != NO_SETTING).collect();
    assert!(known.len() > 40, "only {known:?} were seen");
    let page = std::fs::read_to_string(folder("reaper/docs/guide/settings.md")).unwrap();
    let mut listed = BTreeSet::new();
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let names: Vec<_> = cells[0].split('`').filter(|name| is_setting(name)).collect();
        assert!(names.is_empty() || cells.len() == 3 && cells[1].contains("<br>"), "{row}");
        listed.extend(names);
    }
    // A second name of one that is listed is told of below the table.
    let is_second = |name: &str| listed.contains(format!("TESTCONTAINERS_{name}").as_str());
    let missing: Vec<_> = known.iter().filter(|name| !listed.contains(*name) && !is_second(name)).collect();
    assert!(missing.is_empty(), "{missing:?} are not on the page of settings");
    let unknown: Vec<_> = listed.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?} are on the page of settings, and no settings");
}
