//! `.npy` files by hand, right and wrong ones.

/// A file of any version around any header text; nothing is padded.
pub(crate) fn with_header(version: u8, header: &str, payload: &[u8]) -> Vec<u8> {
    let mut file = b"\x93NUMPY".to_vec();
    file.extend([version, 0]);
    match version {
        1 => file.extend((header.len() as u16).to_le_bytes()),
        _ => file.extend((header.len() as u32).to_le_bytes()),
    }
    file.extend(header.as_bytes());
    file.extend(payload);
    file
}

/// The header as numpy writes it: sorted keys, padded so that the payload begins at byte 128.
pub(crate) fn header(descr: &str, fortran: bool, shape: &[usize]) -> String {
    let order = if fortran { "True" } else { "False" };
    let shape: String = shape.iter().map(|len| format!("{len}, ")).collect();
    let text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({shape}), }}");
    format!("{text:<117}\n")
}

/// A file as numpy writes it.
pub(crate) fn npy(descr: &str, shape: &[usize], payload: &[u8]) -> Vec<u8> {
    with_header(1, &header(descr, false, shape), payload)
}

/// A file of one axis of `f32`.
pub(crate) fn floats(values: &[f32]) -> Vec<u8> {
    let payload: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    npy("<f4", &[values.len()], &payload)
}
