//! Folders of `.npy` files of many samples each.

use crate::tester::bench;

/// An array of bytes of this shape, as numpy saves it.
fn npy(shape: &[usize]) -> Vec<u8> {
    let dims: String = shape.iter().map(|len| format!("{len}, ")).collect();
    let text = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({dims}), }}");
    let text = format!("{text:<117}\n");
    let head = [b"\x93NUMPY\x01\x00", &(text.len() as u16).to_le_bytes()[..], text.as_bytes()];
    let bytes: Vec<u8> = (0..shape.iter().product()).map(|at| (at * 7) as u8).collect();
    [&head.concat()[..], &bytes].concat()
}

#[test]
fn files_of_many_samples_are_read_when_asked_for_and_hinted_at_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("d")).unwrap();
    for (name, samples) in [("a", 40), ("b", 30), ("c", 7)] {
        std::fs::write(dir.path().join(format!("d/{name}.npy")), npy(&[samples, 3, 2])).unwrap();
    }
    let json = bench(dir.path(), "inspect DIR/d --stacked --json").expect(0).json();
    assert_eq!((&json["samples"], &json["bytes"]), (&77.into(), &(77 * 6).into()));
    bench(dir.path(), "check DIR/d --stacked").expect(0);
    let digest = |place: &str| {
        let line = format!("digest {place} --stacked --shuffle --json");
        bench(dir.path(), &line).expect(0).json()["digest"].clone()
    };
    assert_eq!(digest("DIR/d"), digest("'DIR/d/{a,b,c}.npy'"));
    assert_ne!(digest("DIR/d"), digest("'DIR/d/{c,b,a}.npy'"));
    let json = bench(dir.path(), "run DIR/d --stacked --epochs 1 --json").expect(0).json();
    assert_eq!(json["samples"], 77);
    for (command, code) in [("inspect", 0), ("check", 1)] {
        let ended = bench(dir.path(), &format!("{command} DIR/d")).expect(code);
        assert!(ended.stdout.contains("--stacked if each file holds many samples"), "{ended:#?}");
    }
    let ended = bench(dir.path(), "inspect 'DIR/d/*.npy'").expect(1);
    assert!(ended.stderr.contains("add --stacked if"), "{ended:#?}");
}
