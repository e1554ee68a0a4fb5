//! Cases and offline judging, by public doors only.
