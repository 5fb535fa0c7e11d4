//! The rooms of the library: their order, their doors, and that nothing goes round in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::sources::{self, Module, ModulePath, Modules};

/// The way of the data: a room knows those before it. `ARCHITECTURE.md` has the same as a picture.
const ROOMS: [&str; 11] = [
    "error", "platform", "settings", "session", "engine", "acquire", "removal", "guard", "shared", "test",
    "tools",
];

/// One module names something of another.
#[derive(Debug)]
struct Import {
    from: ModulePath,
    /// The module in which it is defined.
    to: ModulePath,
    /// The last module that the path itself names.
    entered: ModulePath,
    written: String,
}

fn library() -> Modules {
    sources::read(&crate::folder("reaper/src"))
}

/// What a path means: the module that defines it, and the last module that the path names.
fn resolve(modules: &Modules, from: &[String], path: &[String]) -> Option<(ModulePath, ModulePath)> {
    let mut place: ModulePath = from.to_vec();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" => (place, rest) = (Vec::new(), &path[1..]),
        "self" => rest = &path[1..],
        "super" => {
            while let Some(("super", behind)) = rest.split_first().map(|(first, rest)| (first.as_str(), rest))
            {
                place.pop();
                rest = behind;
            }
        }
        child if modules.contains_key(&[from, &[child.to_owned()]].concat()) => {}
        _ => return None,
    }
    while let Some(next) = rest.first() {
        let inner = [place.as_slice(), std::slice::from_ref(next)].concat();
        // A function is often named like the private module that it is in.
        if rest.len() == 1 && modules[&place].offered.contains_key(next) {
            break;
        }
        if !modules.contains_key(&inner) {
            break;
        }
        (place, rest) = (inner, &rest[1..]);
    }
    let entered = place.clone();
    let defined = rest.first().map_or(Some(place.clone()), |name| defining(modules, &place, name));
    Some((defined.unwrap_or(place), entered))
}

/// The module in which a name is defined that another offers.
fn defining(modules: &Modules, place: &[String], name: &str) -> Option<ModulePath> {
    let module = &modules[place];
    if let Some(meant) = module.offered.get(name) {
        return resolve(modules, place, meant).map(|(defined, _)| defined);
    }
    if module.defined.contains(name) {
        return Some(place.to_vec());
    }
    let all = module.offers_all_of.iter().filter_map(|path| resolve(modules, place, path));
    all.map(|(module, _)| module).find_map(|module| defining(modules, &module, name))
}

fn imports(modules: &Modules) -> Vec<Import> {
    let mut found = Vec::new();
    for (from, module) in modules {
        for path in &module.paths {
            if let Some((to, entered)) = resolve(modules, from, path)
                && to != *from
            {
                found.push(Import { from: from.clone(), to, entered, written: path.join("::") });
            }
        }
    }
    // An empty scan must not pass.
    assert!(found.len() > 250, "only {} imports were seen", found.len());
    found
}

fn room(path: &[String]) -> &str {
    path.first().map_or("lib", String::as_str)
}

/// Which room imports how much of which.
fn plan(imports: &[Import]) -> String {
    let mut arrows: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for import in imports.iter().filter(|import| room(&import.from) != room(&import.to)) {
        *arrows.entry(room(&import.from)).or_default().entry(room(&import.to)).or_default() += 1;
    }
    let mut text = format!(
        "{} rooms, {} arrows between them, {} imports\n",
        ROOMS.len() + 1,
        arrows.values().map(BTreeMap::len).sum::<usize>(),
        arrows.values().flat_map(BTreeMap::values).sum::<usize>()
    );
    for from in ROOMS.into_iter().chain(["lib"]) {
        let to = arrows.get(from).into_iter().flatten();
        let mut to: Vec<_> = to.collect();
        to.sort_by_key(|(name, _)| ROOMS.iter().position(|room| room == *name));
        let to: Vec<_> = to.iter().map(|(name, count)| format!("{name} {count}")).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  {from:<9} imports {}",
            if to.is_empty() { "nothing".into() } else { to.join(", ") }
        );
    }
    text
}

fn names(files: &Module) -> String {
    files.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_room_knows_only_those_before_it() {
    let modules = library();
    let imports = imports(&modules);
    let place = |room: &str| ROOMS.iter().position(|name| *name == room);
    let mut wrong = Vec::new();
    for path in modules.keys().filter(|path| !path.is_empty() && place(room(path)).is_none()) {
        wrong.push(format!("{} is in none of the rooms", path.join("::")));
    }
    for Import { from, to, written, .. } in &imports {
        // The root re-exports from all of them.
        if from.is_empty() || to.is_empty() {
            continue;
        }
        if place(room(to)) > place(room(from)) {
            wrong.push(format!("{} names `{written}` of {}", names(&modules[from]), names(&modules[to])));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}\n{}", plan(&imports));
    println!("{}", plan(&imports));
}

#[test]
fn a_room_is_entered_by_its_door_alone() {
    let modules = library();
    let imports = imports(&modules);
    let mut wrong = Vec::new();
    for Import { from, entered, written, .. } in &imports {
        let leaves = room(from) != room(entered);
        if !from.is_empty() && leaves && entered.len() > 1 && !modules[entered].is_door {
            wrong.push(format!(
                "{} names `{written}`, which is inside {}",
                names(&modules[from]),
                names(&modules[entered])
            ));
        }
    }
    for (path, module) in modules.iter().filter(|(path, module)| module.is_door && !path.is_empty()) {
        if !module.defined.is_empty() {
            wrong.push(format!("{} is a door and defines {:?}", names(&modules[path]), module.defined));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}\n{}", plan(&imports));
}

#[test]
fn no_files_of_a_room_import_each_other_in_a_circle() {
    let modules = library();
    let imports = imports(&modules);
    let is_file = |path: &ModulePath| !modules[path].is_door;
    let inside = imports.iter().filter(|import| room(&import.from) == room(&import.to));
    let inside = inside.filter(|import| is_file(&import.from) && is_file(&import.to));
    let mut next: BTreeMap<&ModulePath, BTreeMap<&ModulePath, &str>> = BTreeMap::new();
    for import in inside {
        next.entry(&import.from).or_default().entry(&import.to).or_insert(&import.written);
    }
    let mut wrong = BTreeSet::new();
    for (from, arrows) in &next {
        for (to, written) in arrows {
            if let Some(back) = way(&next, to, from) {
                wrong.insert(format!(
                    "{} names `{written}` of {}, from which `{back}` leads back",
                    names(&modules[*from]),
                    names(&modules[*to])
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(next.len() > 20, "only {} files import others of their room", next.len());
}

/// The first import on a way from one file to another.
fn way<'a>(
    next: &BTreeMap<&'a ModulePath, BTreeMap<&'a ModulePath, &'a str>>,
    from: &ModulePath,
    to: &ModulePath,
) -> Option<&'a str> {
    let mut seen = BTreeSet::from([from.clone()]);
    let mut open: Vec<(&ModulePath, &str)> =
        next.get(from)?.iter().map(|(module, written)| (*module, *written)).collect();
    while let Some((module, first)) = open.pop() {
        if module == to {
            return Some(first);
        }
        if seen.insert(module.clone()) {
            open.extend(next.get(module).into_iter().flatten().map(|(module, _)| (*module, first)));
        }
    }
    None
}
