//! Random frames that are nearly sound.
