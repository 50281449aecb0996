//! The documents say what the code does.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use moulage_tests::session::{self, CLASSES, view};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

#[test]
fn errors_md_has_every_code_and_no_other() {
    let source = read("core/src/error.rs");
    let bodies = source.split("pub fn code(").chain(source.split("fn text(self)")).skip(1);
    let codes = |body: &str| -> Vec<String> {
        let body = body.split("\n    }\n").next().unwrap();
        let literals = body.split("=> ").skip(1).filter_map(|arm| arm.trim_start_matches('(').strip_prefix('"'));
        literals.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    let is_function = |body: &&str| body.starts_with("&self)") || body.starts_with(" -> (");
    let in_code: BTreeSet<String> = bodies.filter(is_function).flat_map(codes).collect();
    let page = read("core/docs/errors.md");
    let told: BTreeSet<String> =
        page.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split('`').next()?.to_owned())).collect();
    assert!(in_code.len() > 35, "{in_code:?}");
    assert_eq!(in_code, told);
}

#[test]
fn the_conformance_statement_names_what_is_written() {
    let page = read("core/docs/conformance-statement.md");
    let plain =
        moulage_tests::jpeg::encode(&moulage_tests::scene::scene(64, 48), moulage_tests::jpeg::Coding::default());
    let (photo, _) = moulage::photo::prepare(&plain, &moulage::photo::PrepareOptions::default()).unwrap();
    for class in CLASSES {
        let view = view(class);
        assert!(page.contains(&format!("| {} |", class.uid())), "{}", class.key());
        assert!(page.contains(&format!("| {} |", view.transfer_syntax.uid())));
        let object = session::object(&mut session::session(), &photo, class).unwrap().into_bytes();
        let value = |start: &str| {
            let cell = page.lines().find(|line| line.starts_with(start)).unwrap().split('|').nth(2).unwrap();
            cell.split(',').next().unwrap().trim().trim_matches('`').to_owned()
        };
        for fixed in [value("| Implementation Class UID"), value("| Implementation Version Name")] {
            assert!(memchr::memmem::find(&object, fixed.as_bytes()).is_some(), "{fixed}");
        }
    }
}

#[test]
fn links_lead_somewhere() {
    let mut pages: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "cli/README.md"]
        .map(|page| root().join(page))
        .to_vec();
    for folder in ["core/docs", "core/docs/adr"] {
        pages.extend(fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path()));
    }
    let mut links = 0;
    for page in pages.iter().filter(|page| page.extension().is_some_and(|e| e == "md")) {
        let text = fs::read_to_string(page).unwrap();
        for target in text.split("](").skip(1).map(|rest| rest.split([')', '#']).next().unwrap()) {
            if !target.is_empty() && !target.contains("://") {
                links += 1;
                assert!(page.parent().unwrap().join(target).exists(), "{}: {target}", page.display());
            }
        }
    }
    assert!(links > 10);
}
