//! The clients that the tests speak with are those that README names.

use std::fs;
use std::path::Path;

use crate::clients::make::ALL;
use crate::clients::other::{Options, Other};
use crate::lab::{programs, require};
use crate::net::{Family, Net};
use crate::work::Work;

#[test]
fn the_clients_are_those_that_the_readme_names() {
    let test = "the_clients_are_those_that_the_readme_names";
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).expect("it can be read").replace('\n', " ");
    for make in ALL {
        let named = format!("{} {}", make.name(), make.version());
        assert!(readme.contains(&named), "README does not name {named}");
    }
    let Some(mut net) = require(programs(&ALL).and_then(|()| Net::new()), test) else { return };
    let work = Work::new(test);
    for make in ALL {
        let host = net.host(make.name());
        let mut client = Other::start(make, &host, Family::V4, make.name(), &work, &Options::default());
        let (here, named) = (client.version(), make.version());
        let right = if here.starts_with(named) {
            Ok(())
        } else {
            Err(format!("{} {here}, not {named}", make.name()))
        };
        let _ = require(right, test);
    }
}
