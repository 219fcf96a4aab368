//! Archives, written byte by byte.

/// A header of these fields, with its checksum.
pub(crate) fn header(name: &str, kind: u8, size: &[u8; 12]) -> [u8; 512] {
    let mut block = [0; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[100..108].copy_from_slice(b"0000644\0");
    block[124..136].copy_from_slice(size);
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    summed(block)
}

/// The same with the checksum that belongs to it.
pub(crate) fn summed(mut block: [u8; 512]) -> [u8; 512] {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// The digits of a size.
pub(crate) fn octal(size: usize) -> [u8; 12] {
    format!("{size:011o}\0").as_bytes().try_into().unwrap()
}

/// An entry: its header, its bytes, and what fills the last block.
pub(crate) fn entry(name: &str, kind: u8, bytes: &[u8]) -> Vec<u8> {
    let mut entry = header(name, kind, &octal(bytes.len())).to_vec();
    entry.extend(padded(bytes));
    entry
}

/// Bytes, and zeros up to the end of a block.
pub(crate) fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(512), 0);
    padded
}

/// Files, and the two blocks that end an archive.
pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut all: Vec<u8> =
        files.iter().flat_map(|(name, bytes)| entry(name, b'0', bytes)).collect();
    all.extend([0; 1024]);
    all
}

/// A record of an extended header, which counts its own length.
pub(crate) fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let len = (1..).find(|len: &usize| len.to_string().len() + rest.len() == *len);
    format!("{}{rest}", len.unwrap()).into_bytes()
}
