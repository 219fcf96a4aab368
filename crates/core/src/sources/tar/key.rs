//! From the name of a member to the sample that it belongs to, as the package `webdataset` has it.

/// The key of a sample, and what the member is of it: everything after the first dot of its name,
/// in lower case. `None` for members that are no part of a sample: names without a dot or that begin with
/// one, those of metadata like `__index__`, and what file managers leave behind.
pub(crate) fn split(name: &[u8]) -> Option<(&[u8], String)> {
    let mut name = name;
    while let Some(rest) = name.strip_prefix(b"./") {
        name = rest;
    }
    let mut parts = name.split(|&byte| byte == b'/');
    let first = parts.clone().next().unwrap_or_default();
    let is_metadata = first.len() > 3 && first.starts_with(b"__") && first.ends_with(b"__");
    if is_metadata || parts.any(|part| part == b"__MACOSX") {
        return None;
    }
    let start = name.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let dot = name[start..].iter().position(|&byte| byte == b'.').filter(|&dot| dot > 0)?;
    let extension = std::str::from_utf8(&name[start + dot + 1..]).ok()?;
    (!extension.is_empty()).then(|| (&name[..start + dot], extension.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_ends_at_the_first_dot_of_the_last_part() {
        for (name, expected) in [
            ("a.jpg", Some(("a", "jpg"))),
            ("./x/a.b.JPG", Some(("x/a", "b.jpg"))),
            ("x.y/a.cls", Some(("x.y/a", "cls"))),
            ("a", None),
            ("a.", None),
            (".a.jpg", None),
            ("x/._a.jpg", None),
            ("__MACOSX/x/a.jpg", None),
            ("__index__.json", Some(("__index__", "json"))),
            ("__meta__/a.json", None),
            ("__a__", None),
        ] {
            let found = split(name.as_bytes());
            let found = found.as_ref().map(|(key, ext)| (str::from_utf8(key).unwrap(), &**ext));
            assert_eq!(found, expected, "{name}");
        }
    }
}
