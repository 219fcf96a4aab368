use crate::tester::{bench, program};

#[test]
fn without_a_command_real_digits_are_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let ended = bench(dir.path(), "").expect(0);
    for words in ["1,797", "after a warm-up epoch of ", "samples/s", "limit", "Try next", " gen "] {
        assert!(ended.stdout.contains(words), "{words}: {ended:#?}");
    }
    assert_eq!(ended.stderr, "");
    let lines = |line: &str| bench(dir.path(), line).expect(0).lines().len();
    assert_eq!(lines("demo --epochs 3"), lines("--epochs 3"));
}

#[test]
fn what_the_demo_suggests_works() {
    let dir = tempfile::tempdir().unwrap();
    let ended = bench(dir.path(), "demo --epochs 1").expect(0);
    let suggested: Vec<&str> = ended.lines().into_iter().filter(|l| l.starts_with("  ")).collect();
    let commands: Vec<&str> = suggested
        .into_iter()
        .filter_map(|line| line.trim().strip_prefix(env!("CARGO_BIN_EXE_bench-loader")))
        .collect();
    assert_eq!(commands.len(), 6, "{ended:#?}");
    let target = commands[2].trim().strip_prefix("check ").unwrap().to_owned();
    for command in commands {
        let command = command.replace(&target, "DIR").replace("20000", "200");
        // Once is enough to see that it works.
        let once = if command.trim().starts_with("run ") { " --epochs 1" } else { "" };
        bench(dir.path(), &format!("{command}{once}")).expect(0);
    }
}

#[test]
fn json_is_one_object() {
    let dir = tempfile::tempdir().unwrap();
    let ended = bench(dir.path(), "demo --epochs 2 --json").expect(0);
    assert_eq!(ended.lines().len(), 1);
    assert_eq!((&ended.json()["epochs"], &ended.json()["samples"]), (&2.into(), &3594.into()));
    let folder = ended.json()["source"].as_str().unwrap().to_owned();
    assert!(folder.contains("bench-loader-demo-"), "{folder}");
    assert!(!std::path::Path::new(&folder).exists(), "{folder}");
}

#[test]
fn a_signal_leaves_no_folder_behind_and_gives_its_own_exit_code() {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    let temporary = tempfile::tempdir().unwrap();
    let entries = || std::fs::read_dir(temporary.path()).unwrap().count();
    for (signal, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let mut command = program();
        command.args(["demo", "--epochs", "1000000"]).env("TMPDIR", temporary.path());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(10);
        while entries() == 0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        // Until it is loading.
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(child.try_wait().unwrap(), None, "it loads for hours");
        Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}");
        assert_eq!(entries(), 0, "{signal}");
    }
}
