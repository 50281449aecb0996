//! What must not be in the tree, and what must.

use std::process::Command;

fn tree(arguments: &[&str]) -> (bool, String) {
    let run = Command::new(env!("CARGO")).arg("tree").args(["--offline", "--locked"]).args(arguments).output();
    let output = run.unwrap_or_else(|e| panic!("cargo cannot be started: {e}"));
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
    )
}

#[test]
fn there_is_one_crypto_library() {
    for other in ["aws-lc-rs", "aws-lc-sys", "openssl-sys", "native-tls"] {
        let (found, text) = tree(&["-p", "moulage", "--features", "http", "--target", "all", "-i", other]);
        assert!(!found || text.trim().is_empty() || text.contains("nothing to print"), "{text}");
        // Anything else than "not there" would be a test that says nothing.
        assert!(text.contains("did not match any packages") || text.contains("nothing to print"), "{text}");
    }
    let (found, text) = tree(&["-p", "moulage", "--features", "http", "-i", "ring"]);
    assert!(found && text.starts_with("ring v"), "{text}");
}

#[test]
fn the_phone_does_without_a_network() {
    let (_, text) = tree(&["-p", "moulage", "-e", "normal", "--prefix", "none"]);
    assert!(text.contains("moulage v"));
    for network in ["reqwest", "hyper", "tokio", "rustls"] {
        assert!(
            !text.lines().any(|line| line.starts_with(&format!("{network} v"))),
            "{network} without feature `http`"
        );
    }
}
