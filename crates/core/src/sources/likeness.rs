//! How names that do not pair are alike after all, so that an error can say what to do.

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization;

use crate::files::{Names, Pattern};

/// Why the names of two folders are not equal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    /// They are, once both are normalized: file systems of macOS write accents apart from their
    /// letters.
    Normalization,
    /// They are, in one case.
    Case,
    /// They are, except for what surrounds the part that partners share: the patterns of both.
    Affixes(Pattern, Pattern),
}

/// A name in two parts: its folder, and what matches the star of the pattern.
type Key<'a> = (&'a str, &'a str);

impl Likeness {
    /// How `ours` are alike to `theirs`, if most of the fewer are: indices of files without a
    /// partner in the other folder.
    pub(super) fn between(ours: (&Names, &[usize]), theirs: (&Names, &[usize])) -> Option<Self> {
        let (a, b) = (keys(ours), keys(theirs));
        let joined = |(folder, name): &Key<'_>| [*folder, *name].concat();
        let normal = |key: &Key<'_>| Some(joined(key).nfc().collect::<String>());
        let lower = |key: &Key<'_>| Some(joined(key).nfc().collect::<String>().to_lowercase());
        if are_alike(&a, &b, normal, normal) {
            return Some(Self::Normalization);
        }
        if are_alike(&a, &b, lower, lower) {
            return Some(Self::Case);
        }
        let core = |around: &Pattern, name: &str| {
            Some(around.strip(name.as_bytes())?.to_vec()).filter(|core| !core.is_empty())
        };
        let of = |around: Pattern| {
            move |(folder, name): &Key<'_>| Some((folder.to_string(), core(&around, name)?))
        };
        let affixes = affixes(&a, &b).into_iter();
        let mut fitting = affixes.filter(|[around_a, around_b]| {
            // Numbers end alike by chance.
            around_a.is_word()
                && around_b.is_word()
                && are_alike(&a, &b, of(around_a.clone()), of(around_b.clone()))
        });
        let [around_a, around_b] = fitting.next()?;
        let (ours, theirs) = (ours.0.pattern(), theirs.0.pattern());
        Some(Self::Affixes(ours.around(around_a), theirs.around(around_b)))
    }
}

fn keys<'a>((names, indices): (&'a Names, &[usize])) -> Vec<Key<'a>> {
    let text = |bytes: &'a [u8]| std::str::from_utf8(bytes).ok();
    let key = |&index: &usize| {
        let (folder, name) = names.key(index);
        Some((text(folder)?, text(name)?))
    };
    indices.iter().filter_map(key).collect()
}

/// Whether at least half of the fewer names are among the others, each as its function has it.
fn are_alike<T: std::hash::Hash + Eq>(
    a: &[Key<'_>],
    b: &[Key<'_>],
    of_a: impl Fn(&Key<'_>) -> Option<T>,
    of_b: impl Fn(&Key<'_>) -> Option<T>,
) -> bool {
    let others: HashSet<T> = b.iter().filter_map(of_b).collect();
    let found = a.iter().filter_map(of_a).filter(|name| others.contains(name)).count();
    found > 0 && 2 * found >= a.len().min(b.len())
}

/// What most names of each list begin and end with, and those of the other list do not: of few
/// names that depends on the end at which one looks first.
fn affixes(a: &[Key<'_>], b: &[Key<'_>]) -> [[Pattern; 2]; 2] {
    let names = |keys: &[Key<'_>]| keys.iter().map(|key| key.1.to_owned()).collect::<Vec<_>>();
    let (a, b) = (names(a), names(b));
    let endings_first = beginnings_and_endings(reversed(&a), reversed(&b))
        .map(|(suffix, prefix)| Pattern::new(&backwards(&prefix), &backwards(&suffix)));
    let beginnings_first =
        beginnings_and_endings(a, b).map(|(prefix, suffix)| Pattern::new(&prefix, &suffix));
    [endings_first, beginnings_first]
}

fn backwards(name: &str) -> String {
    name.chars().rev().collect()
}

fn reversed(names: &[String]) -> Vec<String> {
    names.iter().map(|name| backwards(name)).collect()
}

fn beginnings_and_endings(a: Vec<String>, b: Vec<String>) -> [(String, String); 2] {
    let [begin_a, begin_b] = differing_beginnings(&a, &b);
    let rest = |names: Vec<String>, beginning: &str| {
        let rests = names.iter().filter_map(|name| name.strip_prefix(beginning));
        rests.map(backwards).collect::<Vec<String>>()
    };
    let (a, b) = (rest(a, &begin_a), rest(b, &begin_b));
    let [end_a, end_b] = differing_beginnings(&a, &b).map(|end| backwards(&end));
    [(begin_a, end_a), (begin_b, end_b)]
}

/// What most of each list begin with, up to where both go on alike.
fn differing_beginnings(a: &[String], b: &[String]) -> [String; 2] {
    let (a, b) = (beginning_of_most(a), beginning_of_most(b));
    let alike = a.chars().rev().zip(b.chars().rev()).take_while(|(a, b)| a == b);
    let bytes: usize = alike.map(|(c, _)| c.len_utf8()).sum();
    let (own_a, alike) = a.split_at(a.len() - bytes);
    let own_b = &b[..b.len() - bytes];
    // "img" and "seg" are words, though both end in the same letter.
    let in_word = |own: &str| own.ends_with(char::is_alphabetic);
    let kept = match in_word(own_a) || in_word(own_b) {
        true => alike.len() - alike.trim_start_matches(char::is_alphabetic).len(),
        false => 0,
    };
    [a[..own_a.len() + kept].to_owned(), b[..own_b.len() + kept].to_owned()]
}

/// The longest beginning that more than half of `names` share.
fn beginning_of_most(names: &[String]) -> String {
    let mut sorted: Vec<&str> = names.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    let shared = |first: &str, last: &str| {
        let alike = first.chars().zip(last.chars()).take_while(|(a, b)| a == b);
        alike.map(|(c, _)| c.len_utf8()).sum::<usize>()
    };
    // Names that share a beginning are neighbours.
    let windows = sorted.windows(names.len() / 2 + 1);
    let longest = windows.max_by_key(|window| shared(window[0], window[window.len() - 1]));
    longest.map_or(String::new(), |window| {
        window[0][..shared(window[0], window[window.len() - 1])].to_owned()
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;

    use super::*;

    fn likeness(a: &[&str], b: &[&str]) -> Option<Likeness> {
        let names = |stems: &[&str]| {
            let files = stems.iter().map(|stem| CString::new(format!("{stem}.npy")).unwrap());
            let mut files: Vec<CString> = files.collect();
            files.sort_unstable();
            Names::from_sorted(files.iter().map(CString::as_c_str), Pattern::default())
        };
        let (a, b) = (names(a), names(b));
        let all = |names: &Names| (0..names.len()).collect::<Vec<_>>();
        Likeness::between((&a, &all(&a)), (&b, &all(&b)))
    }

    fn patterns(a: &[&str], b: &[&str]) -> Option<(String, String)> {
        match likeness(a, b)? {
            Likeness::Affixes(a, b) => Some((a.to_string(), b.to_string())),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn accents_apart_from_their_letters_and_capitals_are_told() {
        assert_eq!(likeness(&["caf\u{e9}"], &["cafe\u{301}"]), Some(Likeness::Normalization));
        assert_eq!(likeness(&["Cat", "dog"], &["cat", "Dog"]), Some(Likeness::Case));
        assert_eq!(likeness(&["CAF\u{c9}"], &["cafe\u{301}"]), Some(Likeness::Case));
        assert_eq!(likeness(&["cat"], &["dog"]), None);
        assert_eq!(likeness(&["cat"], &[]), None);
    }

    #[test]
    fn what_surrounds_the_shared_part_is_found_though_some_files_have_no_partner() {
        for (a, b, pattern_a, pattern_b) in [
            (&["s0", "s1", "s2"][..], &["s0_mask", "s1_mask", "s2_mask"][..], "*", "*_mask"),
            (&["a"], &["a_mask"], "*", "*_mask"),
            (&["img_1"], &["mask_1"], "img*", "mask*"),
            (&["img_01", "img_02"], &["label_01", "label_02"], "img*", "label*"),
            (&["01", "02", "03"], &["seg01", "seg02"], "*", "seg*"),
            (&["x_1_rgb", "y_2_rgb"], &["m_x_1_d", "m_y_2_d"], "*rgb", "m_*d"),
            (&["01", "02", "03", "readme"], &["01-seg", "02-seg", "03-seg"], "*", "*-seg"),
            (&["a/1", "b/2"], &["a/1_t", "b/2_t"], "*", "*_t"),
        ] {
            let expected = Some((pattern_a.to_owned(), pattern_b.to_owned()));
            assert_eq!(patterns(a, b), expected, "{a:?} {b:?}");
        }
        assert_eq!(patterns(&["1", "2", "3"], &["4", "5", "6"]), None);
        assert_eq!(patterns(&["abc", "abd"], &["xyz", "xyw"]), None);
    }
}
