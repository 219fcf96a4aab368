//! What the segments of a file have said so far.

use super::bits::Bits;
use super::frame::{ColorModel, Frame, MAX_COMPONENTS, Process};
use super::markers::{Markers, Segment, code};
use super::scan::{Coder, Scan, walk};
use super::tables::Tables;
use crate::{Error, Orientation, Result, Simd, exif};

/// A file that is read from one scan to the next.
#[derive(Debug)]
pub(crate) struct Picture<'a> {
    /// Where it is in the file.
    pub(crate) markers: Markers<'a>,
    /// The tables that were defined.
    pub(crate) tables: Tables<'a>,
    /// The frame, once its head was read.
    pub(crate) frame: Option<Frame>,
    /// How the picture has to be turned.
    pub(crate) orientation: Option<Orientation>,
    /// Units between two restart markers, 0 if there are none.
    pub(crate) restart_interval: usize,
    is_jfif: bool,
    /// The number in Adobe's segment that tells what the components stand for.
    adobe_transform: Option<u8>,
    /// Which components had a scan, and so their quantisation table.
    has_quant: [bool; MAX_COMPONENTS],
}

impl<'a> Picture<'a> {
    /// A file of which nothing was read yet.
    pub(crate) fn new(payload: &'a [u8]) -> Result<Self> {
        Ok(Self {
            markers: Markers::new(payload)?,
            tables: Tables::default(),
            frame: None,
            orientation: None,
            restart_interval: 0,
            is_jfif: false,
            adobe_transform: None,
            has_quant: [false; MAX_COMPONENTS],
        })
    }

    /// Reads up to the head of the next scan, or to where the file ends.
    pub(crate) fn next_scan_head(&mut self) -> Result<Option<Segment<'a>>> {
        while let Some(segment) = self.markers.next()? {
            if segment.code == code::SOS {
                return Ok(Some(segment));
            }
            self.take(&segment)?;
        }
        Ok(None)
    }

    /// Reads up to the data of the next scan. `None` where the file ends instead.
    pub(crate) fn next_scan(&mut self) -> Result<Option<Scan>> {
        let Some(segment) = self.next_scan_head()? else { return Ok(None) };
        let no_frame = || Error::damaged(format!("a scan without a frame at byte {}", segment.at));
        let frame = self.frame.as_mut().ok_or_else(no_frame)?;
        frame.color = color_model(frame, self.is_jfif, self.adobe_transform);
        let scan = Scan::read(&segment, frame)?;
        self.take_quant(&scan, segment.at)?;
        Ok(Some(scan))
    }

    /// The data of the scan whose head was read.
    pub(crate) fn data(&self) -> Bits<'a> {
        Bits::new(self.markers.rest())
    }

    /// Decodes the first `rows` rows of units of that scan.
    #[inline(always)]
    pub(crate) fn walk(
        &self,
        bits: &mut Bits<'_>,
        scan: &Scan,
        rows: usize,
        coder: &mut impl Coder,
    ) -> Result<()> {
        // Shifts by a number of bits that is not known before take one instruction where V3 is.
        Simd::detect().run(
            #[inline(always)]
            || walk(bits, scan, rows, self.restart_interval, self.markers.end(), coder),
        )
    }

    fn take(&mut self, segment: &Segment<'a>) -> Result<()> {
        match (segment.code, segment.bytes) {
            (code::DQT, _) => self.tables.read_quant(segment)?,
            (code::DHT, _) => self.tables.read_huffman(segment)?,
            (code::SOF0 | code::SOF1, _) => self.take_frame(segment, Process::Sequential)?,
            (code::SOF2, _) => self.take_frame(segment, Process::Progressive)?,
            (code::DRI, &[high, low]) => {
                self.restart_interval = u16::from_be_bytes([high, low]).into();
            }
            (code::DRI, bytes) => {
                let found = format!("a restart interval of {} bytes", bytes.len());
                return Err(Error::damaged(format!("{found} at byte {}, expected 2", segment.at)));
            }
            (code::APP0, [b'J', b'F', b'I', b'F', 0, _, _, _, _, _, _, _, _, _, ..]) => {
                self.is_jfif = true;
            }
            (code::APP1, bytes @ [b'E', b'x', b'i', b'f', 0, 0, ..]) => {
                self.orientation.get_or_insert_with(|| exif::orientation(bytes));
            }
            (code::APP14, [b'A', b'd', b'o', b'b', b'e', _, _, _, _, _, _, transform, ..]) => {
                self.adobe_transform = Some(*transform);
            }
            _ => {}
        }
        Ok(())
    }

    fn take_frame(&mut self, segment: &Segment<'_>, process: Process) -> Result<()> {
        if self.frame.is_some() {
            return Err(Error::damaged(format!("a second frame at byte {}", segment.at)));
        }
        self.frame = Some(Frame::read(segment.bytes, process, segment.at)?);
        Ok(())
    }

    /// Gives the components of a scan their quantisation tables as they stand, if it is their first:
    /// a file may define others under the same numbers later.
    fn take_quant(&mut self, scan: &Scan, at: usize) -> Result<()> {
        let Some(frame) = &mut self.frame else { return Ok(()) };
        for part in scan.parts() {
            if std::mem::replace(&mut self.has_quant[part.component], true) {
                continue;
            }
            let component = &mut frame.components_mut()[part.component];
            let index = component.quant_index;
            let table = self.tables.quant.get(index).copied().flatten();
            component.quant = table.ok_or_else(|| {
                Error::damaged(format!("no quantisation table {index} for the scan at byte {at}"))
            })?;
        }
        Ok(())
    }
}

/// What the components stand for: the rules of libjpeg's `default_decompress_parms`.
fn color_model(frame: &Frame, is_jfif: bool, adobe_transform: Option<u8>) -> ColorModel {
    let components = frame.components();
    match (components.len(), adobe_transform) {
        (1, _) => ColorModel::Gray,
        (3, _) if is_jfif => ColorModel::YCbCr,
        (3, Some(0)) => ColorModel::Rgb,
        (3, Some(_)) => ColorModel::YCbCr,
        (3, None) if components.iter().map(|c| c.id).eq(*b"RGB") => ColorModel::Rgb,
        (3, None) => ColorModel::YCbCr,
        (_, Some(0) | None) => ColorModel::Cmyk,
        (_, Some(_)) => ColorModel::Ycck,
    }
}
