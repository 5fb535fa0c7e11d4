//! What the compiler was told about the crate that it compiles.
//!
//! A macro runs inside the compiler, whose command line has each dependency with the name that it goes by in that
//! crate and the file that it is in: so a renamed library is found in no time, also where the name is inherited
//! from a workspace. Rejected: to read `Cargo.toml` for it, as proc-macro-crate does, which takes a TOML parser and a
//! call of cargo in each compilation, and to which a manifest's tables for targets and features are all alike.

use std::path::Path;
use std::sync::OnceLock;

/// The file of the library begins with this, whatever a crate calls it.
const LIBRARY: &str = "libreaper";

/// A crate's dependencies, and what becomes of its tests.
#[derive(Debug, Default)]
pub(crate) struct Compiler {
    /// Each dependency: its name in the crate, and its file if that was given. None where no compiler was found: in
    /// an editor, whose server of macros has a command line of its own.
    externs: Option<Vec<(String, Option<String>)>>,
    without_tests: bool,
}

/// Where the library was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Under this name.
    At(String),
    Nowhere,
    /// More than one dependency may be it.
    Several(Vec<String>),
}

impl Compiler {
    /// The one that runs this macro.
    pub(crate) fn running() -> &'static Self {
        static RUNNING: OnceLock<Compiler> = OnceLock::new();
        RUNNING
            .get_or_init(|| Self::told(std::env::args_os().map(|word| word.to_string_lossy().into_owned())))
    }

    fn told(command_line: impl Iterator<Item = String>) -> Self {
        let mut words = command_line.flat_map(from_file);
        let mut externs = Vec::new();
        let mut has_test = false;
        while let Some(word) = words.next() {
            has_test |= word == "--test";
            let dependency = match word.strip_prefix("--extern") {
                Some("") => words.next(),
                Some(rest) => rest.strip_prefix('=').map(str::to_owned),
                None => None,
            };
            externs.extend(dependency.as_deref().map(dependency_of));
        }
        if externs.is_empty() {
            return Self::default();
        }
        Self { externs: Some(externs), without_tests: !has_test }
    }

    /// Whether all that the harness would call is left out of what is compiled.
    pub(crate) fn is_without_tests(&self) -> bool {
        self.without_tests
    }

    /// What the library is called.
    pub(crate) fn library(&self) -> Found {
        let Some(externs) = &self.externs else { return Found::At("reaper".into()) };
        let is_library = |file: &str| {
            let name = Path::new(file).file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.strip_prefix(LIBRARY).is_some_and(|rest| rest.starts_with(['-', '.']))
        };
        let candidates = externs.iter().filter(|(name, file)| {
            // By name: another crate may hand the library on.
            name == "reaper" || file.as_deref().is_some_and(is_library)
        });
        let mut names: Vec<_> = candidates.map(|(name, _)| name.clone()).collect();
        names.dedup();
        match names.len() {
            0 => Found::Nowhere,
            1 => Found::At(names.remove(0)),
            _ => Found::Several(names),
        }
    }

    /// Whether a path that begins with this name leads to a dependency; unknown where nothing is known.
    pub(crate) fn is_dependency(&self, name: &str) -> Option<bool> {
        let externs = self.externs.as_ref()?;
        Some(externs.iter().any(|(known, _)| known == name))
    }
}

/// A command line that is too long for the system stands in a file, a line for each word.
fn from_file(word: String) -> Vec<String> {
    let lines = word.strip_prefix('@').and_then(|file| std::fs::read_to_string(file).ok());
    lines.map_or_else(|| vec![word], |lines| lines.lines().map(str::to_owned).collect())
}

/// `name`, `name=file` or `options:name=file`.
fn dependency_of(word: &str) -> (String, Option<String>) {
    let (name, file) =
        word.split_once('=').map_or((word, None), |(name, file)| (name, Some(file.to_owned())));
    let name = name.rsplit_once(':').map_or(name, |(_, name)| name);
    (name.to_owned(), file)
}

#[cfg(test)]
impl Compiler {
    /// One with this command line.
    pub(crate) fn with(command_line: &str) -> Self {
        Self::told(command_line.split(' ').map(str::to_owned))
    }
}
