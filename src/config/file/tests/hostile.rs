//! Files that are none, that are made to cost much, and valid ones with some bytes changed.

use super::*;
use proptest::prelude::*;

#[test]
fn what_is_no_file_of_text_is_an_error_and_no_panic() {
    let folder = std::env::temp_dir();
    let path = folder.join(format!("lb-{}.toml", std::process::id()));
    for (bytes, part) in [
        (b"listen = \"\xff\"".to_vec(), "UTF-8"),
        (vec![b'#'; MOST_BYTES as usize + 1], "more than 1024 KiB"),
    ] {
        std::fs::write(&path, bytes).expect("a file");
        let errors = load(&path, &Overrides::none()).expect_err(part);
        assert!(errors.to_string().contains(part), "{errors}");
    }
    std::fs::remove_file(&path).expect("the file");
    let errors = load(&path, &Overrides::none()).expect_err("no file");
    assert!(errors.summary().contains("it cannot be read"), "{errors}");
    assert!(load(&folder, &Overrides::none()).is_err());
}

#[test]
fn hostile_files_are_read_in_bounded_time() {
    let repeat = |part: &str| part.repeat((MOST_BYTES as usize) / part.len());
    let numbered = |line: fn(usize) -> String| (0..40_000).map(line).collect::<String>();
    for text in [
        repeat("["),
        repeat("a = \n"),
        repeat("x\n"),
        repeat("[[route]]\n"),
        format!("listen = [{}]", repeat("\"80\",")),
        with("", "").replace("\"b:1\"", &repeat("\"b:1-65535\",")),
        with("", "").replace("\"b:1\"", &repeat("{},")),
        numbered(|number| format!("k{number} = 1\n")),
        numbered(|number| format!("[group.g{number}]\n")),
        with("", "[[route]]\ngroup = \"a\"\nrequest-headers.set = {")
            + &numbered(|number| format!("K{number} = \"\","))
            + "}",
    ] {
        let began = std::time::Instant::now();
        let errors = read(&text).expect_err(&text[..40]);
        let (shown, time) = (errors.to_string(), began.elapsed());
        assert!(
            shown.len() < 100_000 && time < Duration::from_secs(20),
            "{time:?} {}",
            &text[..40]
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A valid file with some of its bytes changed, cut out or doubled is a configuration or has a
    /// picture for each error.
    #[test]
    fn a_changed_file_is_a_configuration_or_a_picture(
        changes in prop::collection::vec((0..SHOP.len(), 0..30_usize, "[ -~\n]{0,3}"), 1..4)
    ) {
        let mut text = SHOP.to_string();
        for (start, length, instead) in changes {
            let start = start.min(text.len());
            let end = (start + length).min(text.len());
            text.replace_range(start..end, &instead);
        }
        if let Err(errors) = read(&text) {
            let pictures = errors.to_string();
            prop_assert!(errors.count() > 0 && pictures.contains("lb.toml"));
            prop_assert_eq!(pictures.matches("error: ").count(), errors.count());
        }
    }
}
