//! Dependencies: crates of the registry, under licences that let anybody use them.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use spdx::{Expression, LicenseReq};

/// Licences that ask for no more than to be named.
const ALLOWED: [&str; 12] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Zlib",
];

/// The packages of a build, as cargo tells them.
fn packages() -> Vec<Value> {
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform"])
        .arg(format!("{}-unknown-linux-gnu", std::env::consts::ARCH))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let mut told: Value = serde_json::from_slice(&cargo.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&cargo.stderr)));
    match told["packages"].take() {
        Value::Array(packages) => packages,
        other => panic!("{other}"),
    }
}

fn name(package: &Value) -> String {
    format!("{} {}", package["name"].as_str().unwrap_or_default(), package["version"].as_str().unwrap_or_default())
}

#[test]
fn every_dependency_comes_from_the_registry() {
    let registry = "registry+https://github.com/rust-lang/crates.io-index";
    let others = packages().into_iter().filter(|package| package["name"] != "scrip" && package["source"] != registry);
    assert_eq!(others.map(|package| name(&package)).collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn every_dependency_has_a_licence_that_lets_anybody_use_it() {
    let is_allowed =
        |wanted: &LicenseReq| ALLOWED.iter().any(|allowed| wanted.license.id().is_some_and(|id| id.name == *allowed));
    let mut wrong = BTreeSet::new();
    for package in packages().iter().filter(|package| package["name"] != "scrip") {
        let said = package["license"].as_str().unwrap_or_default();
        // A slash is how it was written once.
        let read = Expression::parse(&said.replace('/', " OR "));
        if !read.is_ok_and(|expression| expression.evaluate(is_allowed)) {
            wrong.insert(format!("{}: {said}", name(package)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
