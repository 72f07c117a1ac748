"""Files of any format, on any disk, as documents with their problems."""
