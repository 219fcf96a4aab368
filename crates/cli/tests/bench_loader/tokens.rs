//! Files of tokens.

use crate::tester::bench;

fn tokens(from: u16, to: u16) -> Vec<u8> {
    (from..to).flat_map(u16::to_le_bytes).collect()
}

#[test]
fn tokens_are_read_by_their_path_once_their_type_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    write("train.bin", &tokens(0, 5000));
    let ended = bench(dir.path(), "inspect DIR/train.bin").expect(2);
    assert!(ended.stderr.contains("tell it with --tokens TYPE, u16"), "{ended:#?}");
    let json = bench(dir.path(), "inspect DIR/train.bin --tokens u16 --json").expect(0).json();
    assert_eq!((&json["samples"], &json["fields"][1]["name"]), (&4.into(), &"target".into()));
    let json = bench(dir.path(), "run DIR/train.bin --tokens u16:64 --epochs 1 --json").expect(0);
    assert_eq!(json.json()["samples"], 78);
    bench(dir.path(), "check DIR/train.bin --tokens u16:64").expect(0);
    let digest = |place: &str| {
        let line = format!("digest {place} --tokens u16:50 --shuffle --json");
        bench(dir.path(), &line).expect(0).json()["digest"].clone()
    };
    let whole = digest("DIR/train.bin");
    write("p0.tokens", &tokens(0, 1234));
    write("p1.tokens", &tokens(1234, 5000));
    assert_eq!(digest("'DIR/p{0..1}.tokens'"), whole, "one stream, however it is cut");
    let ended = bench(dir.path(), "inspect DIR/train.bin --tokens u16:5000").expect(1);
    assert!(ended.stderr.contains("smaller --tokens TYPE:LENGTH"), "{ended:#?}");
    bench(dir.path(), "inspect DIR/train.bin --tokens f32").expect(2);
    // A header of llm.c says what the tokens are.
    let header = [20_240_520, 1, 5000].map(i32::to_le_bytes).concat();
    write("llmc.bin", &[&header[..], &[0; 1012], &tokens(0, 5000)].concat());
    let json = bench(dir.path(), "inspect DIR/llmc.bin --json").expect(0).json();
    assert_eq!((&json["samples"], &json["bytes"]), (&4.into(), &(4 * 2050).into()));
    assert_eq!(digest("DIR/llmc.bin"), whole, "the same tokens");
    let ended = bench(dir.path(), "inspect DIR/llmc.bin --tokens u32").expect(1);
    assert!(ended.stderr.contains("found u16"), "{ended:#?}");
}
