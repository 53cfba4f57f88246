//! A configuration file of arbitrary bytes: it is a configuration, which is printed as a file of the same
//! meaning, or there is a picture of each error.
#![no_main]

use lb::config::file::trace::AskedRequest;
use lb::config::file::{CheckedFile, Colors, FileErrors, Overrides, check_text};
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    match read(&text) {
        Ok(file) => is_whole(&file),
        Err(errors) => is_shown(&errors),
    }
});

fn read(text: &str) -> Result<CheckedFile, FileErrors> {
    check_text(Path::new("lb.toml"), text, &Overrides::none())
}

fn is_whole(file: &CheckedFile) {
    let printed = file.print();
    let again = match read(&printed) {
        Ok(again) => again,
        Err(errors) => panic!("printed, and refused: {errors}\n{printed}"),
    };
    assert_eq!(show(file), show(&again), "{printed}");
    file.config.route_table().expect("no two routes are equal");
    for url in [
        "http://a.example/",
        "http://b/api/x?y",
        "http://[::1]:80/%61//",
    ] {
        let asked = AskedRequest {
            url: url.into(),
            method: "GET".into(),
            fields: Vec::new(),
        };
        assert!(
            !file
                .trace(&asked)
                .expect("a right question")
                .text
                .is_empty()
        );
    }
}

fn show(file: &CheckedFile) -> String {
    format!("{:?}", file.config)
}

fn is_shown(errors: &FileErrors) {
    assert!(errors.count() > 0);
    assert_eq!(errors.summary().lines().count(), 1, "{}", errors.summary());
    let plain = errors.to_string();
    assert!(
        plain.starts_with("error: ") && plain.contains("lb.toml"),
        "{plain}"
    );
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
    assert!(!errors.pictures(Colors::Ansi).is_empty());
}
