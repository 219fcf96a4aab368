use std::borrow::Cow;
use std::ffi::CString;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::npz_file::{choose, field_of, place_of};
use super::npz_layout::NpzLayout;
use crate::codecs::Header;
use crate::error::{list_names, quoted};
use crate::files::{
    Archive, File, Folder, Limits, Listing, Member, Names, Pattern, Section, Stamp, absolute, list,
    not_inflated, open_folder, read_file, read_stored,
};
use crate::fingerprint::Versions;
use crate::{
    Dim, Error, ErrorKind, Extent, Field, FieldId, FieldMut, Fingerprint, Location, Result, Row,
    Schema, Source,
};

/// A folder of `.npz` files: each file is a sample, and each array in it a field, named as its member
/// without `.npy`.
///
/// Samples are in the byte order of the names; hidden names and other extensions are passed over. The
/// fields are those of the first file that can be read, in the order in which its archive lists them, or as
/// [chosen](NpzFolderBuilder::fields). Every other file must hold the same ones; one that does not is an error
/// of its own sample. Element types become those of rows as in [`NpyFolders`](crate::NpyFolders).
///
/// Arrays are stored as they are by `np.savez`. A file that is laid out as the first one is not parsed: it
/// costs an open, a stat, a close, one read of its directory, and one per field, straight into the
/// row. Checksums of such arrays are not compared. Arrays that `np.savez_compressed` wrote are
/// inflated into the row, as many bytes as the archive declares and the field admits, and their checksums
/// are compared. Holds one descriptor, and one more per thread that reads.
///
/// ```no_run
/// use tallow_core::{NpzFolder, Source};
///
/// let source = NpzFolder::open("scans")?; // scans/0001.npz of image.npy and label.npy
/// println!("{} samples of {}", source.len(), source.schema());
/// # Ok::<(), tallow_core::Error>(())
/// ```
#[derive(Debug)]
pub struct NpzFolder {
    place: Place,
    names: Names,
    ignored: usize,
    versions: Versions,
    schema: Schema,
    /// Whether files may hold more arrays than those that are read.
    is_choice: bool,
    first: PathBuf,
    layout: Option<NpzLayout>,
    limits: Limits,
}

/// Where the names lead.
#[derive(Debug)]
enum Place {
    Folder(PathBuf, Folder),
    /// Files that were named one by one, by whole paths.
    Files,
}

impl Place {
    fn folder(&self) -> &Folder {
        match self {
            Self::Folder(_, folder) => folder,
            Self::Files => &Folder::Anywhere,
        }
    }

    fn path(&self, name: &Path) -> PathBuf {
        match self {
            Self::Folder(root, _) => root.join(name),
            Self::Files => name.to_owned(),
        }
    }
}

/// Which files, and how they are read.
#[derive(Debug, Clone)]
#[must_use]
pub struct NpzFolderBuilder {
    files: Files,
    fields: Option<Vec<String>>,
    ragged: Vec<(String, usize, usize)>,
    recursive: bool,
    limits: Limits,
}

#[derive(Debug, Clone)]
enum Files {
    Of(PathBuf),
    Named(Vec<PathBuf>),
}

impl NpzFolderBuilder {
    /// Reads only these arrays, in this order, whatever else the files hold. By default all arrays of the
    /// first file are read.
    pub fn fields<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.fields = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Lets `axis` of the field `name` differ from file to file, up to `max`. No axis is ragged by
    /// default.
    pub fn ragged(mut self, name: impl Into<String>, axis: usize, max: usize) -> Self {
        self.ragged.push((name.into(), axis, max));
        self
    }

    /// Also reads the files in subfolders. Off by default.
    pub fn recursive(mut self) -> Self {
        self.recursive = true;
        self
    }

    /// How much a file may claim to hold. The default is [`Limits::default`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Lists the folder, and reads the directory and the headers of a first file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Empty`] when there is no file; [`ErrorKind::Config`] for a field or a ragged axis that
    /// does not exist; [`ErrorKind::Changed`] when the folder goes on changing while it is listed; or
    /// what is wrong with the first file when none of the first hundred can be read.
    pub fn open(self) -> Result<NpzFolder> {
        let (place, Listing { names, ignored, versions, .. }) = self.list()?;
        let First { at, fields, layout } = self.first(&place, &names)?;
        let first = place.path(names.path(at));
        let declared = self.declare(fields).and_then(Schema::new);
        let schema = declared.map_err(|error| error.with_path(&first))?;
        let is_choice = self.fields.is_some();
        let limits = self.limits;
        Ok(NpzFolder { place, names, versions, ignored, schema, is_choice, first, layout, limits })
    }

    fn list(&self) -> Result<(Place, Listing)> {
        match &self.files {
            Files::Of(root) => {
                let listing = list(root, &["npz"], &Pattern::default(), self.recursive)?;
                if listing.names.len() == 0 {
                    let message = format!("no .npz file, {} other entries", listing.ignored);
                    return Err(Error::new(ErrorKind::Empty, message).with_path(root));
                }
                let folder = open_folder(root)?;
                Ok((Place::Folder(root.clone(), folder), listing))
            }
            Files::Named(paths) if paths.is_empty() => {
                Err(Error::new(ErrorKind::Empty, "no .npz file is named"))
            }
            Files::Named(paths) => {
                let name = |path: &PathBuf| {
                    let whole = absolute(path)?;
                    CString::new(whole.into_os_string().as_bytes()).map_err(|_| {
                        let message = "a path with a zero byte, which no file has";
                        Error::new(ErrorKind::Config, message).with_path(path)
                    })
                };
                let names = paths.iter().map(name).collect::<Result<Vec<_>>>()?;
                let names = names.iter().map(CString::as_c_str);
                let names = Names::from_sorted(names, Pattern::default());
                let versions = Versions::default();
                Ok((Place::Files, Listing { names, ignored: 0, folders: Vec::new(), versions }))
            }
        }
    }

    /// The first file that can be read, or of which anything can be said.
    fn first(&self, place: &Place, names: &Names) -> Result<First> {
        /// A folder of nothing but foreign files should be refused soon.
        const TRIED_MAX: usize = 100;
        let mut first_error = None;
        for at in 0..names.len().min(TRIED_MAX) {
            let mut found = None;
            let read = read_file(
                place.folder(),
                names.get(at),
                || false,
                |file| {
                    found = Some(Stamp::at_rest(file, |stamp| self.look_at(file, stamp.bytes))?.1);
                    Ok(())
                },
            );
            match (read, found) {
                (Ok(()), Some((fields, layout))) => return Ok(First { at, fields, layout }),
                (Err(error), _) => {
                    first_error.get_or_insert(error.with_path(place.path(names.path(at))));
                }
                (Ok(()), None) => {}
            }
        }
        Err(first_error.unwrap_or_else(|| Error::new(ErrorKind::Empty, "no .npz file")))
    }

    /// The fields of a file, and how it is laid out.
    fn look_at(&self, file: &File, file_bytes: u64) -> Result<(Vec<Field>, Option<NpzLayout>)> {
        let mut archive = Archive::read(file, file_bytes)?;
        let places = choose(archive.members(), self.fields.as_deref())?;
        let (mut fields, mut headers) = (Vec::new(), Vec::new());
        for &at in &places {
            let name = field_of(&archive.members()[at].name).to_owned();
            let header = self.header(file, file_bytes, &mut archive, at);
            let header = header.map_err(|error| error.with_field(&name))?;
            fields.push(Field::new(name, header.dtype, &header.shape));
            headers.push(header);
        }
        let layout = NpzLayout::of(file, file_bytes, &archive, &places, &headers);
        Ok((fields, layout))
    }

    fn header(
        &self,
        file: &File,
        file_bytes: u64,
        archive: &mut Archive<'_>,
        at: usize,
    ) -> Result<Header> {
        let member = &archive.members()[at];
        if !member.is_compressed {
            return Header::read(section_of(file, file_bytes, member), &self.limits);
        }
        check_inflated(member, self.limits.sample_bytes, &self.limits)?;
        let inflated = archive.inflated(at)?;
        Header::read(Section::of_memory(&inflated), &self.limits)
    }

    /// The fields with their ragged axes, within the limits.
    fn declare(&self, fields: Vec<Field>) -> Result<Vec<Field>> {
        let names = fields.iter().map(|field| quoted(field.name()));
        if let Some((name, ..)) =
            self.ragged.iter().find(|(name, ..)| fields.iter().all(|field| field.name() != name))
        {
            let held = list_names(names);
            let message = format!("a ragged axis of {}, the arrays are {held}", quoted(name));
            return Err(Error::new(ErrorKind::Config, message));
        }
        let declare = |field: Field| {
            let mut dims = field.dims().to_vec();
            for (_, axis, max) in self.ragged.iter().filter(|(name, ..)| name == field.name()) {
                let Some(dim) = dims.get_mut(*axis) else {
                    let message = format!("a ragged axis {axis}, found {field}");
                    return Err(Error::new(ErrorKind::Config, message).with_field(field.name()));
                };
                *dim = Dim::Ragged { max: *max };
            }
            let field = Field::with_dims(field.name(), field.dtype(), dims);
            self.limits.check_sample(&field)?;
            Ok(field)
        };
        fields.into_iter().map(declare).collect()
    }
}

struct First {
    at: usize,
    fields: Vec<Field>,
    layout: Option<NpzLayout>,
}

fn section_of<'a>(file: &'a File, file_bytes: u64, member: &Member) -> Section<'a> {
    let end = member.start.saturating_add(member.bytes).min(file_bytes);
    Section::of_file(file, end).part(member.start, u64::MAX)
}

/// Whether an array of `most` bytes can inflate to this many.
fn check_inflated(member: &Member, most: usize, limits: &Limits) -> Result<()> {
    let most = (most as u64).saturating_add(limits.header_bytes as u64);
    if member.bytes <= most {
        return Ok(());
    }
    let message = format!("inflates to {} bytes, at most {most}", member.bytes);
    Err(Error::new(ErrorKind::TooLarge, message))
}

impl NpzFolder {
    /// The files in `folder`.
    ///
    /// # Errors
    ///
    /// As [`NpzFolderBuilder::open`].
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self> {
        Self::builder(folder).open()
    }

    /// The files in `folder`, read in another way.
    pub fn builder(folder: impl Into<PathBuf>) -> NpzFolderBuilder {
        Self::build(Files::Of(folder.into()))
    }

    /// These files, in this order.
    pub fn of_files<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> NpzFolderBuilder {
        Self::build(Files::Named(paths.into_iter().map(Into::into).collect()))
    }

    fn build(files: Files) -> NpzFolderBuilder {
        let limits = Limits::default();
        NpzFolderBuilder { files, fields: None, ragged: Vec::new(), recursive: false, limits }
    }

    /// Entries of the folder that were passed over: hidden ones and those of other extensions.
    pub fn ignored(&self) -> usize {
        self.ignored
    }

    /// Bytes that the names take.
    pub fn memory_bytes(&self) -> usize {
        self.names.memory_bytes()
    }

    fn path(&self, index: usize) -> PathBuf {
        self.place.path(self.names.path(index))
    }

    fn read_some(
        &self,
        index: usize,
        fields: impl Iterator<Item = usize> + Clone,
        row: &mut Row<'_>,
    ) -> Result<()> {
        let stop = row.stop();
        let is_stopped = || stop.is_some_and(|it| it.load(std::sync::atomic::Ordering::Relaxed));
        let read = read_file(self.place.folder(), self.names.get(index), is_stopped, |file| {
            if self.read_settled(file, fields.clone(), row)? {
                return Ok(());
            }
            let read = |stamp: &Stamp| self.read_between(file, stamp.bytes, fields.clone(), row);
            Stamp::at_rest(file, read).map(|_| ())
        });
        read.map_err(|error| error.with_path(self.path(index)).with_index(index))
    }

    /// The usual way: a file that is laid out as the first, and was not written to lately. `false` for
    /// every other file, and for all that may be wrong, which the long way then finds again and puts
    /// into words.
    fn read_settled(
        &self,
        file: &File,
        fields: impl Iterator<Item = usize>,
        row: &mut Row<'_>,
    ) -> Result<bool> {
        let Some(layout) = &self.layout else { return Ok(false) };
        let begun = SystemTime::now();
        let read = match layout.read(file, fields, row) {
            Err(error) if error.kind() == ErrorKind::Stopped => return Err(error),
            read => read.unwrap_or(false),
        };
        if !read {
            return Ok(false);
        }
        let stamp = Stamp::of_regular(file)?;
        Ok(stamp.bytes == layout.file_bytes() && stamp.is_settled(begun))
    }

    fn read_between(
        &self,
        file: &File,
        file_bytes: u64,
        fields: impl Iterator<Item = usize>,
        row: &mut Row<'_>,
    ) -> Result<()> {
        let mut archive = Archive::read(file, file_bytes)?;
        self.check_members(archive.members())?;
        for (at, field) in fields.enumerate() {
            let mut to = row.field(at);
            to.restart();
            let name = self.schema.fields()[field].name();
            let read = self.read_member(file, file_bytes, &mut archive, field, &mut to);
            read.map_err(|error| error.with_field(name))?;
        }
        Ok(())
    }

    /// Whether a file holds the arrays of the first one and no others.
    fn check_members(&self, members: &[Member]) -> Result<()> {
        let first = &self.first;
        let fields = self.schema.fields();
        let is_absent = |field: &&Field| place_of(members, field.name()).is_err();
        if let Some(absent) = fields.iter().find(is_absent) {
            let message =
                format!("no array {}, expected one as in {first:?}", quoted(absent.name()));
            return Err(Error::new(ErrorKind::ShapeMismatch, message).with_field(absent.name()));
        }
        if self.is_choice || members.len() == fields.len() {
            return Ok(());
        }
        let is_spare = |member: &&Member| {
            fields.iter().all(|field| place_of(std::slice::from_ref(member), field.name()).is_err())
        };
        let spare = members.iter().find(is_spare).map_or("", |member| &member.name);
        let message = format!(
            "member {} is not in {first:?}; choose the arrays of all files with .fields(..)",
            quoted(spare)
        );
        Err(Error::new(ErrorKind::ShapeMismatch, message))
    }

    fn read_member(
        &self,
        file: &File,
        file_bytes: u64,
        archive: &mut Archive<'_>,
        field: usize,
        to: &mut FieldMut<'_>,
    ) -> Result<()> {
        let declared = &self.schema.fields()[field];
        let at = place_of(archive.members(), declared.name())?;
        let member = &archive.members()[at];
        if member.is_compressed {
            check_inflated(member, declared.max_bytes(), &self.limits)?;
            return self.inflate(archive, at, to);
        }
        let start = member.start;
        let header = Header::read(section_of(file, file_bytes, member), &self.limits)
            .map_err(|error| error.with_offset_from(start))?;
        header.check_like(to.declared(), &self.first)?;
        to.set_shape(&header.shape)?;
        let start = start + header.payload_offset();
        if header.is_plain() {
            return to.read_from(file, start);
        }
        let bytes = header.stored_bytes(&header.shape);
        let stored = read_stored(file, start, bytes, to.stop_flag())?;
        header.widening.write(&header.straightened(stored)?, to)
    }

    /// Inflates member `at`: its header, and the elements into the row.
    fn inflate(&self, archive: &mut Archive<'_>, at: usize, to: &mut FieldMut<'_>) -> Result<()> {
        let bytes = archive.members()[at].bytes;
        let mut reader = archive.reader(at)?;
        let mut head = [0; HEAD_BYTES];
        let head = &mut head[..usize::try_from(bytes).unwrap_or(HEAD_BYTES).min(HEAD_BYTES)];
        reader.read_exact(head).map_err(not_inflated)?;
        let header = Header::of_beginning(head, bytes, &self.limits);
        let Some(header) = header.filter(Header::is_plain) else {
            drop(reader);
            let inflated = archive.inflated(at)?;
            let header = Header::read(Section::of_memory(&inflated), &self.limits)?;
            header.check_like(to.declared(), &self.first)?;
            to.set_shape(&header.shape)?;
            let elements = &inflated[header.text.len()..][..header.stored_bytes(&header.shape)];
            return header.widening.write(&header.straightened(elements.to_vec())?, to);
        };
        header.check_like(to.declared(), &self.first)?;
        to.set_shape(&header.shape)?;
        let known = &head[header.text.len()..];
        let row = to.as_mut_bytes()?;
        let (begun, rest) = row.split_at_mut(known.len().min(row.len()));
        begun.copy_from_slice(&known[..begun.len()]);
        reader.read_exact(rest).map_err(not_inflated)?;
        // To the end, where the checksum is compared. What comes after the array is not kept.
        let after = bytes - (head.len() + rest.len()) as u64;
        let mut end = reader.take(after + 1);
        let found = std::io::copy(&mut end, &mut std::io::sink()).map_err(not_inflated)?;
        if found == after {
            return Ok(());
        }
        let message = format!("inflates to another number of bytes than {bytes}");
        Err(Error::new(ErrorKind::Header, message))
    }
}

/// Inflated at once, to have the header of an array: numpy writes 128 bytes.
const HEAD_BYTES: usize = 256;

impl Source for NpzFolder {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.names.len()
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        self.read_some(index, 0..self.schema.fields().len(), row)
    }

    fn read_fields(&self, index: usize, fields: &[usize], row: &mut Row<'_>) -> Result<()> {
        self.read_some(index, fields.iter().copied(), row)
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        Cow::Owned(self.path(index).display().to_string())
    }

    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        self.schema.holds(field).then(|| Location::file(self.path(index)))
    }

    /// Of the names of the files.
    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("npz_folder").text(&self.schema.to_string());
        match &self.place {
            Place::Folder(..) => {
                start.bytes(self.names.as_bytes()).with_versions(self.versions).finish()
            }
            // Their folder is no part of the data.
            Place::Files => {
                let name = |at| self.names.path(at).file_name().unwrap_or_default().as_bytes();
                let names = (0..self.names.len()).map(name);
                names.fold(start, |print, name| print.bytes(name).bytes(b"\0")).finish()
            }
        }
    }

    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        let bytes = match &self.layout {
            Some(layout) => usize::try_from(layout.file_bytes()).unwrap_or(usize::MAX),
            None => self.schema.max_bytes(),
        };
        visit(&Extent::whole(Location::file(self.path(index)), bytes));
    }
}
