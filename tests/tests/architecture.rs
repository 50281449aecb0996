//! The arrows of `core/docs/architecture.md`, read from the imports.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Which other stages a stage may name. `error` and `clock` are open to all; `capture` may name everything and nobody may name it.
const ARROWS: [(&str, &[&str]); 9] = [
    ("error", &[]),
    ("clock", &[]),
    ("photo", &[]),
    ("patient", &[]),
    ("seal", &[]),
    ("audit", &[]),
    ("dicom", &["photo", "patient"]),
    ("outbox", &["seal"]),
    ("upload", &["outbox"]),
];

const ROOT: [&str; 24] = [
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "NOTICE",
    "Package.swift",
    "README.md",
    "SECURITY.md",
    "android-sample",
    "bindings",
    "cli",
    "clippy.toml",
    "core",
    "deny.toml",
    "ios-sample",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "tests",
    // Not the project's: the repository itself and what a build leaves.
    ".git",
    "target",
];

#[test]
fn stages_import_only_what_the_arrows_allow() {
    let core = root().join("core/src");
    let exports = exports(&fs::read_to_string(core.join("lib.rs")).unwrap());
    let files = files(&core);
    assert!(files.len() > 10, "the sources of the core were not found");
    let mut wrong = Vec::new();
    for path in files {
        let module = module_of(path.strip_prefix(&core).unwrap());
        if let Some(stage) = module.first().filter(|stage| *stage != "capture") {
            let source = fs::read_to_string(&path).unwrap();
            wrong.extend(
                violations(stage, module.len(), &source, &exports)
                    .into_iter()
                    .map(|w| format!("{}: {w}", path.display())),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_core_has_no_unsafe_and_no_door_at_the_back() {
    for folder in ["core/src", "cli/src", "bindings/src"] {
        for path in files(&root().join(folder)) {
            let source = fs::read_to_string(&path).unwrap();
            let words = words(&source);
            let has = |sequence: &[&str]| words.windows(sequence.len()).any(|w| w == sequence);
            assert!(!has(&["unsafe"]), "{}: unsafe", path.display());
            assert!(!has(&["doc", "hidden"]), "{}: public, but not documented", path.display());
            assert!(!has(&["#", "path"]), "{}: a module from elsewhere", path.display());
            assert!(!has(&["include", "!"]), "{}: source from elsewhere", path.display());
        }
    }
    assert!(fs::read_to_string(root().join("core/src/lib.rs")).unwrap().contains("#![forbid(unsafe_code)]"));
}

#[test]
fn only_the_core_knows_how_dicom_is_coded() {
    for manifest in ["cli/Cargo.toml", "bindings/Cargo.toml"] {
        if let Ok(text) = fs::read_to_string(root().join(manifest)) {
            assert!(!text.contains("dicom-"), "{manifest}: goes round the public surface of the core");
        }
    }
}

#[test]
fn names_say_what_is_inside() {
    for folder in ["core", "cli", "bindings", "tests"] {
        for path in everything(&root().join(folder)) {
            let name = path.file_stem().unwrap().to_str().unwrap().to_lowercase();
            let vague = ["util", "utils", "helper", "helpers", "common", "misc", "manager", "service", "impl"];
            assert!(!vague.contains(&name.as_str()), "{}: a name that says nothing", path.display());
        }
    }
}

#[test]
fn the_root_holds_what_the_architecture_page_lists() {
    // What git ignores is no part of the repository: README's first command leaves a sample and an archive.
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap();
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if ignored.lines().any(|line| line.strip_prefix('/') == Some(&name)) {
            continue;
        }
        assert!(ROOT.contains(&name.as_str()), "{name} has no place at the root");
    }
}

#[test]
fn forbidden_imports_are_found() {
    let exports = exports("pub use capture::{Device, Session}; pub use error::PhotoError;");
    let found = |stage, depth, source| violations(stage, depth, source, &exports);
    for (stage, depth, source) in [
        ("photo", 1, "use crate::dicom::Instance;"),
        ("photo", 2, "use crate::{error::PhotoError, patient::{Patient, Encounter}};"),
        ("photo", 1, "use super::dicom;"),
        ("photo", 2, "fn f() { super::super::seal::open() }"),
        ("photo", 1, "mod tests { use super::super::capture::Session; }"),
        ("photo", 2, "mod tests { fn f() { assert_eq!(1, crate::dicom::check(&[])); } }"),
        ("patient", 1, "use crate::photo::PreparedPhoto;"),
        ("dicom", 1, "use crate::Session;"),
        ("dicom", 1, "use crate::capture::View;"),
        ("photo", 1, "use crate::*;"),
        ("photo", 1, "use crate as moulage;"),
        ("photo", 1, "use super::{error::PhotoError, *};"),
        ("upload", 1, "use crate::seal::Sealed;"),
        ("error", 1, "use crate::photo::Limits;"),
        ("photo", 1, "macro_rules! m { () => { $crate::dicom::check } }"),
        ("anything", 1, "use crate::photo::Limits;"),
    ] {
        assert_eq!(found(stage, depth, source).len(), 1, "{stage}: {source}");
    }
    for (stage, depth, source) in [
        (
            "photo",
            1,
            "use crate::error::{Limit, PhotoError}; use crate::PhotoError; use crate::clock::Clock; use crate::photo::icc;",
        ),
        (
            "photo",
            2,
            "use super::super::photo::icc; use super::icc::Primaries; mod tests { use super::*; use super::super::icc; }",
        ),
        ("photo", 1, "/// [`crate::dicom::check`]\n// use crate::dicom;\nconst A: &str = \"crate::dicom\";"),
        ("dicom", 2, "use crate::{photo::PreparedPhoto, patient::Patient};"),
        ("upload", 1, "use crate::outbox::Item;"),
    ] {
        assert_eq!(found(stage, depth, source), [""; 0], "{stage}: {source}");
    }
}

fn violations(stage: &str, depth: usize, source: &str, exports: &BTreeMap<String, String>) -> Vec<String> {
    let allowed = ARROWS.iter().find(|(name, _)| *name == stage).map_or(&[][..], |(_, allowed)| allowed);
    root_names(source, depth)
        .into_iter()
        .map(|name| exports.get(&name).cloned().unwrap_or(name))
        .filter(|name| ![stage, "error", "clock"].contains(&name.as_str()) && !allowed.contains(&name.as_str()))
        .map(|name| format!("{stage} must not name {name}"))
        .collect()
}

/// The first name of every path that starts at the crate's root, in a file whose module lies `depth` below it.
fn root_names(source: &str, depth: usize) -> Vec<String> {
    let mut names = Vec::new();
    collect(source.parse().unwrap(), depth, &mut names);
    names
}

fn collect(tokens: TokenStream, depth: usize, names: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let word = |at: usize| tokens.get(at).map(ToString::to_string).unwrap_or_default();
    let colons = |at: usize| word(at) == ":" && word(at + 1) == ":";
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Group(group) => {
                let inline_module = group.delimiter() == Delimiter::Brace && at >= 2 && word(at - 2) == "mod";
                collect(group.stream(), depth + usize::from(inline_module), names);
            }
            TokenTree::Ident(ident) if ident == "crate" && word(at + 1) == "as" => {
                names.push("crate under another name".into())
            }
            TokenTree::Ident(ident) if ident == "crate" && colons(at + 1) => at = first_names(&tokens, at + 3, names),
            TokenTree::Ident(ident) if ident == "super" => {
                let mut up = 1;
                while colons(at + 1) && word(at + 3) == "super" {
                    (up, at) = (up + 1, at + 3);
                }
                if up >= depth && colons(at + 1) {
                    at = first_names(&tokens, at + 3, names);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// The name at `at`, or the first names of the group there. Returns the last place read.
fn first_names(tokens: &[TokenTree], at: usize, names: &mut Vec<String>) -> usize {
    match tokens.get(at) {
        Some(TokenTree::Group(group)) => {
            let mut start = true;
            for token in group.stream() {
                if start {
                    names.push(token.to_string());
                }
                start = token.to_string() == ",";
            }
        }
        Some(token) => names.push(token.to_string()),
        None => {}
    }
    at
}

/// What the root re-exports: name -> stage.
fn exports(lib: &str) -> BTreeMap<String, String> {
    let words = words(lib);
    let mut exports = BTreeMap::new();
    for at in 0..words.len() {
        if words[at..].starts_with(&["pub".into(), "use".into()]) {
            let statement = words[at + 2..].iter().take_while(|w| *w != ";");
            let names: Vec<&String> = statement.filter(|w| w.starts_with(|c: char| c.is_alphabetic())).collect();
            exports.extend(names[1..].iter().map(|name| ((*name).clone(), names[0].clone())));
        }
    }
    exports
}

/// All tokens of a source in a row, groups opened, comments and the insides of texts left out.
fn words(source: &str) -> Vec<String> {
    fn walk(tokens: TokenStream, out: &mut Vec<String>) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => walk(group.stream(), out),
                TokenTree::Literal(_) => out.push("literal".into()),
                token => out.push(token.to_string()),
            }
        }
    }
    let mut out = Vec::new();
    walk(source.parse().unwrap(), &mut out);
    out
}

fn module_of(path: &Path) -> Vec<String> {
    let mut parts: Vec<String> = path.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib")) {
        parts.pop();
    }
    parts
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    everything(folder).into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs")).collect()
}

/// All files and folders below, but for build output.
fn everything(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.file_name().is_some_and(|name| name != "target") {
            if path.is_dir() {
                found.extend(everything(&path));
            }
            found.push(path);
        }
    }
    found
}
