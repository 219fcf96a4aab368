//! One folder of files, which is one field: the file of each sample becomes its row.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tallow_images::{Color, Depth, Format, Head, Limits as PictureLimits};

use crate::codecs::{Header, NpyReader};
use crate::files::{
    File, Folder, Limits, Names, Section, Stamp, foreign, open_folder, read_file, read_whole,
};
use crate::{
    Error, ErrorKind, Extent, Field, FieldMut, Location, Picture, Result, RowBuffer, Schema,
};

/// Extensions of the files that may be pictures. What a file is, its first bytes say.
pub(super) const PICTURES: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// Files tried for a first one: a folder of nothing but foreign files should be refused soon.
const TRIED_MAX: usize = 100;

/// A folder, the names of its files in the order of the samples, and how they are read.
#[derive(Debug)]
pub(super) struct Column {
    root: PathBuf,
    folder: Folder,
    pub(super) names: Arc<Names>,
    reader: Reader,
}

/// How a file becomes a row.
#[derive(Debug)]
enum Reader {
    /// The array of a `.npy` file.
    Array(NpyReader),
    /// The file of a picture, as it is.
    Picture,
}

impl Column {
    /// A folder of `.npy` files, and the header of the first.
    pub(super) fn of_arrays(
        field: &str,
        root: &Path,
        names: Arc<Names>,
        limits: &Limits,
    ) -> Result<(Self, Arc<Header>)> {
        let folder = open_folder(root)?;
        let (at, first) = first_of(&folder, root, &names, |file| {
            let read = |stamp: &Stamp| Header::read(Section::of_file(file, stamp.bytes), limits);
            let (_, header) = Stamp::at_rest(file, read)?;
            limits.check_sample(&Field::new(field, header.dtype, &header.shape))?;
            Ok(header)
        })?;
        let first = Arc::new(first);
        let reader = NpyReader::new(first.clone(), root.join(names.path(at)), *limits);
        let reader = Reader::Array(reader);
        Ok((Self { root: root.to_owned(), folder, names, reader }, first))
    }

    /// A folder of files of pictures, and what they are taken for. Without a `picture` that is what
    /// the first of them suggests: numbers as stored of a PNG with one channel, RGB of all others.
    /// `sided` limits the sides of both.
    pub(super) fn of_pictures(
        root: &Path,
        names: Arc<Names>,
        picture: Option<&Picture>,
        sided: &dyn Fn(Picture) -> Result<Picture>,
    ) -> Result<(Self, Picture)> {
        let folder = open_folder(root)?;
        let picture = picture.cloned().map(sided).transpose()?;
        let picture = picture.as_ref();
        let bytes_max =
            picture.map_or(Picture::rgb().payload_bytes_max(), Picture::payload_bytes_max);
        let any = Picture::rgb().payload_bytes(bytes_max);
        let mut row = RowBuffer::new(&Schema::new(vec![Field::pictures("first", any)])?)?;
        let (_, suggested) = first_of(&folder, root, &names, |file| {
            let mut row = row.row(None);
            let mut field = row.field(0);
            read_picture(file, &mut field)?;
            let payload = field.as_mut_bytes()?;
            match picture {
                Some(picture) => picture.head(payload).map(|_| picture.clone()),
                None => suggested(payload, sided),
            }
        })?;
        let column = Self { root: root.to_owned(), folder, names, reader: Reader::Picture };
        Ok((column, suggested))
    }

    /// Reads the file of sample `index`.
    pub(super) fn read(&self, index: usize, field: &mut FieldMut<'_>) -> Result<()> {
        let name = self.names.get(index);
        let stopped = field.stop_flag();
        let result = read_file(&self.folder, name, stopped, |file| {
            field.restart();
            match &self.reader {
                Reader::Array(reader) => reader.read(file, field),
                Reader::Picture => read_picture(file, field),
            }
        });
        result.map_err(|error| self.place(error, index, field.declared()))
    }

    /// The folder.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The path of the file of sample `index`.
    pub(super) fn path(&self, index: usize) -> PathBuf {
        self.root.join(self.names.path(index))
    }

    /// The same as a location.
    pub(super) fn location(&self, index: usize) -> Location {
        Location::file(self.path(index))
    }

    #[cold]
    fn place(&self, error: Error, index: usize, field: &Field) -> Error {
        error.with_path(self.path(index)).with_field(field.name()).with_index(index)
    }

    /// The bytes of the file of sample `index`, which is of `field`.
    pub(super) fn extent(&self, index: usize, field: &Field) -> Extent {
        let bytes = match &self.reader {
            Reader::Array(reader) => {
                let header = reader.first();
                header.text.len() + header.stored_bytes(&field.max_shape())
            }
            Reader::Picture => field.max_bytes(),
        };
        Extent::whole(self.location(index), bytes)
    }
}

/// Reads the file of a picture, of which only the first bytes are looked at.
fn read_picture(file: &File, field: &mut FieldMut<'_>) -> Result<()> {
    read_whole(file, field)?;
    check_picture(field.as_mut_bytes()?)
}

/// Refuses what is known to be something else.
pub(crate) fn check_picture(payload: &[u8]) -> Result<()> {
    match Format::of(payload) {
        Some(_) => Ok(()),
        // What is not recognized is for the decoder to refuse.
        None => foreign::no_picture(payload).map_or(Ok(()), Err),
    }
}

/// What the pictures of a folder are, by one of them: a mask of classes is mostly a PNG of one
/// channel, whose numbers mean something as they are.
pub(crate) fn suggested(
    payload: &[u8],
    sided: &dyn Fn(Picture) -> Result<Picture>,
) -> Result<Picture> {
    let head = Head::read(payload, &PictureLimits::default()).map_err(Error::of_picture)?;
    let is_mask = head.format == Format::Png && head.channels_of(Color::Stored) == 1;
    let picture = match (is_mask, head.depth) {
        (false, _) => Picture::rgb(),
        (true, depth @ (Depth::Eight | Depth::Sixteen)) => Picture::stored(depth),
    };
    let picture = sided(picture)?;
    picture.head(payload).map(|_| picture)
}

/// What `read` makes of the first file, or, so that one bad file is an error in its own place and not
/// of the whole folder, of the first of some that it can read.
fn first_of<T>(
    folder: &Folder,
    root: &Path,
    names: &Names,
    mut read: impl FnMut(&File) -> Result<T>,
) -> Result<(usize, T)> {
    let mut first_error = None;
    for index in 0..names.len().min(TRIED_MAX) {
        let mut found = None;
        let result = read_file(
            folder,
            names.get(index),
            || false,
            |file| {
                found = Some(read(file)?);
                Ok(())
            },
        );
        match (result, found) {
            (Ok(()), Some(found)) => return Ok((index, found)),
            (Err(error), _) => {
                first_error.get_or_insert(error.with_path(root.join(names.path(index))));
            }
            (Ok(()), None) => {}
        }
    }
    Err(first_error.unwrap_or_else(|| Error::new(ErrorKind::Empty, "no file").with_path(root)))
}
