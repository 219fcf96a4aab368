//! What a shell sees: help with examples, completions, man pages, and pipes that end early.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::tester::{bench, program};

/// The commands that `--help` lists, except `help` itself.
fn commands() -> Vec<String> {
    let help = bench(Path::new("."), "--help").expect(0).stdout;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty());
    let names = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !["", "help"].contains(name)).map(str::to_owned).collect()
}

/// The command lines that the help of a command shows, without pipes and redirections.
fn examples(command: &str) -> Vec<String> {
    let help = bench(Path::new("."), &format!("{command} --help")).expect(0).stdout;
    let (_, examples) = help.split_once("Example").unwrap_or_else(|| panic!("{command}: {help}"));
    let examples = examples.replace("\\\n", " ");
    let lines = examples.lines().filter_map(|line| line.strip_prefix("  bench-loader "));
    lines.map(|line| line.split(['|', '>']).next().unwrap_or_default().to_owned()).collect()
}

/// Whether it needs a server: `scripts/stores.sh` has some.
fn takes_a_store(example: &str) -> bool {
    example.contains("://")
}

/// Folders for the examples: images with classes, images with masks, boxes, joints and documents.
fn data() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let line = "gen DIR/classes --samples 12 --shape 3,160,160 --dtype u8";
    bench(dir.path(), line).expect(0);
    let line = "gen DIR/masks --samples 12 --shape 3,160,160 --dtype u8 \
                --target-shape 160,160 --target-dtype u8";
    bench(dir.path(), line).expect(0);
    for (name, shape, dtype) in
        [("boxes", "1..50,4", "f32"), ("joints", "17,2", "f32"), ("documents", "1..50", "u16")]
    {
        let line = format!("gen DIR/{name} --samples 12 --shape {shape} --dtype {dtype}");
        bench(dir.path(), &line).expect(0);
    }
    dir
}

/// An example with these folders, and small enough for a test.
fn about(example: &str, at: &Path) -> String {
    let at = at.to_str().unwrap();
    let word = |word: &str| match word {
        "DIR" if example.starts_with("gen") => format!("{at}/{}", example.replace(['/', ' '], "")),
        "DIR" | "WEB" | "CODE" => format!("{at}/classes"),
        "20000" | "60000" | "2000" | "1500" | "500" => "20".to_owned(),
        "11" => "1".to_owned(),
        "venv/bin/python" => "python3".to_owned(),
        "PACKED" | "SHARDS" | "SMALL" | "TOKENS" => format!("{at}/{word}"),
        file if [".png", ".html", ".json"].iter().any(|end| file.ends_with(end)) => {
            format!("{at}/{file}")
        }
        word => word
            .replace("IMAGES", &format!("{at}/masks/input"))
            .replace("PHOTOS", &format!("{at}/masks/input"))
            .replace("BOXES", &format!("{at}/boxes/input"))
            .replace("DOCUMENTS", &format!("{at}/documents/input"))
            .replace("JOINTS", &format!("{at}/joints/input"))
            .replace("MASKS", &format!("{at}/masks/output")),
    };
    let mut words: Vec<String> = example.split(' ').map(word).collect();
    // Or a search would take its time.
    if example.starts_with("tune") {
        words.extend(["--seconds", "1"].map(str::to_owned));
    }
    // A run of two seconds says no more than one of two epochs here.
    let is_run = example.starts_with("run") || example.starts_with("demo");
    let is_long = |word: &String| word.starts_with("--epochs") || word == "--steps";
    if is_run && !words.iter().any(is_long) {
        words.extend(["--epochs", "2"].map(str::to_owned));
    }
    words.join(" ")
}

#[test]
fn every_command_has_examples_that_work() {
    let dir = data();
    let commands = commands();
    assert!(commands.len() >= 12, "{commands:?}");
    for command in commands {
        let examples = examples(&command);
        assert!(!examples.is_empty(), "{command} has no example");
        for example in examples.iter().filter(|example| !takes_a_store(example)) {
            let ended = bench(dir.path(), &about(example, dir.path())).expect(0);
            assert!(!ended.stdout.is_empty(), "{example}");
        }
    }
}

/// Runs the program with a standard output that nobody reads from the start.
fn unread(line: &str) -> Output {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let parts = line.split('\'').enumerate();
    let words = parts.flat_map(|(at, part)| match at % 2 {
        0 => part.split_whitespace().collect(),
        _ => vec![part],
    });
    program().args(words).stdin(Stdio::null()).stdout(writer).output().unwrap()
}

#[test]
fn a_reader_that_is_gone_is_no_error_to_any_command() {
    let dir = data();
    let mut lines = vec!["--help".to_owned(), "--version".to_owned(), "--epochs 1".to_owned()];
    for command in commands() {
        lines.push(format!("{command} --help"));
        let examples = examples(&command);
        let here = examples.iter().filter(|example| !takes_a_store(example));
        lines.extend(here.map(|example| about(example, dir.path())));
    }
    let classes = dir.path().join("classes").display().to_string();
    let run = "run --epochs 2";
    for command in ["doctor", "inspect", "check", run, "digest --per-sample --per-batch"] {
        lines.push(format!("{command} {classes} --json"));
    }
    for shell in ["zsh", "elvish", "powershell"] {
        lines.push(format!("completions {shell}"));
    }
    for line in lines {
        let output = unread(&line);
        let stderr = String::from_utf8_lossy(&output.stderr);
        let stderr: Vec<&str> = stderr.lines().filter(|line| !line.starts_with("wrote ")).collect();
        assert_eq!((output.status.code(), stderr), (Some(0), Vec::new()), "{line}");
    }
}

#[test]
fn bash_completes_commands_and_options() {
    let dir = tempfile::tempdir().unwrap();
    let script = bench(dir.path(), "completions bash").expect(0).stdout;
    let path = dir.path().join("bench-loader.bash");
    fs::write(&path, script).unwrap();
    let Ok(checked) = Command::new("bash").arg("-n").arg(&path).output() else { return };
    assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}");
    let complete = |words: &str, at: usize| {
        let script = format!(
            "source {path:?}; COMP_WORDS=({words}); COMP_CWORD={at}; \
             registered=$(complete -p bench-loader); function=${{registered#*-F }}; \
             ${{function%% *}} bench-loader \"${{COMP_WORDS[{at}]}}\" \
             \"${{COMP_WORDS[{at} - 1]}}\"; echo \"${{COMPREPLY[@]}}\""
        );
        let output = Command::new("bash").args(["--norc", "-c", &script]).output().unwrap();
        assert!(output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(complete("bench-loader insp", 1), "inspect\n");
    assert_eq!(complete("bench-loader inspect --pn", 2), "--png\n");
    assert!(complete("bench-loader gen --as saf", 3).contains("safetensors"));
}

#[test]
fn other_shells_have_completions_that_name_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = bench(Path::new("."), &format!("completions {shell}")).expect(0).stdout;
        for command in commands() {
            assert!(script.contains(&command), "{shell}: {command}");
        }
    }
}

/// The text of a man page, if `groff` is installed to render it.
fn rendered(page: &str) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("page.1");
    fs::write(&path, page).unwrap();
    // Wider than any line, so that none is broken.
    let mut groff = Command::new("groff");
    groff.args(["-man", "-Tascii", "-P-cbou", "-rLL=2000n", "-rHY=0", "-ww"]).arg(&path);
    let output = groff.output().ok()?;
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn pages_for_man_name_every_command_and_option() {
    let page = bench(Path::new("."), "man").expect(0).stdout;
    assert!(page.contains(".TH bench-loader 1"), "{page}");
    let text = rendered(&page).unwrap_or_else(|| page.replace('\\', ""));
    for command in commands() {
        assert!(text.contains(&format!("bench-loader-{command}(1)")), "{command}: {text}");
        let page = bench(Path::new("."), &format!("man {command}")).expect(0).stdout;
        let text = rendered(&page).unwrap_or_else(|| page.replace('\\', ""));
        let help = bench(Path::new("."), &format!("{command} -h")).expect(0).stdout;
        let options = help.split_whitespace().filter(|word| word.starts_with("--"));
        for option in options.map(|word| word.trim_matches(|c: char| !c.is_alphanumeric())) {
            assert!(text.contains(option), "{command}: {option}: {text}");
        }
        assert!(text.contains("Example"), "{command}: {text}");
    }
    let ended = bench(Path::new("."), "man frobnicate").expect(2);
    assert!(ended.stderr.contains("expected one of demo, gen"), "{ended:#?}");
}
