//! Colour on a terminal, and plain text elsewhere.

use std::path::Path;

use crate::tester::{bench, bench_with, command, file, pairs, truncate};

const ESCAPE: char = '\u{1b}';

/// What the program writes to a terminal, both streams together; `None` if `script`, which makes a
/// terminal, is not installed.
fn on_a_terminal(dir: &Path, line: &str, environment: &[(&str, &str)]) -> Option<String> {
    let line = line.replace("DIR", dir.to_str().unwrap());
    let program = env!("CARGO_BIN_EXE_bench-loader");
    let mut script = command("script");
    script.args(["-qec", &format!("'{program}' {line}"), "/dev/null"]);
    script.env("TERM", "xterm-256color");
    let output = script.envs(environment.iter().copied()).output().ok()?;
    // Another program may be installed under that name.
    let text = String::from_utf8(output.stdout).unwrap();
    text.contains("sample").then_some(text)
}

#[test]
fn a_pipe_has_no_colour_unless_it_is_asked_for() {
    let dir = pairs(3);
    for line in ["inspect DIR", "check DIR", "doctor DIR", "run DIR --epochs 1"] {
        let plain = bench(dir.path(), line).expect(0).stdout;
        assert!(!plain.contains(ESCAPE), "{plain}");
        let forced = bench_with(dir.path(), line, &[("CLICOLOR_FORCE", "1")]).expect(0).stdout;
        let always = bench(dir.path(), &format!("{line} --color always")).expect(0).stdout;
        assert!(forced.contains(ESCAPE) && always.contains(ESCAPE), "{line}: {forced}{always}");
        let never = [("CLICOLOR_FORCE", "1")];
        let never = bench_with(dir.path(), &format!("--color never {line}"), &never).expect(0);
        assert!(!never.stdout.contains(ESCAPE), "{never:#?}");
        let asked = [("NO_COLOR", "1"), ("CLICOLOR_FORCE", "0")];
        let asked = bench_with(dir.path(), line, &asked).expect(0).stdout;
        assert!(!asked.contains(ESCAPE), "{asked}");
    }
}

#[test]
fn colour_changes_no_word() {
    let dir = pairs(3);
    truncate(&file(&dir, "input", 1), 1);
    for line in ["inspect DIR", "check DIR", "doctor DIR"] {
        let plain = bench(dir.path(), line).stdout;
        let coloured = bench(dir.path(), &format!("{line} --color=always")).stdout;
        let (mut stripped, mut rest) = (String::new(), coloured.as_str());
        while let Some((before, sequence)) = rest.split_once(ESCAPE) {
            stripped += before;
            rest = sequence.split_once('m').map_or("", |(_, after)| after);
        }
        stripped += rest;
        // The available memory may have changed.
        let words = |text: &str| {
            text.lines()
                .filter(|line| !line.starts_with("memory"))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(words(&stripped), words(&plain), "{line}");
    }
}

#[test]
fn machines_read_json_without_colour() {
    let dir = pairs(3);
    for command in ["inspect", "check", "doctor", "run", "digest"] {
        let line = format!("{command} DIR --json --color always");
        bench(dir.path(), &line).expect(0).json();
    }
}

#[test]
fn errors_are_red_where_colour_is_wanted() {
    let dir = pairs(1);
    truncate(&file(&dir, "input", 0), 1);
    for line in ["inspect DIR/absent", "inspect --frobnicate", "run DIR"] {
        let ended = bench(dir.path(), &format!("{line} --color always"));
        assert!(ended.stderr.starts_with("\u{1b}[1m\u{1b}[31merror:"), "{ended:#?}");
        let ended = bench(dir.path(), line);
        assert!(ended.stderr.starts_with("error: "), "{ended:#?}");
    }
}

#[test]
fn a_terminal_has_colour_unless_it_is_refused() {
    let dir = pairs(3);
    for line in ["inspect DIR", "check DIR"] {
        let Some(text) = on_a_terminal(dir.path(), line, &[]) else { return };
        assert!(text.contains("\u{1b}["), "{text}");
        for refused in [("NO_COLOR", "1"), ("TERM", "dumb"), ("CLICOLOR", "0")] {
            let text = on_a_terminal(dir.path(), line, &[refused]).unwrap();
            assert!(!text.contains("\u{1b}[1m") && !text.contains("\u{1b}[2m"), "{text}");
        }
    }
}
