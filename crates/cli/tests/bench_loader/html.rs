//! Reports as pages, as a browser shows them.

use std::fs::{self, File};
use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tester::{bench, file, images, pairs, stub, truncate};

/// A real browser, if there is one. Without one the tests that need it pass without doing anything,
/// unless the environment says that there must be one.
struct Browser(PathBuf);

impl Browser {
    const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

    fn find() -> Option<Self> {
        let given = std::env::var_os("CHROME").map(PathBuf::from);
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let mut found = Self::NAMES
            .iter()
            .flat_map(|name| std::env::split_paths(&paths).map(move |folder| folder.join(name)))
            .filter(|path| path.is_file());
        let browser = given.or_else(|| found.next());
        let required = std::env::var_os("TALLOW_REQUIRE_CHROMIUM").is_some();
        assert!(browser.is_some() || !required, "no browser, though there must be one");
        if browser.is_none() {
            // Not through what a test captures, or nobody would see it.
            let line = "no chromium: what a browser makes of the pages is not tested";
            let _ = writeln!(std::io::stderr(), "{line}");
        }
        browser.map(Self)
    }

    /// What the browser prints about the page, and what it logs.
    fn open(&self, page: &Path, options: &[&str]) -> (String, String) {
        let profile = tempfile::tempdir().unwrap();
        let output = Command::new(&self.0)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--hide-scrollbars",
                "--enable-logging=stderr",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(options)
            .arg(format!("file://{}", page.display()))
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{stderr}");
        (stdout, stderr)
    }

    /// The parsed document, after checking that the browser did not complain.
    fn dom(&self, page: &Path) -> String {
        let (dom, log) = self.open(page, &["--dump-dom"]);
        for complaint in ["CONSOLE", "Refused to", "ERR_", "Failed to load"] {
            assert!(!log.contains(complaint), "{complaint}: {log}");
        }
        dom
    }

    fn screenshot(&self, page: &Path, options: &[&str]) -> Screenshot {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("page.png");
        let screenshot = format!("--screenshot={}", path.display());
        let mut all = vec![screenshot.as_str()];
        all.extend(options);
        self.open(page, &all);
        Screenshot::read(&path)
    }
}

struct Screenshot {
    width: usize,
    pixels: Vec<[u8; 3]>,
}

impl Screenshot {
    fn read(path: &Path) -> Self {
        let decoder = png::Decoder::new(BufReader::new(File::open(path).unwrap()));
        let mut reader = decoder.read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        let samples = info.color_type.samples();
        assert!(samples >= 3, "{info:?}");
        let pixels = bytes[..info.buffer_size()].chunks_exact(samples);
        let pixels = pixels.map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
        Self { width: info.width as usize, pixels }
    }

    fn count(&self, hex: u32) -> usize {
        let [_, colour @ ..] = hex.to_be_bytes();
        self.pixels.iter().filter(|pixel| **pixel == colour).count()
    }

    /// The mean brightness of all pixels, from 0 to 255.
    fn brightness(&self) -> u64 {
        let sum: u64 = self.pixels.iter().flatten().map(|&value| u64::from(value)).sum();
        sum / (3 * self.pixels.len() as u64)
    }
}

/// The page of a run whose workers both read and transform, with enough time to have batches ready,
/// and the advice in its report.
fn page(dir: &Path) -> (String, String) {
    let line = "run DIR --batch-size 8 --shuffle --workers 2 --step-ms 50 --epochs 2 \
                --augment 'resize(128) gaussian_blur(15)' --html DIR/report.html";
    let ended = bench(dir, line).expect(0);
    let limit = ended.lines().into_iter().find(|line| line.starts_with("limit  "));
    let limit = limit.expect("the report for people comes as well");
    let (_, advice) = limit.rsplit_once(": ").unwrap_or(("", limit));
    (fs::read_to_string(dir.join("report.html")).unwrap(), advice.to_owned())
}

/// The text as a reader sees it.
fn unescaped(page: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")];
    entities.iter().fold(page.to_owned(), |text, (entity, c)| text.replace(entity, c))
}

#[test]
fn a_page_says_what_the_report_says_and_needs_nothing_else() {
    let dir = images(96);
    let (page, advice) = page(dir.path());
    // Which stage is the limit depends on the machine, but both views must say the same.
    let waits = page.contains("<h1>Training waits for its data ");
    assert!(waits || page.contains("<h1>Training does not wait "), "{page}");
    assert!(!waits || unescaped(&page).contains(&advice), "{advice}: {page}");
    for words in [
        "<!DOCTYPE html>",
        "Samples per second",
        "Batches by wait",
        "Batches ready",
        ".batch_size(8)",
        ".shuffle()",
        ".workers(2)",
        ".parse::&lt;Augment&gt;()?",
        "processor",
        "bench-loader run ",
        "--augment 'resize(128) gaussian_blur(15)'",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    for absent in ["<script", "http://", "https://", "NaN", "inf"] {
        assert!(!page.contains(absent), "{absent}: {page}");
    }
    assert_eq!(page.matches("role=\"img\"").count(), 6, "two bars and four charts");
    assert!(page.len() < 200_000, "{}", page.len());
}

#[test]
fn a_browser_shows_every_chart_in_light_and_dark() {
    let dir = images(96);
    page(dir.path());
    let path = dir.path().join("report.html");
    let Some(browser) = Browser::find() else { return };
    let dom = browser.dom(&path);
    assert_eq!(dom.matches("<svg").count(), 6, "{dom}");
    assert!(dom.matches("<polyline").count() >= 5 && dom.contains("</html>"), "{dom}");
    // The colours of read, transform and making tensors, and of text.
    let light = [0x0072b2, 0xe69f00, 0x009e73, 0x1c2127];
    let dark = [0x4fa3db, 0xf0b33c, 0x35bd95, 0xe6e9ec];
    // Width and colours do not depend on each other.
    for (size, width, scheme, colours, is_dark) in [
        ("--window-size=1280,2400", 1280, "--disable-extensions", light, false),
        ("--window-size=500,3600", 500, "--force-dark-mode", dark, true),
    ] {
        let seen = browser.screenshot(&path, &[size, scheme]);
        assert_eq!(seen.width, width);
        assert_eq!(seen.brightness() < 80, is_dark, "{}", seen.brightness());
        for colour in colours {
            let count = seen.count(colour);
            assert!(count > 20, "{size} {scheme}: {count} pixels of {colour:06x}");
        }
    }
}

#[test]
fn every_kind_of_run_has_a_page() {
    let dir = pairs(60);
    for (options, charts, words) in [
        ("", 6, "<h1>"),
        ("--ceiling --epochs 5", 6, "ceiling, "),
        ("--workers 0 --epochs 5", 5, "the stages run inside next()"),
        ("--batch-size 60 --start-batch 1", 2, "There was no batch to load."),
        ("--batch-size 4 --step-ms 20 --workers 2 --epochs 3", 6, "<h1>Training "),
        ("--batch-size 60 --epochs 5", 6, "<h1>"),
    ] {
        let line = format!("run DIR {options} --html DIR/report.html --json");
        let ended = bench(dir.path(), &line).expect(0);
        assert!(
            ended.stderr.starts_with("wrote ") && ended.stderr.ends_with(" kB\n"),
            "{ended:#?}"
        );
        let page = fs::read_to_string(dir.path().join("report.html")).unwrap();
        assert_eq!(page.matches("role=\"img\"").count(), charts, "{options}: {page}");
        assert!(page.contains(words), "{options}: {page}");
        assert!(!page.contains("NaN"), "{options}: {page}");
    }
}

#[test]
fn text_from_files_and_arguments_cannot_break_out_of_the_page() {
    let dir = pairs(12);
    let evil = dir.path().join("<script>alert(1)</script>");
    fs::create_dir_all(evil.parent().unwrap()).unwrap();
    fs::rename(dir.path().join("input"), &evil).unwrap();
    truncate(&evil.join("000003.npy"), 1);
    let line = "run '--field=<b>&\"=DIR/<script>alert(1)</script>' --html DIR/report.html";
    bench(dir.path(), line).expect(1);
    let page = fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
    assert!(page.contains("What failed") && page.contains("1 batch of 1 failed."), "{page}");
    if let Some(browser) = Browser::find() {
        browser.dom(&dir.path().join("report.html"));
    }
    let line = "tune '--field=<b>&\"=DIR/output' --seconds 1 --html DIR/report.html";
    bench(dir.path(), line).expect(0);
    let page = fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(!page.contains("<b>") && page.contains(".field(&quot;&lt;b&gt;&amp;"), "{page}");
}

#[test]
fn a_page_that_cannot_be_written_is_told_before_anything_is_loaded() {
    let dir = pairs(3);
    truncate(&file(&dir, "input", 0), 1);
    for path in ["DIR", "DIR/absent/report.html"] {
        let ended = bench(dir.path(), &format!("run DIR --html {path}")).expect(2);
        assert!(ended.stderr.contains("--html"), "{ended:#?}");
        assert_eq!(ended.stdout, "", "nothing was loaded");
    }
    let line = "run DIR --html DIR/report.html --batch-size 8 --rank 3 --world 3";
    bench(dir.path(), line).expect(2);
    assert!(!dir.path().join("report.html").exists(), "no file of a run that was not");
}

/// The page that a command line writes, and the document that a browser makes of it if there is
/// one.
fn read_page(dir: &Path, line: &str, code: i32) -> (String, Option<String>) {
    bench(dir, line).expect(code);
    let path = dir.join("report.html");
    let dom = Browser::find().map(|browser| browser.dom(&path));
    (fs::read_to_string(&path).unwrap(), dom)
}

#[test]
fn a_page_of_tune_shows_every_setting_that_was_tried() {
    let dir = pairs(60);
    let line = "tune DIR --batch-size 4 --seconds 1 --memory 1kB --grid --html DIR/report.html";
    let (page, dom) = read_page(dir.path(), &format!("{line} --json"), 0);
    for words in [
        " samples per second",
        " of what the page cache allows",
        "What was tried",
        "<span class=\"swatch dash t-reference\"></span>ceiling of the page cache, ",
        "</span>one trial</li>",
        "The search",
        "The grid",
        "All ",
        "Ceilings",
        "memory copies",
        "NpyFolders::pairs(",
        ".batch_size(4)",
        "processor",
        "bench-loader tune ",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(page.contains("</span>found"), "the bar of what was found is named: {page}");
    for absent in ["<script", "http://", "https://", "NaN", "inf"] {
        assert!(!page.contains(absent), "{absent}: {page}");
    }
    let Some(dom) = dom else { return };
    let marks = dom.matches("class=\"mark\"").count();
    assert!(marks >= dom.matches("<svg").count() && dom.contains("</html>"), "{dom}");
}

#[test]
fn a_page_of_tune_shows_as_many_bars_and_trials_as_the_report_has() {
    let dir = pairs(24);
    let line = "tune DIR --batch-size 8 --seconds 1 --cold --memory 3kB --cpu-share 0.5 --grid \
                --step-ms 1 --html DIR/report.html --json";
    let json = bench(dir.path(), line).expect(0).json();
    let page = fs::read_to_string(dir.path().join("report.html")).unwrap();
    let count = |what: &str| json[what].as_array().unwrap().len();
    let grid = json["grid"]["trials"].as_array().unwrap().len();
    assert_eq!(grid as u64, 2 * json["grid"]["settings"].as_u64().unwrap(), "two passes");
    assert_eq!(page.matches("class=\"mark\"").count(), count("trials") + grid, "{page}");
    assert_eq!(
        page.matches("<td>taken</td>").count() + page.matches("<td>no</td>").count(),
        count("steps")
    );
    assert!(!page.contains("swatch dash"), "no ceiling counts where a step sets the pace: {page}");
    assert!(page.contains("Steps of 1.00 ms set the pace"), "{page}");
}

#[test]
fn a_page_of_compare_shows_all_contenders_or_why_not() {
    let dir = pairs(20);
    stub(
        dir.path(),
        "[ \"$2\" = dali ] && { echo '<b>boom' >&2; exit 3; }\necho '{\"absent\": \"no <i>module\"}'",
    );
    let line = "compare DIR --batch-size 8 --workers 2 --rounds 3 --python DIR/stub --json \
                --html DIR/report.html";
    let (page, dom) = read_page(dir.path(), line, 0);
    for words in [
        "On these files ",
        "Throughput",
        "Samples per second",
        "CPU seconds per GB",
        "Peak memory",
        "Time to the first batch",
        "</span>one round</li>",
        "All numbers",
        "speed ×",
        "candle loop",
        "Left out",
        "absent, no &lt;i&gt;module",
        "failed, ended early, exit status: 3: &lt;b&gt;boom",
        "What differs",
        "reads nothing ahead",
        "processor",
        "bench-loader compare ",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    for absent in ["<script", "<b>", "<i>", "http://", "https://", "NaN", "inf"] {
        assert!(!page.contains(absent), "{absent}: {page}");
    }
    assert_eq!(page.matches("role=\"img\"").count(), 2 * 5, "two bars in each of five charts");
    assert_eq!(page.matches("class=\"mark\"").count(), 2 * 3 * 3, "a mark a round in three");
    let Some(dom) = dom else { return };
    assert_eq!(dom.matches("<svg").count(), 2 * 5, "{dom}");
    assert!(dom.contains("</html>"), "{dom}");
}

#[test]
fn a_page_of_compare_without_anyone_to_compare_with_says_so() {
    let dir = images(12);
    stub(dir.path(), "echo '{\"absent\": \"no module\"}'");
    let line = "compare DIR --batch-size 4 --rounds 1 --python DIR/stub \
                --augment 'random_crop(8) to_dtype(f32)' --html DIR/report.html";
    let (page, _) = read_page(dir.path(), line, 0);
    assert!(page.contains("<h1>There is nothing to compare Tallow with.</h1>"), "{page}");
    assert!(page.contains("4 contenders are absent, left out or failed"), "{page}");
}

#[test]
fn decoding_has_a_colour_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    bench(dir.path(), "gen DIR/photos --samples 6 --shape 40,50 --as jpeg --classes 2").expect(0);
    let line = "run DIR/photos --batch-size 2 --epochs 1 --augment 'center_crop(32) to_dtype(f32)' \
                --html DIR/report.html";
    let (page, _) = read_page(dir.path(), line, 0);
    // In the bar and in its legend, beside the rules for all colours.
    assert!(page.matches("t-decode").count() > 1, "{page}");
}

#[test]
fn pages_of_tune_and_compare_are_opened_before_the_work_begins() {
    let dir = pairs(5);
    truncate(&file(&dir, "input", 3), 1);
    for command in ["tune DIR --seconds 1", "compare DIR --rounds 1"] {
        let ended = bench(dir.path(), &format!("{command} --html DIR/absent/x.html")).expect(2);
        assert!(ended.stderr.contains("--html"), "{ended:#?}");
        bench(dir.path(), &format!("{command} --html DIR/x.html")).expect(1);
        assert!(!dir.path().join("x.html").exists(), "no page of what failed");
    }
}
