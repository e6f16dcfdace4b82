//! What a run keeps: the list and the resume records.
