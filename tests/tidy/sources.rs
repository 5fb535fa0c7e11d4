//! The sources of the library as a tree of modules, each with the names that it imports and offers.
//!
//! Read with syn rather than line by line: imports stand in groups, behind other names and inside functions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// A path to a module, from the root of the crate: `engine`, `doubles`, `fake`.
pub(super) type ModulePath = Vec<String>;

/// A module in a file of its own.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// Where it is, from the root of the crate. More than one where each platform has its own.
    pub(super) files: Vec<PathBuf>,
    /// Whether its file is the `mod.rs` of a folder, or the root.
    pub(super) is_door: bool,
    /// What it offers of others: the name here, and the path that is meant.
    pub(super) offered: BTreeMap<String, Vec<String>>,
    /// Modules of which it offers everything.
    pub(super) offers_all_of: Vec<Vec<String>>,
    /// What is defined here.
    pub(super) defined: BTreeSet<String>,
    /// Every path in its code, as it is written, test modules left out.
    pub(super) paths: BTreeSet<Vec<String>>,
}

/// All modules of a crate that have a file of their own.
pub(super) type Modules = BTreeMap<ModulePath, Module>;

/// Reads a crate from its root.
pub(super) fn read(root: &Path) -> Modules {
    let mut modules = Modules::new();
    add(&mut modules, &[], &[root.join("lib.rs")], true);
    for module in modules.values_mut() {
        for file in &mut module.files {
            *file = file.strip_prefix(root).unwrap().to_owned();
        }
    }
    modules
}

fn add(modules: &mut Modules, path: &[String], files: &[PathBuf], is_door: bool) {
    let mut module = Module { files: files.to_vec(), is_door, ..Module::default() };
    let mut children = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file)
            .unwrap_or_else(|error| panic!("failed to read {}: {error}", file.display()));
        let tree = syn::parse_file(&text)
            .unwrap_or_else(|error| panic!("failed to parse {}: {error}", file.display()));
        for item in &tree.items {
            match item {
                syn::Item::Mod(child) if child.content.is_none() => {
                    children.push((child.ident.to_string(), child_files(file, is_door, child)));
                }
                _ => module.take(item),
            }
        }
    }
    modules.insert(path.to_vec(), module);
    for (name, (files, is_door)) in children {
        let path = [path, &[name]].concat();
        add(modules, &path, &files, is_door);
    }
}

/// Where a child module's code is, and whether that is a folder with a `mod.rs`.
fn child_files(parent: &Path, parent_is_door: bool, child: &syn::ItemMod) -> (Vec<PathBuf>, bool) {
    let folder = parent.parent().unwrap();
    let given: Vec<_> = child.attrs.iter().filter_map(given_path).map(|path| folder.join(path)).collect();
    if !given.is_empty() {
        return (given, false);
    }
    let name = child.ident.to_string();
    assert!(parent_is_door, "{} declares `{name}`: only a mod.rs has children", parent.display());
    let file = folder.join(format!("{name}.rs"));
    let door = folder.join(&name).join("mod.rs");
    assert_ne!(file.exists(), door.exists(), "{name}: {} or {}", file.display(), door.display());
    if door.exists() { (vec![door], true) } else { (vec![file], false) }
}

/// The path of `#[path = "…"]`, or of the same in a `#[cfg_attr(…)]`.
fn given_path(attribute: &syn::Attribute) -> Option<String> {
    let text = quote::quote!(#attribute).to_string();
    let (_, behind) = text.split_once("path = \"")?;
    behind.split('"').next().map(str::to_owned)
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let text = quote::quote!(#attribute).to_string().replace(' ', "");
        text == "#[cfg(test)]" || text.starts_with("#[cfg(all(test,")
    })
}

impl Module {
    fn take(&mut self, item: &syn::Item) {
        if item_attributes(item).is_some_and(is_for_tests) {
            return;
        }
        if let syn::Item::Use(imported) = item {
            let is_offered = !matches!(imported.vis, syn::Visibility::Inherited);
            let mut leaves = Vec::new();
            flatten(&imported.tree, Vec::new(), &mut leaves);
            for (path, name) in leaves {
                self.paths.insert(path.clone());
                match name {
                    Some(name) if is_offered => drop(self.offered.insert(name, path)),
                    None if is_offered => self.offers_all_of.push(path),
                    _ => {}
                }
            }
            return;
        }
        self.defined.extend(defined_name(item));
        self.visit_item(item);
    }
}

impl<'code> Visit<'code> for Module {
    fn visit_path(&mut self, path: &'code syn::Path) {
        let names = path.segments.iter().map(|segment| segment.ident.to_string()).collect::<Vec<_>>();
        if names.len() > 1 {
            self.paths.insert(names);
        }
        visit::visit_path(self, path);
    }

    fn visit_item_use(&mut self, imported: &'code syn::ItemUse) {
        let mut leaves = Vec::new();
        flatten(&imported.tree, Vec::new(), &mut leaves);
        self.paths.extend(leaves.into_iter().map(|(path, _)| path));
    }

    fn visit_item_mod(&mut self, module: &'code syn::ItemMod) {
        if !is_for_tests(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }
}

/// Each name that a `use` brings, by its whole path and under its name here; none for a glob.
fn flatten(tree: &syn::UseTree, mut front: Vec<String>, leaves: &mut Vec<(Vec<String>, Option<String>)>) {
    match tree {
        syn::UseTree::Path(path) => {
            front.push(path.ident.to_string());
            flatten(&path.tree, front, leaves);
        }
        syn::UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, front.clone(), leaves);
            }
        }
        syn::UseTree::Name(name) => {
            if name.ident != "self" {
                front.push(name.ident.to_string());
            }
            let last = front.last().cloned();
            leaves.push((front, last));
        }
        syn::UseTree::Rename(renamed) => {
            front.push(renamed.ident.to_string());
            leaves.push((front, Some(renamed.rename.to_string())));
        }
        syn::UseTree::Glob(_) => leaves.push((front, None)),
    }
}

fn item_attributes(item: &syn::Item) -> Option<&[syn::Attribute]> {
    Some(match item {
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Const(item) => &item.attrs,
        _ => return None,
    })
}

fn defined_name(item: &syn::Item) -> Option<String> {
    Some(match item {
        syn::Item::Fn(item) => item.sig.ident.to_string(),
        syn::Item::Struct(item) => item.ident.to_string(),
        syn::Item::Enum(item) => item.ident.to_string(),
        syn::Item::Trait(item) => item.ident.to_string(),
        syn::Item::Type(item) => item.ident.to_string(),
        syn::Item::Const(item) => item.ident.to_string(),
        syn::Item::Static(item) => item.ident.to_string(),
        syn::Item::Mod(item) => item.ident.to_string(),
        _ => return None,
    })
}
