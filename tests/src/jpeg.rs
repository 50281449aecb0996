//! JPEG streams: coded by `jpeg-encoder`, then changed segment by segment.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use crate::scene::Picture;

/// How chroma is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// One component.
    Grey,
    /// 4:4:4.
    S444,
    /// 4:2:2.
    S422,
    /// 4:4:0.
    S440,
    /// 4:2:0.
    S420,
    /// 4:1:1.
    S411,
}

impl Sampling {
    /// All six.
    pub const ALL: [Self; 6] = [Self::Grey, Self::S444, Self::S422, Self::S440, Self::S420, Self::S411];

    /// Pixels across and down that one MCU covers.
    #[must_use]
    pub fn mcu(self) -> (usize, usize) {
        match self {
            Self::Grey | Self::S444 => (8, 8),
            Self::S422 => (16, 8),
            Self::S440 => (8, 16),
            Self::S420 => (16, 16),
            Self::S411 => (32, 8),
        }
    }

    /// Can a stored picture of this size be set upright by moving blocks? Only a direction that is mirrored must be whole.
    #[must_use]
    pub fn turns_whole(self, stored_width: usize, stored_height: usize, orientation: u8) -> bool {
        let across = stored_width.is_multiple_of(self.mcu().0);
        let down = stored_height.is_multiple_of(self.mcu().1);
        match orientation {
            2 | 8 => across,
            4 | 6 => down,
            3 | 7 => across && down,
            _ => true,
        }
    }
}

/// How a picture is coded.
#[derive(Debug, Clone, Copy)]
pub struct Coding {
    /// Chroma.
    pub sampling: Sampling,
    /// Several scans that refine each other.
    pub progressive: bool,
    /// MCUs between restart markers; 0: none.
    pub restart: u16,
    /// Huffman tables made for the picture.
    pub optimised: bool,
    /// 1 to 100.
    pub quality: u8,
}

impl Default for Coding {
    fn default() -> Self {
        Self { sampling: Sampling::S420, progressive: false, restart: 0, optimised: false, quality: 88 }
    }
}

/// Codes a picture, with a JFIF header and nothing else.
///
/// # Panics
/// When a side is 0 or longer than 65,535 pixels.
#[must_use]
pub fn encode(picture: &Picture, coding: Coding) -> Vec<u8> {
    match coding.sampling {
        Sampling::Grey => encode_samples(&picture.grey(), picture, ColorType::Luma, coding),
        _ => encode_samples(&picture.rgb, picture, ColorType::Rgb, coding),
    }
}

/// RGB samples as they are, without a change to Y Cb Cr and without a word about it: no JFIF, no Adobe segment.
#[must_use]
pub fn encode_raw_rgb(picture: &Picture) -> Vec<u8> {
    let coding = Coding { sampling: Sampling::S444, ..Coding::default() };
    without(&encode_samples(&picture.rgb, picture, ColorType::Ycbcr, coding), &[0xE0])
}

/// Four components: CMYK, or YCCK with `ycck`, with an Adobe segment; the encoder inverts them, as Adobe does.
#[must_use]
pub fn encode_cmyk(picture: &Picture, ycck: bool) -> Vec<u8> {
    let samples: Vec<u8> = picture
        .rgb
        .chunks_exact(3)
        .flat_map(|p| {
            let most = u32::from(p[0].max(p[1]).max(p[2]));
            let ink = |v: u8| (255 * (most - u32::from(v)) / most.max(1)) as u8;
            [ink(p[0]), ink(p[1]), ink(p[2]), 255 - most as u8]
        })
        .collect();
    let kind = if ycck { ColorType::CmykAsYcck } else { ColorType::Cmyk };
    encode_samples(&samples, picture, kind, Coding { sampling: Sampling::S444, ..Coding::default() })
}

fn encode_samples(samples: &[u8], picture: &Picture, kind: ColorType, coding: Coding) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, coding.quality);
    encoder.set_sampling_factor(match coding.sampling {
        Sampling::Grey | Sampling::S444 => SamplingFactor::F_1_1,
        Sampling::S422 => SamplingFactor::F_2_1,
        Sampling::S440 => SamplingFactor::F_1_2,
        Sampling::S420 => SamplingFactor::F_2_2,
        Sampling::S411 => SamplingFactor::F_4_1,
    });
    encoder.set_progressive(coding.progressive);
    encoder.set_optimized_huffman_tables(coding.optimised);
    if coding.restart > 0 {
        encoder.set_restart_interval(coding.restart);
    }
    let side = |v: usize| u16::try_from(v).expect("a side fits 16 bits");
    encoder.encode(samples, side(picture.width), side(picture.height), kind).expect("a made picture can be coded");
    out
}

/// A marker segment.
///
/// # Panics
/// When the payload is longer than 65,533 bytes.
#[must_use]
pub fn segment(marker: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 2).expect("a payload fits its segment");
    [&[0xFF, marker], &length.to_be_bytes()[..], payload].concat()
}

/// The segments before the first SOS (marker, payload), and where that SOS starts.
///
/// # Panics
/// When the stream is not one that [`encode`] made.
#[must_use]
pub fn split(jpeg: &[u8]) -> (Vec<(u8, &[u8])>, usize) {
    let (mut parts, mut at) = (Vec::new(), 2);
    loop {
        let (marker, length) = (jpeg[at + 1], usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]])));
        if marker == 0xDA {
            return (parts, at);
        }
        parts.push((marker, &jpeg[at + 4..at + 2 + length]));
        at += 2 + length;
    }
}

/// The stream without the segments of these markers.
#[must_use]
pub fn without(jpeg: &[u8], markers: &[u8]) -> Vec<u8> {
    let (parts, sos) = split(jpeg);
    let kept = parts.iter().filter(|(marker, _)| !markers.contains(marker)).flat_map(|(m, p)| segment(*m, p));
    [0xFF, 0xD8].into_iter().chain(kept).chain(jpeg[sos..].iter().copied()).collect()
}

/// The stream with these segments right after SOI, as phones have them: the JFIF header is dropped.
#[must_use]
pub fn with_front(jpeg: &[u8], segments: &[Vec<u8>]) -> Vec<u8> {
    let bare = without(jpeg, &[0xE0]);
    [&[0xFF, 0xD8], &segments.concat()[..], &bare[2..]].concat()
}

/// The stream with these segments right before the first SOS.
#[must_use]
pub fn with_back(jpeg: &[u8], segments: &[Vec<u8>]) -> Vec<u8> {
    let sos = split(jpeg).1;
    [&jpeg[..sos], &segments.concat()[..], &jpeg[sos..]].concat()
}

/// Where the entropy-coded data of the first scan starts.
#[must_use]
pub fn scan_start(jpeg: &[u8]) -> usize {
    let sos = split(jpeg).1;
    sos + 2 + usize::from(u16::from_be_bytes([jpeg[sos + 2], jpeg[sos + 3]]))
}

/// Where the payload of the first segment with this marker starts.
///
/// # Panics
/// When there is none before the first SOS.
#[must_use]
pub fn payload_start(jpeg: &[u8], marker: u8) -> usize {
    let mut at = 2;
    while jpeg[at + 1] != marker {
        at += 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        assert!(jpeg[at] == 0xFF, "the marker is not there");
    }
    at + 4
}

/// The same stream under another SOF marker, for example SOF1 for SOF0.
#[must_use]
pub fn with_sof(jpeg: &[u8], sof: u8) -> Vec<u8> {
    let mut out = jpeg.to_vec();
    let at = payload_start(jpeg, 0xC0) - 3;
    out[at] = sof;
    out
}

/// The height taken out of the frame header and given after the scan (DNL).
#[must_use]
pub fn with_dnl(jpeg: &[u8]) -> Vec<u8> {
    let (mut out, at) = (jpeg.to_vec(), payload_start(jpeg, 0xC0) + 1);
    let height = [out[at], out[at + 1]];
    out[at..at + 2].fill(0);
    out.truncate(out.len() - 2);
    [out, segment(0xDC, &height), vec![0xFF, 0xD9]].concat()
}

/// The components renamed, in the frame header and in the (one) scan header.
#[must_use]
pub fn with_ids(jpeg: &[u8], ids: &[u8]) -> Vec<u8> {
    let (mut out, frame, scan) = (jpeg.to_vec(), payload_start(jpeg, 0xC0) + 6, split(jpeg).1 + 5);
    for (k, id) in ids.iter().enumerate() {
        out[frame + 3 * k] = *id;
        out[scan + 2 * k] = *id;
    }
    out
}

/// A stream whose header is right and whose scan is a few bytes: enough to be refused by name.
#[must_use]
pub fn header_only(sof: u8, width: u16, height: u16, precision: u8, components: u8) -> Vec<u8> {
    let model = encode(&crate::scene::scene(16, 16), Coding::default());
    let (parts, _) = split(&model);
    let tables = parts.iter().filter(|(m, _)| [0xDB, 0xC4].contains(m)).flat_map(|(m, p)| segment(*m, p)).collect();
    let mut frame = vec![precision];
    frame.extend(height.to_be_bytes());
    frame.extend(width.to_be_bytes());
    frame.push(components);
    frame.extend((1..=components).flat_map(|id| [id, if id == 1 && components > 1 { 0x22 } else { 0x11 }, 0]));
    let scan: Vec<u8> =
        [components].into_iter().chain((1..=components).flat_map(|id| [id, 0])).chain([0, 63, 0]).collect();
    [
        vec![0xFF, 0xD8],
        tables,
        segment(sof, &frame),
        segment(0xDA, &scan),
        [0x12, 0x34, 0x56, 0x78].repeat(4),
        vec![0xFF, 0xD9],
    ]
    .concat()
}
