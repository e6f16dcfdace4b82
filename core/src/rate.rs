//! Payload rates over the last few seconds.
