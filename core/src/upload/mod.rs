//! Who gets our upload.
