//! Torrents by their magnet links (BEP 9): first of which only the hash is known, then made of the info
//! dictionary that peers had.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::{Metainfo, MetainfoError, Version};
use crate::geometry::Geometry;
use crate::magnet::Magnet;
use crate::untrusted::Untrusted;

impl Metainfo {
    /// What a link says. [`is_known`](Self::is_known) is false: there are no files and no pieces, and whether
    /// it is private nobody can say.
    pub fn of_magnet(magnet: &Magnet) -> Self {
        Self {
            info_hash: magnet.info_hash,
            info_hash_v1: magnet.info_hash_v1,
            info_hash_v2: magnet.info_hash_v2,
            name: magnet.shown_name(),
            geometry: Geometry::NOTHING,
            files: Vec::new(),
            private: false,
            trackers: magnet.tiers(),
            web_seeds: magnet.web_seeds.clone(),
            nodes: Vec::new(),
            comment: None,
            created_by: None,
            creation_date: None,
            version: match (magnet.info_hash_v1, magnet.info_hash_v2) {
                (Some(_), Some(_)) => Version::Hybrid,
                (None, Some(_)) => Version::V2,
                _ => Version::V1,
            },
            torrent: Bytes::new(),
            info: Bytes::new(),
            pieces: Bytes::new(),
        }
    }

    /// Whether the info dictionary is there. Of a magnet whose metadata has not come there is only what the
    /// link says.
    pub fn is_known(&self) -> bool {
        !self.info.is_empty()
    }

    /// The torrent with this info dictionary, whose hash the caller has checked, with the name, the trackers and the
    /// web seeds of the link. Its [`torrent_bytes`](Self::torrent_bytes) are a torrent file of both.
    ///
    /// # Errors
    /// The dictionary describes no usable torrent.
    pub fn of_info(info: &[u8], magnet: &Magnet) -> Result<Self, MetainfoError> {
        let mut out = BytesMut::with_capacity(info.len() + 1_024);
        let text = |out: &mut BytesMut, text: &str| {
            out.put_slice(format!("{}:", text.len()).as_bytes());
            out.put_slice(text.as_bytes());
        };
        let url = |out: &mut BytesMut, url: &Untrusted| text(out, url.raw());
        out.put_u8(b'd');
        if let Some(first) = magnet.trackers.first() {
            text(&mut out, "announce");
            url(&mut out, first);
            text(&mut out, "announce-list");
            out.put_u8(b'l');
            for tracker in &magnet.trackers {
                out.put_u8(b'l');
                url(&mut out, tracker);
                out.put_u8(b'e');
            }
            out.put_u8(b'e');
        }
        text(&mut out, "info");
        out.put_slice(info);
        if !magnet.web_seeds.is_empty() {
            text(&mut out, "url-list");
            out.put_u8(b'l');
            magnet.web_seeds.iter().for_each(|seed| url(&mut out, seed));
            out.put_u8(b'e');
        }
        out.put_u8(b'e');
        Ok(Self::parse(out.freeze())?.named(magnet.info_hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::magnet::Magnet;

    const LINK: &str = "magnet:?xt=urn:btih:3f9c1a77d0e84b6a5c21f0b8e6d4a1b2c3d4e5f6\
                        &dn=n&tr=http://a/announce&tr=udp://b:1&ws=http://w/";

    #[test]
    fn of_a_link_only_that_is_known_which_it_says() {
        let metainfo = Metainfo::of_magnet(&Magnet::parse(LINK).unwrap());
        assert!(!metainfo.is_known());
        assert_eq!((metainfo.total_size(), metainfo.files.len(), metainfo.geometry.pieces()), (0, 0, 0));
        assert_eq!((metainfo.name.raw(), metainfo.trackers.len()), ("n", 2));
    }

    #[test]
    fn the_torrent_file_has_the_trackers_of_the_link() {
        let info = [&b"d6:lengthi5e4:name1:a12:piece lengthi16384e6:pieces20:"[..], &[7; 20], b"e"].concat();
        let link = Magnet::parse(LINK).unwrap();
        let torrent = Metainfo::of_info(&info, &link).unwrap();
        assert!(torrent.is_known());
        assert_eq!(torrent.info_bytes(), info);
        let again = Metainfo::parse(torrent.torrent_bytes().clone()).unwrap();
        assert_eq!(again.trackers, link.tiers());
        assert_eq!(again.web_seeds, link.web_seeds);
        let bare = Magnet::of_hash(&torrent.info_hash.to_string()).unwrap();
        assert!(Metainfo::of_info(&info, &bare).unwrap().trackers.is_empty());
        assert!(Metainfo::of_info(b"de", &link).is_err());
        assert!(Metainfo::of_info(b"", &link).is_err());
    }
}
